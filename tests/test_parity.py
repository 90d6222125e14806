"""Parity: the metric by hand, the signals it is measured on, and that it says no."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from filter_checks import model_file, noise, small_specs

from amt_export.build import build_module
from amt_export.errors import ArtifactError, ParityError
from amt_export.export import FORMATS, capture
from amt_export.export.program import quiet_torch
from amt_export.manifest import METADATA_KEY, bytes_of, load_manifest, sha256_of
from amt_export.modules.ports import Port
from amt_export.parity import check_folder
from amt_export.parity.cases import audio_cases, cases_of, eager_runner, suite_inputs
from amt_export.parity.check import VECTOR_SIGNALS, load_vectors
from amt_export.parity.compare import Case, Version, compare, failing, parity_error
from amt_export.parity.metric import difference
from amt_export.parity.signals import suite
from amt_export.publish import publish
from amt_export.spec import load_spec

LINEAR = Port("y", ("batch", "channel", "time"), "Pa")
LEVEL = Port("e", ("batch", "frame", "channel"), "dB SPL", "db", floor=-100.0)
FREQUENCY = Port("f", ("bin",), "Hz", "frequency")
ANY = {"relative": 1.0, "db": 1.0, "frequency": 0.0}


# The metric


def test_equal_is_zero_and_so_is_silence():
    y = noise(2, 3, 50).numpy()
    assert difference(y, y, LINEAR) == 0.0
    assert difference(np.zeros((1, 2, 5)), np.zeros((1, 2, 5)), LINEAR) == 0.0
    assert difference(np.full((1, 2, 5), 1e-30), np.zeros((1, 2, 5)), LINEAR) == math.inf


def test_relative_to_the_peak_of_the_channel():
    expected = np.zeros((1, 2, 4))
    expected[0, 0], expected[0, 1] = [0, 2, -4, 1], [0.5, 0, 0, 0]
    found = expected.copy()
    found[0, 1, 3] += 0.001
    assert difference(found, expected, LINEAR) == pytest.approx(0.001 / 0.5)
    found[0, 0, 0] -= 0.1
    assert difference(found, expected, LINEAR) == pytest.approx(0.1 / 4.0)
    assert difference(-expected, expected, LINEAR) == pytest.approx(2.0)


def test_a_channel_below_one_percent_is_measured_against_one_percent():
    expected = np.zeros((1, 2, 4))
    expected[0, 0, 1], expected[0, 1, 2] = 1.0, 1e-4
    found = expected.copy()
    found[0, 1, 2] += 1e-5
    assert difference(found, expected, LINEAR) == pytest.approx(1e-5 / 0.01)
    expected[0, 1, 2] = found[0, 1, 2] = 0.02
    found[0, 1, 2] += 1e-5
    assert difference(found, expected, LINEAR) == pytest.approx(1e-5 / 0.02)


def test_a_loud_row_excuses_no_other_row():
    expected = np.zeros((2, 1, 4))
    expected[0], expected[1] = 1000.0, 1e-3
    found = expected.copy()
    found[1, 0, 0] += 1e-4
    assert difference(found, expected, LINEAR) == pytest.approx(0.1)


@pytest.mark.parametrize("port", [LINEAR, LEVEL])
@pytest.mark.parametrize(
    ("found", "expected", "outcome"),
    [
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.inf, 1.0, math.inf),
        (1.0, -math.inf, math.inf),
        (math.nan, math.nan, 0.0),
        (math.inf, math.inf, 0.0),
    ],
)
def test_what_is_not_finite_must_not_be_finite_in_both(port, found, expected, outcome):
    one, two = np.ones((1, 2, 3)), np.ones((1, 2, 3))
    one[0, 1, 2], two[0, 1, 2] = found, expected
    assert difference(one, two, port) == outcome


def test_shapes_must_agree():
    assert difference(np.ones((1, 2, 3)), np.ones((1, 3, 2)), LINEAR) == math.inf
    assert difference(np.ones((2, 3)), np.ones((1, 2, 3)), LINEAR) == math.inf


def test_levels_are_compared_in_db_within_80_db_above_the_floor():
    expected = np.array([[[60.0, -19.0, -21.0], [-90.0, -99.0, -100.0]]])
    found = expected.copy()
    assert difference(found, expected, LEVEL) == 0.0
    found[0, 0, 2] += 5.0  # 81 dB below the loudest cell of its frame
    found[0, 1, 2] += 5.0  # at the floor
    assert difference(found, expected, LEVEL) == 0.0
    found[0, 0, 1] -= 0.25
    assert difference(found, expected, LEVEL) == 0.25
    found[0, 1, 1] += 0.5
    assert difference(found, expected, LEVEL) == 0.5


def test_frequencies_must_be_equal():
    f = np.array([0.0, 15.625, 1e4 / 3.0])
    assert difference(f.astype(np.float32), f, FREQUENCY) == 0.0
    assert difference(f * (1 + 1e-6), f, FREQUENCY) == math.inf


# Comparing a version


def fixed(outputs):
    return lambda _inputs: outputs


def audio(value: float, samples: int = 4):
    return {"audio": np.full((1, samples), value)}


def test_the_worst_signal_of_every_output_is_kept():
    y = np.ones((1, 1, 4))
    cases = [
        Case("a", {"x": y}, {"y": y, "e": y}),
        Case("b", {"x": y}, {"y": y + 1.0, "e": y + 0.125}),
    ]
    rows = compare(fixed({"y": y, "e": y}), cases, (LINEAR, LEVEL), Version("f", "whole", "p"), ANY)
    assert [(r.output, r.signal, r.worst, r.kind) for r in rows] == [
        ("y", "b", 0.5, "relative"),
        ("e", "b", 0.125, "db"),
    ]
    assert rows[0].tolerance == 1.0
    assert not failing(rows)


def test_infinite_differences_fail_and_can_be_written():
    y = np.ones((1, 1, 4))
    rows = compare(
        fixed({"y": y * math.nan}), [Case("a", {}, {"y": y})], [LINEAR], Version("f", "w", "p"), ANY
    )
    assert failing(rows) == rows
    assert math.isfinite(rows[0].worst)
    json.dumps(rows[0].worst, allow_nan=False)
    error = parity_error("m", rows)
    assert error.rows == rows
    assert "m: f w differs" in str(error)
    assert "on a" in str(error)


@pytest.mark.parametrize(
    ("format", "form", "hint"),
    [
        ("onnx", "whole", "; amt-export diff --format onnx says where"),
        ("coreml", "stream", "; amt-export diff --format coreml --form stream says where"),
        ("reference", "whole", "; where float32 can do no better, [parity] reference allows more"),
        ("torchscript", "whole", "are allowed"),
    ],
)
def test_a_difference_says_what_to_do_next(format, form, hint):
    y = np.ones((1, 1, 4))
    tolerance = {**ANY, "relative": 0.1}
    version = Version(format, form, "CPU")
    rows = compare(fixed({"y": 2 * y}), [Case("a", {}, {"y": y})], [LINEAR], version, tolerance)
    assert str(parity_error("m", rows)).endswith(hint)


# The signals


@pytest.mark.parametrize(("samples", "fs"), [(16000, 16000), (4000, 44100), (7, 32000)])
def test_the_suite_is_the_same_every_time_and_in_both_precisions(samples, fs):
    signals, again = suite(samples, fs), suite(samples, fs)
    assert list(signals) == [
        *("noise_20dB", "noise_60dB", "noise_94dB", "noise_120dB", "click", "tone_1k", "tone_4k"),
        *("sweep", "silence", "tiny_noise", "speech"),
    ]
    for name, values in signals.items():
        assert values.shape == (samples,), name
        assert values.dtype == np.float64, name
        assert np.array_equal(values, again[name]), name
        assert np.array_equal(values, values.astype(np.float32)), name
        assert np.isfinite(values).all(), name


def test_levels_are_db_spl():
    fs = 16000
    signals = suite(fs, fs)
    middle = slice(fs // 4, 3 * fs // 4)

    def level(name):
        return 20 * np.log10(np.sqrt(np.mean(signals[name][middle] ** 2)) / 2e-5)

    for name, expected in (("noise_20dB", 20), ("noise_60dB", 60), ("noise_120dB", 120)):
        assert level(name) == pytest.approx(expected, abs=0.2), name
    for name in ("tone_1k", "tone_4k", "sweep"):
        assert level(name) == pytest.approx(70.0, abs=0.01), name
    whole = 20 * np.log10(np.sqrt(np.mean(signals["speech"] ** 2)) / 2e-5)
    assert whole == pytest.approx(65.0, abs=0.5)
    assert level("noise_94dB") - level("noise_60dB") == pytest.approx(34.0, abs=1e-4)
    assert np.std(signals["tiny_noise"]) == pytest.approx(1e-8, rel=0.02)
    assert np.count_nonzero(signals["silence"]) == 0
    assert np.count_nonzero(signals["click"]) == 1
    assert signals["click"].max() == 1.0


def test_tones_are_where_they_say():
    signals = suite(16000, 16000)
    for name, frequency in (("tone_1k", 1000), ("tone_4k", 4000)):
        assert np.abs(np.fft.rfft(signals[name])).argmax() == frequency
    early, late = (
        np.abs(np.fft.rfft(signals["sweep"][part])).argmax() * 10
        for part in (slice(1000, 2600), slice(13400, 15000))
    )
    assert early < 150
    assert late > 3000


def test_ramps_are_raised_cosines_of_20_ms():
    fs = 16000
    loud = suite(fs, fs)["noise_94dB"]
    raw = np.random.default_rng(20600).standard_normal(fs)
    shape = loud / raw
    count = int(0.02 * fs)
    envelope = shape / shape[fs // 2]
    expected = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)
    np.testing.assert_allclose(envelope[:count], expected, atol=1e-5)
    np.testing.assert_allclose(envelope[-count:], expected[::-1], atol=1e-5)
    np.testing.assert_allclose(envelope[count:-count], 1.0, atol=1e-6)


def test_rows_and_ears_get_different_sounds():
    cases = audio_cases((3, 2, 500), 32000.0, "Pa")
    for name, batch in cases.items():
        assert batch.shape == (3, 2, 500)
        rows = {row.tobytes() for row in batch.reshape(6, 500)}
        assert len(rows) >= 5, name  # silence is silence at half the level too
    one = audio_cases((1, 500), 32000.0, "Pa")
    np.testing.assert_array_equal(one["click"][0], suite(500, 32000.0)["click"])


def test_full_scale_is_94_db():
    pascal = audio_cases((1, 2, 500), 32000.0, "Pa")["tone_1k"]
    scaled = audio_cases((1, 2, 500), 32000.0, "full scale")["tone_1k"]
    ratio = 20 * np.log10(np.abs(pascal).max() / np.abs(scaled).max())
    assert ratio == pytest.approx(20 * np.log10(2**0.5 * 2e-5) + 93.98, abs=1e-3)


# Every model in every format

MODELS = ("gammatone_speech_16k", "gammatone_music_44k", "drnl_casp_44k", "drnl_jepsen_44k")
MODELS += ("drnl_hix_44k", "fast_drnl_casp_44k")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_in_every_format(name, format, tmp_path):
    """The model files with fewer channels and samples; `make artifacts` does it with all of them."""
    spec = replace(load_spec(model_file(name)).resized(samples=2000), stream_block=None)
    if "n_channels" in spec.parameters:
        few = {"n_channels": 4}
        spec = replace(
            spec, parameters=spec.parameters | few, raw_parameters=spec.raw_parameters | few
        )
    manifest = publish(spec, tmp_path, formats=[format])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [entry.format for entry in manifest.files] == [format]
    assert load_manifest(tmp_path / name) == manifest
    assert [row.format for row in manifest.parity] == ["reference", format]
    interpreted = format == "coreml" and sys.platform != "darwin"
    for row in manifest.parity:
        by_interpreter = interpreted and row.format == format
        assert row.verified_by == ("interpreter" if by_interpreter else "execution")
        assert 0.0 <= row.worst <= row.tolerance == spec.parity[row.format]
        assert row.signal in suite(10, 16000)
    assert manifest.parity[0].worst > 0.0, "float32 is not float64"
    if name == MODELS[0]:
        again = check_folder(tmp_path / name)
        assert [r.format for r in again.vectors] == [format]
        assert [r.format for r in again.eager] == [format]
    text = (tmp_path / name / "parity.md").read_text()
    assert format in text
    assert name in text


@pytest.mark.parametrize("name", ["gammatone_speech_16k", "drnl_casp_44k", "fast_drnl_casp_44k"])
def test_a_batch_that_was_published_is_accepted_again(name, tmp_path):
    """Row b of a signal's batch is another signal; `check` knows fewer signals than `build`."""
    spec = load_spec(model_file(name)).resized(samples=2000, batch=3)
    spec = replace(spec, stream_block=None)
    if "n_channels" in spec.parameters:
        few = {"n_channels": 4}
        spec = replace(
            spec, parameters=spec.parameters | few, raw_parameters=spec.raw_parameters | few
        )
    manifest = publish(spec, tmp_path, formats=["torchscript"])
    assert manifest.inputs[0].shape == (3, 2000)
    check_folder(tmp_path / name)


# It says no


def sign(folder: Path) -> None:
    """Make a folder's manifest agree with its spoiled files."""
    manifest = load_manifest(folder)
    entries = [
        replace(e, bytes=bytes_of(folder / e.path), sha256=sha256_of(folder / e.path))
        for e in manifest.files
    ]
    signed = replace(manifest, files=tuple(entries))
    (folder / "manifest.json").write_text(signed.to_json(), encoding="utf-8")


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Initializers that are numbers of the filters, not padding or sizes."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and np.count_nonzero(onnx.numpy_helper.to_array(tensor)) > 4
    ]


def nudge(path: Path, name: str | None = None) -> None:
    """Change one float of an ONNX file, the largest of its initializer, by 1e-4 of it."""
    model = onnx.load(path)
    tensors = weights(model)
    tensor = tensors[0] if name is None else next(t for t in tensors if t.name == name)
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[np.abs(array).argmax()] *= np.float32(1.0 + 1e-4)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)


def checked(folder: Path):
    """Rows of `check_folder`, good or bad."""
    try:
        return check_folder(folder).rows
    except ParityError as error:
        return error.rows


@pytest.mark.parametrize("name", ["gammatone", "drnl", "fast_drnl"])
def test_a_good_folder_passes(name, published):
    seen = []
    findings = check_folder(published(name), lambda what, share: seen.append((what, share)))
    formats = ["torchscript", "exported_program", "onnx", "coreml"]
    assert [r.format for r in findings.vectors] == formats
    assert [r.format for r in findings.eager] == formats
    assert all(r.worst <= r.tolerance for r in findings.rows)
    assert seen[-1][1] == 1.0
    assert [share for _, share in seen] == sorted(share for _, share in seen)


def test_one_changed_float_in_an_onnx_file_is_rejected(writable):
    folder = writable("gammatone")
    path = folder / "gammatone.onnx"
    original = path.read_bytes()
    rejected = set()
    for tensor in weights(onnx.load(path)):
        path.write_bytes(original)
        nudge(path, tensor.name)
        sign(folder)
        bad = [row.format for row in failing(checked(folder))]
        if bad:
            assert set(bad) == {"onnx"}
            rejected.add(tensor.name)
    # Impulse response, reach, observe, fine and coarse powers; 1e-4 of a rest is nothing.
    assert len(rejected) >= 4
    assert {"filter.observe", "filter.fine", "filter.coarse"} <= rejected


@pytest.mark.parametrize("name", ["limb", "gain"])
def test_a_wrong_compression_is_rejected(name, writable):
    """At everyday levels in pascals the linear path of the DRNL dominates; the vectors know more."""
    folder = writable("drnl")
    path = folder / "drnl.onnx"
    values = getattr(build_module(small_specs()["drnl"]), name).numpy()
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.size == values.size and np.array_equal(array.ravel(), values):
            wrong = array * np.float32(1.01)
            tensor.CopyFrom(onnx.numpy_helper.from_array(wrong, tensor.name))
            break
    else:
        raise AssertionError("the compression is not in the file")
    onnx.save(model, path)
    sign(folder)
    with pytest.raises(ParityError, match="onnx differs"):
        check_folder(folder)


def test_one_changed_float_in_a_torchscript_file_is_rejected(writable):
    folder = writable("gammatone")
    path = folder / "gammatone.ts.pt"
    extra = {METADATA_KEY: ""}
    with quiet_torch():
        module = torch.jit.load(path, _extra_files=extra)
        buffer = dict(module.named_buffers())["filter.impulse"]
        buffer.view(-1)[buffer.abs().argmax()] *= 1.0 + 1e-4
        torch.jit.save(module, path, _extra_files=extra)
    sign(folder)
    with pytest.raises(ParityError, match="torchscript differs"):
        check_folder(folder)


def test_one_changed_float_in_an_exported_program_is_rejected(writable):
    folder = writable("gammatone")
    path = folder / "gammatone.pt2"
    with quiet_torch():
        extra = {METADATA_KEY: ""}
        program = torch.export.load(path, extra_files=extra)
        tables = {**program.state_dict, **program.constants}
        buffer = next(value for name, value in tables.items() if name.endswith("impulse"))
        with torch.no_grad():
            buffer.view(-1)[buffer.abs().argmax()] *= 1.0 + 1e-4
        torch.export.save(program, path, extra_files=extra)
    sign(folder)
    with pytest.raises(ParityError, match="exported_program differs"):
        check_folder(folder)


class Swapped(torch.nn.Module):
    """Channels in the wrong order."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, audio):
        return self.module(audio).flip(1)


class Late(torch.nn.Module):
    """One sample too late."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, audio):
        answer = self.module(audio)
        return torch.cat([torch.zeros_like(answer[..., :1]), answer[..., :-1]], dim=-1)


class Softer(torch.nn.Module):
    """A thousandth of a percent too soft."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, audio):
        return 0.99999 * self.module(audio)


@pytest.fixture
def wrong_exporter(monkeypatch):
    """Let the exporter of a format export another module than it is told."""

    def install(format, wrapper):
        kind = FORMATS[format]

        def export(program, path, metadata):
            wrong = capture(
                wrapper(program.module).eval(),
                program.inputs,
                program.input_names,
                program.output_names,
            )
            kind.export(wrong, path, metadata)

        monkeypatch.setitem(FORMATS, format, replace(kind, export=export))

    return install


def contents(folder: Path) -> dict[str, str]:
    return {p.name: sha256_of(p) for p in folder.iterdir()}


@pytest.mark.parametrize("wrapper", [Swapped, Late, Softer])
@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_artifact_is_not_published(format, wrapper, published, tmp_path, wrong_exporter):
    earlier = tmp_path / "gammatone"
    shutil.copytree(published("gammatone"), earlier)
    before = contents(earlier)
    wrong_exporter(format, wrapper)
    with pytest.raises(
        ParityError, match=f"gammatone: {format} differs from eager torch"
    ) as caught:
        publish(small_specs()["gammatone"], tmp_path, formats=[format])
    assert [row.format for row in failing(caught.value.rows)] == [format]
    assert [path.name for path in tmp_path.iterdir()] == ["gammatone"]
    assert contents(earlier) == before


def test_an_exporter_that_nudges_one_float_is_found_out(tmp_path, monkeypatch):
    kind = FORMATS["onnx"]

    def export(program, path, metadata):
        kind.export(program, path, metadata)
        nudge(path)

    monkeypatch.setitem(FORMATS, "onnx", replace(kind, export=export))
    with pytest.raises(ParityError, match="onnx differs"):
        publish(small_specs()["gammatone"], tmp_path, formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_a_module_that_differs_from_float64_is_not_published(tmp_path):
    spec = small_specs()["gammatone"]
    strict = replace(spec, parity=spec.parity | {"reference": 1e-9})
    with pytest.raises(ParityError, match="reference differs from float64"):
        publish(strict, tmp_path, formats=["torchscript"])
    assert not list(tmp_path.iterdir())


# Damaged folders


@pytest.mark.parametrize("file", ["gammatone.onnx", "gammatone.ts.pt", "gammatone.pt2"])
def test_a_changed_byte_is_noticed(file, writable):
    folder = writable("gammatone")
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{file}: SHA-256 differs"):
        check_folder(folder)


@pytest.mark.parametrize(
    "file", ["gammatone.onnx", "gammatone.ts.pt", "gammatone.pt2", "gammatone.mlpackage"]
)
@pytest.mark.parametrize("signed", [False, True])
def test_a_truncated_artifact_is_noticed(file, signed, writable):
    folder = writable("gammatone")
    path = folder / file
    if path.is_dir():
        path = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if signed:
        sign(folder)
    with pytest.raises(ArtifactError, match=file):
        check_folder(folder)


def test_a_package_without_its_weights_is_noticed(writable):
    folder = writable("gammatone")
    (folder / "gammatone.mlpackage/Data/com.apple.CoreML/weights/weight.bin").unlink()
    sign(folder)
    with pytest.raises(ArtifactError, match="weight"):
        check_folder(folder)


def test_an_artifact_of_another_model_is_noticed(writable, published):
    """Signed, and of the right format, but not what the manifest describes."""
    folder = writable("gammatone")
    for suffix in (".onnx", ".ts.pt", ".pt2"):
        shutil.copy(published("drnl") / f"drnl{suffix}", folder / f"gammatone{suffix}")
        sign(folder)
        with pytest.raises((ArtifactError, ParityError)):
            check_folder(folder, vectors_only=True)
        shutil.copy(published("gammatone") / f"gammatone{suffix}", folder)


def test_a_core_ml_package_of_another_model_is_noticed(writable, published):
    folder = writable("gammatone")
    package = folder / "gammatone.mlpackage"
    shutil.rmtree(package)
    shutil.copytree(published("drnl") / "drnl.mlpackage", package)
    sign(folder)
    with pytest.raises(ArtifactError, match=r"gammatone\.mlpackage"):
        check_folder(folder)


def spoiled_vectors(kind: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = next(key for key in arrays if key.startswith("in."))
    if kind == "none":
        return {}
    if kind == "an input is missing":
        return {key: value for key, value in arrays.items() if key != first}
    if kind == "foreign names":
        return {"something": np.zeros(3)}
    if kind == "short input":
        return {**arrays, first: arrays[first][:, :-1]}
    if kind == "short output":
        key = first.replace("in.", "out.").replace("audio", "subbands")
        return {**arrays, key: arrays[key][..., :-1]}
    return {**arrays, first: np.array(["text"])}


@pytest.mark.parametrize(
    "kind",
    ["none", "an input is missing", "foreign names", "short input", "short output", "text"],
)
def test_vectors_of_something_else_are_one_error(kind, writable):
    folder = writable("gammatone")
    with np.load(folder / "vectors.npz") as file:
        arrays = dict(file)
    np.savez(folder / "vectors.npz", **spoiled_vectors(kind, arrays))
    with pytest.raises((ArtifactError, ParityError)):
        check_folder(folder)


@pytest.mark.parametrize("keep", [None, 0, 100, 5000])
def test_missing_and_truncated_vectors(keep, writable):
    path = writable("gammatone") / "vectors.npz"
    data = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(data[:keep])
    with pytest.raises(ArtifactError, match=r"vectors\.npz.*build"):
        check_folder(path.parent)


def test_changed_vectors_are_rejected(writable):
    folder = writable("gammatone")
    with np.load(folder / "vectors.npz") as file:
        arrays = dict(file)
    arrays["out.speech.subbands"] = arrays["out.speech.subbands"] * np.float32(1.0 + 1e-4)
    np.savez(folder / "vectors.npz", **arrays)
    with pytest.raises(ParityError, match="speech") as caught:
        check_folder(folder)
    assert len(failing(caught.value.rows)) == len(FORMATS)


def test_vectors_are_the_float64_module(published):
    folder = published("gammatone")
    manifest = load_manifest(folder)
    cases = load_vectors(folder, manifest)
    assert {case.signal for case in cases} == set(VECTOR_SIGNALS)
    spec = small_specs()["gammatone"]
    double = build_module(spec, torch.float64).frozen(2000)
    expected = cases_of(
        suite_inputs(double, spec.inputs), eager_runner(double, ["subbands"]), "float64"
    )
    truth = {case.signal: case for case in expected}
    for case in cases:
        np.testing.assert_array_equal(case.inputs["audio"], truth[case.signal].inputs["audio"])
        error = case.outputs["subbands"] - truth[case.signal].outputs["subbands"]
        assert np.abs(error).max() < 1e-7 * np.abs(case.outputs["subbands"]).max()
