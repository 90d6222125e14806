"""Parity: every model in every format agrees, and what is wrong is not published."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from amt_export.errors import ParityError
from amt_export.export import FORMATS, capture
from amt_export.export.capture import quiet_torch
from amt_export.manifest import METADATA_KEY, load_manifest, sha256_of
from amt_export.manifest.ports import Port
from amt_export.model_file import load_spec
from amt_export.publish import publish
from amt_export.verify.parity import check_folder
from amt_export.verify.parity.compare import failing
from amt_export.verify.parity.signals import suite
from support.filters import FILTERBANKS, model_file, resized_specs, small_specs
from support.folders import sign

LINEAR = Port("y", ("batch", "channel", "time"), "Pa")
LEVEL = Port("e", ("batch", "frame", "channel"), "dB SPL", "db", floor=-100.0)
FREQUENCY = Port("f", ("bin",), "Hz", "frequency")
ANY = {"relative": 1.0, "db": 1.0, "frequency": 0.0}


# Every model in every format


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", FILTERBANKS)
def test_every_model_in_every_format(name, format, published):
    """The model files with fewer channels and samples; `make artifacts` does it with all of them."""
    folder, spec = published(name), resized_specs()[name]
    manifest = load_manifest(folder)
    assert [entry.format for entry in manifest.files] == list(FORMATS)
    rows = {row.format: row for row in manifest.parity}
    assert list(rows) == ["float64", *FORMATS]
    row = rows[format]
    interpreted = format == "coreml" and sys.platform != "darwin"
    assert row.verified_by == ("interpreter" if interpreted else "execution")
    assert 0.0 <= row.worst <= row.tolerance
    assert row.tolerance == spec.parity[format] or format not in spec.given
    assert row.signal in suite(10, 16000)
    assert 0.0 < rows["float64"].worst <= rows["float64"].tolerance, "float32 is not float64"
    text = (folder / "README.md").read_text()
    assert format in text
    assert name in text


def test_one_format_alone(tmp_path):
    manifest = publish(small_specs()["gammatone"], tmp_path, formats=["onnx"])
    assert [path.name for path in tmp_path.iterdir()] == ["gammatone"]
    assert [entry.format for entry in manifest.files] == ["onnx"]
    assert load_manifest(tmp_path / "gammatone") == manifest
    again = check_folder(tmp_path / "gammatone")
    assert [r.format for r in again.vectors] == [r.format for r in again.eager] == ["onnx"]


@pytest.mark.parametrize("name", ["gammatone_speech_16k", "drnl_casp_44k", "fast_drnl_casp_44k"])
def test_a_batch_that_was_published_is_accepted_again(name, tmp_path):
    """Row b of a signal's batch is another signal; `check` knows fewer signals than `build`."""
    spec = load_spec(model_file(name)).resized(samples=2000, batch=3)
    spec = replace(spec, stream_block=None, given=frozenset())
    if "n_channels" in spec.parameters:
        few = {"n_channels": 4}
        spec = replace(
            spec, parameters=spec.parameters | few, raw_parameters=spec.raw_parameters | few
        )
    manifest = publish(spec, tmp_path, formats=["torchscript"])
    assert manifest.inputs[0].shape == (3, 2000)
    check_folder(tmp_path / name)


# It says no


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Initializers that are numbers of the filters, not padding or sizes."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and np.count_nonzero(onnx.numpy_helper.to_array(tensor)) > 4
    ]


def nudge(path: Path, name: str | None = None, place: int | None = None) -> None:
    """Change one float of an ONNX file by 1e-4 of it, by default the largest of its initializer."""
    model = onnx.load(path)
    tensors = weights(model)
    tensor = tensors[0] if name is None else next(t for t in tensors if t.name == name)
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[np.abs(array).argmax() if place is None else place] *= np.float32(1.0 + 1e-4)
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
    """Whichever it is: of an impulse response, of what makes states of sound, or sound of states."""
    folder = writable("gammatone")
    path = folder / "gammatone.onnx"
    (tensor,) = [t for t in onnx.load(path).graph.initializer if t.name == "filter.values"]
    numbers = np.abs(onnx.numpy_helper.to_array(tensor))
    # Large ones from all over the table; 1e-4 of a small one is nothing.
    places = [
        piece[numbers.flat[piece].argmax()] for piece in np.array_split(np.arange(numbers.size), 8)
    ]
    original = path.read_bytes()
    for place in places:
        path.write_bytes(original)
        nudge(path, tensor.name, place)
        sign(folder)
        assert {row.format for row in failing(checked(folder))} == {"onnx"}, place


@pytest.mark.parametrize("name", ["drnl", "fast_drnl"])
def test_a_wrong_compression_is_rejected(name, writable):
    """At everyday levels in pascals the linear path of the DRNL dominates; the vectors know more."""
    folder = writable(name)
    path = folder / f"{name}.onnx"
    knee = np.ones(1, np.float32)  # The nonlinear path is in units of it.
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if np.array_equal(array.ravel(), knee):
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
    with quiet_torch():
        values = dict(torch.jit.load(path).named_buffers())["filter.values"].numpy()
    damaged = values.copy()
    damaged.flat[np.abs(values).argmax()] *= 1.0 + 1e-4
    content = path.read_bytes()
    assert content.count(values.tobytes()) == 1  # an archive without compression
    path.write_bytes(content.replace(values.tobytes(), damaged.tobytes()))
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
        buffer = next(value for name, value in tables.items() if name.endswith("values"))
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
    """Let the exporter of a format export another module than the given one."""

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
    strict = replace(spec, parity=spec.parity | {"float64": 1e-9})
    with pytest.raises(ParityError, match="eager torch differs from float64"):
        publish(strict, tmp_path, formats=["torchscript"])
    assert not list(tmp_path.iterdir())
