"""packages/js as npm packs it, in an empty Node project and an empty Vite project, compared with Python."""

import json
import os
import re
import shutil
import tarfile

import numpy as np
import pytest

from amt_export import runtime
from amt_export.audio.calibration import calibration
from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    MIRRORED,
    REPRESENTATION,
    ROOT,
    SAMPLES,
    answer,
    app_model,
    installed,
    program,
)
from support.manifests import manifest
from support.process import succeeded

PACKAGE = ROOT / "packages" / "js"
COMPILER = PACKAGE / "node_modules" / ".bin" / "tsc"

STRICT = {
    "target": "ES2022",
    "lib": ["ES2022", "DOM"],
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "noPropertyAccessFromIndexSignature": True,
    "skipLibCheck": False,
    "noEmit": True,
}
"""What careful users set."""


def readme_blocks(language):
    """Code of the README with whether it is for browsers only."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        title = section.splitlines()[0]
        blocks = re.finditer(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        for block in blocks:
            before = section[: block.start()].rstrip().splitlines()[-1]
            found.append((block[1], "(browsers only)" in title or before == "In browsers:"))
    return found


def run(command, cwd, text=None, **environment):
    return succeeded(*command, cwd=cwd, input=text, env=os.environ | environment)


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    """What would be published."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("installs packages: run `make test-apps`")
    installed("web", "vite")
    installed("node", "onnxruntime-node")
    if not COMPILER.exists():
        pytest.skip("the compiler of packages/js is not installed: run `make test-apps`")
    folder = tmp_path_factory.mktemp("tarball")
    # As after `git clone` and `npm ci`: nothing is compiled. Some users forbid scripts everywhere.
    source = folder / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("dist", "node_modules"))
    (source / "node_modules").symlink_to(PACKAGE / "node_modules")
    (folder / "npmrc").write_text("ignore-scripts=true\n")
    command = [program("npm"), "pack", "--pack-destination", folder]
    run(command, source, npm_config_userconfig=str(folder / "npmrc"))
    (packed,) = folder.glob("amt-export-*.tgz")
    return packed


def project(folder, tarball, engine, *others):
    """Make an empty project with the package and an engine of the version that the examples are locked to."""
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    shutil.copy(EXAMPLES / "node" / ".npmrc", folder)
    example = "web" if engine == "onnxruntime-web" else "node"
    wanted = [f"{name}@{version_of(example, name)}" for name in (engine, *others)]
    run([program("npm"), "install", "--silent", "--prefer-offline", tarball, *wanted], folder)
    return folder


def version_of(example, name):
    return json.loads((installed(example, name) / "package.json").read_text())["version"]


@pytest.fixture(scope="module")
def node_project(tarball, tmp_path_factory):
    """An empty Node project with the package."""
    folder = project(tmp_path_factory.mktemp("node"), tarball, "onnxruntime-node")
    yield folder
    shutil.rmtree(folder)  # 300 MB


@pytest.fixture(scope="module")
def node(node_project):
    """Run a task in an empty Node project."""
    shutil.copy(PACKAGE / "tests" / "tasks.mjs", node_project)
    return lambda **task: json.loads(
        run([program("node"), "tasks.mjs"], node_project, json.dumps(task, default=str))
    )


def test_pack_compiles_what_it_packs(tarball):
    with tarfile.open(tarball) as packed:
        sources = {path.stem for path in (PACKAGE / "src").glob("*.ts") if ".d." not in path.name}
        assert {f"package/dist/{name}.js" for name in sources} <= set(packed.getnames())
        worklet = packed.extractfile("package/dist/worklet_source.js").read()
    assert b"registerProcessor" in worklet


def test_what_the_readme_has_for_node_compiles_and_runs_there(node_project):
    compiled = [code for code, browsers_only in readme_blocks("ts") if not browsers_only]
    assert len(compiled) >= 2
    folder = node_project / "readme"
    folder.mkdir()
    for number, code in enumerate(compiled):
        (folder / f"block{number}.ts").write_text(code, encoding="utf-8")
    options = STRICT | {"module": "nodenext", "types": []}
    tsconfig = {"compilerOptions": options, "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(tsconfig))
    run([COMPILER], folder)
    (folder / "models").mkdir()
    (folder / "models" / SAMPLES).symlink_to(app_model(SAMPLES))
    ((code, _),) = readme_blocks("js")
    (folder / "block.mjs").write_text(code, encoding="utf-8")
    assert run([program("node"), "block.mjs"], folder).startswith("true [")


def noise(samples, ears=1, seed=0):
    signal = 0.05 * np.random.default_rng(seed).standard_normal((ears, samples))
    return signal.astype(np.float32)


@pytest.mark.parametrize("form", ["whole", "stream"])
@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        (SAMPLES, (1, 8819, 8821, 30011)),  # one window, several
        (FRAMES, (441, 9000, 20001)),  # windows that overlap entirely: a stream
        (MIRRORED, (1025, 8820, 12345, 20480)),
        (
            LOUDNESS,
            (1, 7000, 33001),
        ),  # two ears; the last one is longer than the artifact: a stream
        (REPRESENTATION, (8820, 9001)),
    ],
)
def test_process_is_that_of_python_for_any_length(node, tmp_path, name, lengths, form):
    folder = app_model(name)
    ears = 2 if name == LOUDNESS else 1
    for samples in lengths:
        audio = noise(samples, ears)
        audio.tofile(tmp_path / "audio.f32")
        found = node(
            task="process", folder=folder, audio=tmp_path / "audio.f32", out=tmp_path, form=form
        )
        expected = answer(folder, audio if ears == 2 else audio[0])
        assert list(found) == list(expected)
        for port in runtime.load(folder).manifest.outputs:
            right = np.asarray(expected[port.name])
            assert found[port.name] == {"dims": list(right.shape), "unit": port.unit}
            answered = np.fromfile(tmp_path / f"{port.name}.f32", np.float32).reshape(right.shape)
            # One file in one engine in two builds of it; the other form adds in another order.
            scale = 50.0 if port.kind == "db" else max(1e-9, np.abs(right).max(initial=0.0))
            assert np.abs(answered - right).max(initial=0.0) <= 2e-6 * scale


def test_a_stream_takes_pieces_of_any_size_resets_and_flushes(node, tmp_path):
    audio = noise(5000)
    audio.tofile(tmp_path / "audio.f32")
    node(
        task="pieces",
        folder=app_model(SAMPLES),
        audio=tmp_path / "audio.f32",
        out=tmp_path,
        pieces=[1, 300, 0, 256, 1111],
    )
    expected = answer(app_model(SAMPLES), audio[0])["subbands"]
    found = np.fromfile(tmp_path / "subbands.f32", np.float32).reshape(expected.shape)
    assert np.abs(found - expected).max() < 2e-6 * np.abs(expected).max()


def test_what_is_not_finite_is_refused_or_restarts_the_stream(node):
    found = node(task="nonfinite", folder=app_model(FRAMES))
    assert found["refused"].startswith("InputError: audio: sample 921 of the stream is NaN")
    assert found["tooLoud"].startswith("StreamError: cochleagram_casp_44k: ")
    assert "reset() it" in found["broken"]
    assert found["mended"]
    assert (found["resets"], found["after"]) == (1, True)
    assert found["whole"].startswith("InputError: audio: sample 321 is NaN")
    assert "has 1 ear, got 2 signals; average the channels first" in found["ears"]
    for message, words in zip(
        found["types"],
        (
            "got a plain array: convert it with Float32Array.from(samples)",
            "this model has 1 ear, got 0 signals",
            "got Int16Array: convert it with Float32Array.from(samples, (x) => x / 32768)",
            "got Float64Array: convert it with Float32Array.from(samples)",
            "got a plain array: convert it with Float32Array.from(samples)",
            "needs a Float32Array in Pa, or one for each ear; got String",
            "needs a Float32Array in Pa, or one for each ear; got undefined",
        ),
        strict=True,
    ):
        assert words in message
    assert found["choices"] == [
        'InputError: form is "streem"; give "whole" or "stream"',
        'InputError: onNonfinite is "reset"; give "error" or "pass"',
        'InputError: onNonfinite is "ignore"; give "error" or "reset" or "pass"',
    ]


def test_options_that_do_not_exist_are_refused(node):
    calibration_keys = "fullScale, level, rms, raw"
    refused = [
        ("calibration", {"fullscale": 117}, "fullscale", "fullScale", calibration_keys),
        ("model.calibration", {"full_scale": 117}, "full_scale", "fullScale", calibration_keys),
        ("model.calibration", {"Level": 65, "rms": 0.1}, "Level", "level", calibration_keys),
        ("model.calibration", {"calibrated": True}, "calibrated", None, calibration_keys),
        ("load", {"from": "stream"}, "from", "form", "form, session, engine, verify"),
        ("load", {"threads": 3}, "threads", None, "form, session, engine, verify"),
        (
            *("load in browsers", {"treads": 3}, "treads", "threads"),
            "form, session, engine, verify, wasm, threads",
        ),
        ("process", {"onNonFinite": "pass"}, "onNonFinite", "onNonfinite", "onNonfinite"),
        ("stream", {"onNonFinite": "reset"}, "onNonFinite", "onNonfinite", "onNonfinite"),
        ("capture", {"channel": 2}, "channel", "channels", "channels, worklet"),
        ("microphone", {"chanels": 2}, "chanels", "channels", "channels, worklet"),
        ("microphone", {"a\nb": 2}, "a\\nb", None, "channels, worklet"),
    ]
    others = [
        ("stream", "reset", "stream: options are a string; give an object"),
        ("process", None, "process: options are null; give an object"),
        ("model.calibration", [93], "calibration: options are an array; give an object"),
        ("model.calibration", {"rms": 0.1}, "an rms needs the level of the recording"),
    ]
    given = [(name, options) for name, options, *_ in (*refused, *others)]
    allowed = [
        ("load", {"form": "stream", "verify": False, "session": {}}),
        ("model.calibration", {"level": 65, "rms": 0.1}),
        ("model.calibration", {}),
        ("process", {"onNonfinite": "pass"}),
        ("stream", {"onNonfinite": "reset"}),
    ]
    found = node(task="options", folder=app_model(SAMPLES), given=given + allowed)
    for message, (_, _, key, near, keys) in zip(found, refused, strict=False):
        hint = f'did you mean "{near}"? ' if near else ""
        assert message.startswith("InputError: ")
        assert message.endswith(f'unknown option "{key}"; {hint}choose from: {keys}')
    for message, (_, _, words) in zip(found[len(refused) :], others, strict=False):
        assert message.startswith(f"InputError: {words}")
    assert found[len(given) :] == [None] * len(allowed)


@pytest.mark.parametrize("name", [SAMPLES, FRAMES, MIRRORED, LOUDNESS])
def test_models_agree_with_their_vectors_and_damage_is_seen(node, name):
    found = node(task="verify", folder=app_model(name))
    for verdict, forms in ((found["whole"], {"whole", "stream"}), (found["part"], {"stream"})):
        assert verdict["ok"], verdict
        assert {finding["form"] for finding in verdict["findings"]} == forms
        assert len(verdict["signals"]) == 4
        # Zero of everything would be a comparison of nothing.
        assert any(finding["difference"] > 0 for finding in verdict["findings"])
    assert not found["damaged"]


def test_other_files_are_refused_in_one_line(node):
    found = node(task="refused", folder=app_model(SAMPLES), damaged=f"{SAMPLES}.stream.onnx")
    assert found["good"] is None
    assert "is not the file that was published" in found["altered"]
    assert "/no/such/folder/manifest.json: cannot be read" in found["none"]
    assert "its schema is 3" in found["schema"]
    assert "no streaming ONNX file was published" in found["up"]
    assert all("\n" not in (text or "") for text in found.values())


def test_units_are_converted_as_in_python(node, tmp_path):
    sones = [0.0, 1e-4, 6e-4, 0.01, 0.5, 1.0, 7.2, 64.0, 300.0, 400.0]
    subbands = noise(1000, 2)
    subbands.tofile(tmp_path / "subbands.f32")
    cases = [
        ("Pa", {}, {}),
        ("Pa", {}, {"full_scale": 80.0}),
        ("Pa", {}, {"level": 65.0, "rms": 0.03}),
        ("full scale", {"db_max": 100.0}, {}),
        ("full scale", {"spectrum_kwargs": {"db_max": 90.0}}, {"full_scale": 80.0}),
        ("m/s", {}, {"raw": True}),
    ]
    manifests = [manifest(unit=unit, parameters=parameters) for unit, parameters, _ in cases]
    names = {"full_scale": "fullScale"}
    plain = [
        {
            "name": m.name,
            "parameters": dict(m.parameters),
            "inputs": [
                {
                    "name": "audio",
                    "unit": m.inputs[0].unit,
                    "axes": ["batch", "time"],
                    "shape": [1, 100],
                }
            ],
        }
        for m in manifests
    ]
    options = [
        {names.get(key, key): value for key, value in given.items()} for _, _, given in cases
    ]
    velocity = plain[-1]
    found = node(
        task="numbers",
        sones=sones,
        subbands=tmp_path / "subbands.f32",
        hop=96,
        manifests=[
            *zip(plain, options, strict=True),
            (velocity, {}),
            (plain[0], {"fullScale": 300}),
        ],
    )
    np.testing.assert_allclose(found["phon"], runtime.phon(np.array(sones)), atol=1e-4)
    levels = runtime.frame_levels(subbands, 96)
    np.testing.assert_allclose(np.reshape(found["levels"], levels.shape), levels, atol=1e-5)
    expected = [
        calibration(m, **given)[0] for m, (_, _, given) in zip(manifests, cases, strict=True)
    ]
    np.testing.assert_allclose(found["gains"][:6], expected, rtol=1e-12)
    assert "takes m/s, and a recording is sound pressure: take casp_44k" in found["gains"][6]
    assert found["gains"][7] == "InputError: full scale 300 dB SPL: give one from -100 to 200"


def test_an_empty_vite_project_compiles_strictly_builds_and_runs(tarball, tmp_path):
    chromium = program("chromium", "chromium-browser", "google-chrome")
    folder = project(tmp_path, tarball, "onnxruntime-web", "vite", "typescript", "playwright-core")
    options = STRICT | {
        "module": "ESNext",
        "moduleResolution": "bundler",
        "types": ["vite/client"],
    }
    # What users read is compiled, too.
    examples = readme_blocks("ts")
    assert len(examples) >= 5
    for number, (code, _) in enumerate(examples):
        (folder / f"readme{number}.ts").write_text(code, encoding="utf-8")
    tsconfig = {"compilerOptions": options, "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(tsconfig))
    shutil.copy(PACKAGE / "tests" / "page.ts", folder / "main.ts")
    (folder / "index.html").write_text(
        "<title>waiting</title><script type=module src=main.ts></script>"
    )
    shutil.copy(PACKAGE / "tests" / "visit.mjs", folder)
    model = app_model(SAMPLES)
    (folder / "public" / "model").mkdir(parents=True)
    for name in ("manifest.json", f"{SAMPLES}.stream.onnx"):
        shutil.copy(model / name, folder / "public" / "model")
    run([program("npx"), "tsc"], folder)
    run([program("npx"), "vite", "build"], folder)
    title = run([program("node"), "visit.mjs"], folder, CHROMIUM=chromium).splitlines()[-1]
    shutil.rmtree(folder / "node_modules")
    assert title == "1000 full-scale sine = 80 dB SPL 40.02"
