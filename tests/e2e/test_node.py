"""examples/node: a WAV through onnxruntime-node, compared with Python."""

import json
import subprocess

import numpy as np
import pytest

from amt_export.audio.calibration import calibration
from support.apps import EXAMPLES, answer, app_models, installed, program, worst
from support.manifests import manifest

sf = pytest.importorskip("soundfile")
SCRIPT = EXAMPLES / "node" / "stream-wav.mjs"
FULL_SCALE = np.float32(2**0.5 * 2e-5 * 10 ** (93.98 / 20))


def stream_wav(*arguments):
    return subprocess.run(
        [program("node"), str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder():
    installed("node", "onnxruntime-node")
    return app_models()[0]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_gives_what_python_gives(folder, tmp_path, subtype):
    rng = np.random.default_rng(0)
    stereo = 0.1 * rng.standard_normal((5000, 2))  # no multiple of the block
    sf.write(tmp_path / "in.wav", stereo, 16000, subtype=subtype)
    done = stream_wav(folder, tmp_path / "in.wav", tmp_path / "out.npy")
    assert done.returncode == 0, done.stderr
    heard, _ = sf.read(tmp_path / "in.wav", dtype="float64")
    audio = (FULL_SCALE * heard.mean(1)).astype(np.float32)
    found = np.load(tmp_path / "out.npy", mmap_mode="r").T
    assert found.dtype == np.float32
    assert found.shape == (30, 5000)
    assert worst(np.asarray(found), answer(folder, audio)) < 2e-6


def test_the_level_is_that_of_a_full_scale_sine(folder, tmp_path):
    sf.write(tmp_path / "in.wav", np.full(600, 0.25), 16000, subtype="FLOAT")
    for level in (60, 80):
        done = stream_wav(
            folder, tmp_path / "in.wav", tmp_path / f"{level}.npy", f"--full-scale={level}"
        )
        assert done.returncode == 0, done.stderr
    low, high = (np.load(tmp_path / f"{level}.npy") for level in (60, 80))
    assert worst(10 * low.T, high.T) < 2e-6


@pytest.mark.parametrize(
    ("fs", "arguments", "complaint"),
    [
        (8000, [], "has 8000 Hz, gammatone_speech_16k needs 16000 Hz"),
        (16000, ["--full-scale=loud"], "usage: "),
        (None, [], "is no WAV file"),
    ],
)
def test_complaints_are_one_line(folder, tmp_path, fs, arguments, complaint):
    path = tmp_path / "in.wav"
    if fs:
        sf.write(path, np.zeros(100), fs)
    else:
        path.write_text("this is text, and no sound at all")
    done = stream_wav(folder, path, tmp_path / "out.npy", *arguments)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_model_of_velocity_refuses_a_recording(tmp_path):
    installed("node", "onnxruntime-node")
    code = """
import { gainOf } from "./calibration.mjs";
const manifest = { name: "drnl", parameters: {}, stream: { inputs: [{ unit: "m/s" }] } };
console.log(gainOf(manifest, { raw: true }));
gainOf(manifest);
"""
    done = subprocess.run(
        [program("node"), "--input-type=module", "-e", code],
        cwd=EXAMPLES / "node",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1\n"
    assert "drnl takes m/s, and a recording is sound pressure" in done.stderr


@pytest.mark.parametrize(
    ("unit", "parameters", "options"),
    [
        ("Pa", {}, {}),
        ("Pa", {}, {"full_scale": 80.0}),
        ("full scale", {"db_max": 100.0}, {}),
        ("full scale", {"spectrum_kwargs": {"db_max": 90.0}}, {"full_scale": 80.0}),
    ],
)
def test_the_conversion_is_that_of_python(unit, parameters, options):
    code = """
import { gainOf } from "./calibration.mjs";
const [unit, parameters, fullScale] = JSON.parse(process.argv[1]);
console.log(gainOf({ parameters, stream: { inputs: [{ unit }] } }, { fullScale: fullScale ?? undefined }));
"""
    arguments = json.dumps([unit, parameters, options.get("full_scale")])
    done = subprocess.run(
        [program("node"), "--input-type=module", "-e", code, arguments],
        cwd=EXAMPLES / "node",
        capture_output=True,
        text=True,
        check=True,
    )
    expected, _ = calibration(manifest(unit=unit, parameters=parameters), **options)
    assert float(done.stdout) == pytest.approx(expected, rel=1e-12)
