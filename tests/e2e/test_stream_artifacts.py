"""Published streaming artifacts: interface, embedded manifest, and that joined blocks are the whole signal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export import runtime
from amt_export.errors import ParityError, SpecError
from amt_export.export import FORMATS, capture
from amt_export.export.capture import quiet_torch
from amt_export.manifest import METADATA_KEY, Manifest, load_manifest, sha256_of
from amt_export.model_file import ModelSpec, load_spec, model_files
from amt_export.model_file.building import build_module, build_stream
from amt_export.modules import GammatoneFilterbank
from amt_export.publish import publish
from amt_export.verify.parity import check_folder
from amt_export.verify.parity.metric import difference
from support.filters import model_file, small_specs

ALL = ("torchscript", "exported_program", "onnx", "coreml")
BLOCKS = {"gammatone": 96, "drnl": 64, "multires": 1024}


def specs() -> dict[str, ModelSpec]:
    """Small models with a streaming form."""
    found = {name: small_specs()[name].resized(samples=600) for name in ("gammatone", "drnl")}
    found["multires"] = load_spec(model_file("multires_fft_32k")).resized(samples=8000)
    return {
        name: replace(spec, name=name, stream_block=BLOCKS[name]) for name, spec in found.items()
    }


@pytest.fixture(scope="module")
def streaming(tmp_path_factory) -> Callable[[str], Path]:
    """Folder of one of `specs`, ONNX only but for the gammatone, built when first asked for."""
    out = tmp_path_factory.mktemp("streaming")
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            publish(specs()[name], out, formats=ALL if name == "gammatone" else ("onnx",))
            built[name] = out / name
        return built[name]

    return folder


@pytest.fixture(scope="module")
def pair(streaming) -> Callable[[str], tuple[runtime.Model, torch.nn.Module]]:
    """A published model and its float64 module."""
    made: dict[str, tuple[runtime.Model, torch.nn.Module]] = {}

    def of(name: str):
        if name not in made:
            module = build_module(specs()[name], torch.float64)
            made[name] = runtime.load(streaming(name)), module
        return made[name]

    return of


# ---------------------------------------------------------------- the contract


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["gammatone", "drnl"]),
    sizes=st.lists(st.integers(0, 300), max_size=8),
    level=st.sampled_from([1e-3, 0.02, 2.0]),
    seed=st.integers(0, 99),
)
def test_any_pushes_make_what_the_whole_artifact_says(pair, name, sizes, level, seed):
    model, module = pair(name)
    port = model.manifest.inputs[0]
    audio = level * np.random.default_rng(seed).standard_normal(port.shape).astype(np.float32)
    (whole,) = model(audio).values()
    with torch.no_grad():
        reference = module(torch.from_numpy(audio).double()).numpy()
    with model.stream() as stream:
        cuts = [cut for cut in np.cumsum(sizes) if cut < port.shape[-1]]
        found = [stream.push(part) for part in np.split(audio, cuts, axis=-1)]
        found.append(stream.flush())
    (output,) = module.output_ports
    joined = np.concatenate([answer[output.name] for answer in found], axis=-1)
    assert difference(joined, whole, output) < 1e-6
    assert difference(joined, reference, output) < 2e-6


def test_frames_are_those_of_the_whole_artifact(pair):
    model, module = pair("multires")
    manifest = model.manifest
    port = manifest.inputs[0]
    audio = 0.02 * np.random.default_rng(3).standard_normal(port.shape).astype(np.float32)
    whole = model(audio)
    with model.stream() as stream:
        parts = [stream.push(part) for part in np.array_split(audio, 7, axis=-1)]
        parts.append(stream.flush())
    for output in module.output_ports:
        if "frame" not in output.axes:
            np.testing.assert_array_equal(parts[0][output.name], whole[output.name])
            continue
        joined = np.concatenate([part[output.name] for part in parts], axis=1)
        assert joined.shape == whole[output.name].shape
        inside = slice(1, -1)  # the ends are mirrored in the one form, silent in the other
        assert difference(joined[:, inside], whole[output.name][:, inside], output) < 1e-6


def test_torchscript_streams_like_onnx(streaming):
    folder = streaming("gammatone")
    audio = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    answers = []
    for backend in ("onnx", "torchscript"):
        with runtime.load_stream(folder, backend) as stream:
            first, last = stream.push(audio), stream.flush()
        answers.append(np.concatenate([first["subbands"], last["subbands"]], axis=-1))
    np.testing.assert_allclose(*answers, atol=1e-6 * np.abs(answers[0]).max())


# ---------------------------------------------------------------- what is published


def test_a_folder_has_both_forms_in_every_format(streaming):
    manifest = load_manifest(streaming("gammatone"))
    files = {(entry.format, entry.form): entry.path for entry in manifest.files}
    assert files == {
        ("torchscript", "whole"): "gammatone.ts.pt",
        ("exported_program", "whole"): "gammatone.pt2",
        ("onnx", "whole"): "gammatone.onnx",
        ("coreml", "whole"): "gammatone.mlpackage",
        ("torchscript", "stream"): "gammatone.stream.ts.pt",
        ("exported_program", "stream"): "gammatone.stream.pt2",
        ("onnx", "stream"): "gammatone.stream.onnx",
        ("coreml", "stream"): "gammatone.stream.mlpackage",
    }
    proven = {(row.format, row.form) for row in manifest.parity}
    assert proven == {*files, ("float64", "whole"), ("float64", "stream")}
    for row in manifest.parity:
        assert row.worst is not None
        assert row.worst <= row.tolerance


@pytest.mark.parametrize(
    ("name", "latency", "skip", "states"),
    [
        ("gammatone", 0, 0, ["gammatone"]),
        ("drnl", 0, 0, ["linear", "before", "behind"]),
        ("multires", 1024, 0, ["samples", "elapsed", "beyond_end"]),
    ],
)
def test_the_manifest_describes_the_stream(name, latency, skip, states, streaming):
    manifest = load_manifest(streaming(name))
    info = manifest.stream
    assert (info.block, info.latency, info.skip) == (BLOCKS[name], latency, skip)
    assert [state.input for state in info.states] == [f"state_{state}" for state in states]
    for state in info.states:
        assert state.output == f"next_{state.input}"
        assert (state.dtype, state.initial) == ("float32", 0.0)
        assert state.meaning
    (audio,) = info.inputs
    assert audio.shape == (*manifest.inputs[0].shape[:-1], BLOCKS[name])
    for whole, block in zip(manifest.outputs, info.outputs, strict=True):
        assert replace(block, shape=()) == replace(whole, shape=())
        frames = BLOCKS[name] // manifest.hop
        axis = next((i for i, a in enumerate(block.axes) if a in ("time", "frame")), None)
        assert axis is None or block.shape[axis] == frames


def test_the_interface_of_the_file_is_in_its_own_manifest(streaming):
    """A client needs the file alone: names, shapes, states, latency."""
    folder = streaming("drnl")
    model = onnx.load(folder / "drnl.stream.onnx")
    (entry,) = model.metadata_props
    assert entry.key == METADATA_KEY
    embedded = Manifest.from_json(entry.value)
    assert embedded == replace(
        load_manifest(folder).of("stream"), files=(), other_files=(), parity=()
    )
    for ports, values in (
        (embedded.inputs, model.graph.input),
        (embedded.outputs, model.graph.output),
    ):
        assert [v.name for v in values] == [p.name for p in ports]
        for port, value in zip(ports, values, strict=True):
            assert tuple(d.dim_value for d in value.type.tensor_type.shape.dim) == port.shape
    whole = json.loads(onnx.load(folder / "drnl.onnx").metadata_props[0].value)
    assert whole["stream"] == json.loads(entry.value)["stream"]
    assert whole["inputs"] != json.loads(entry.value)["inputs"]


def test_torch_formats_take_and_give_the_states_in_order(streaming):
    folder = streaming("gammatone")
    manifest = load_manifest(folder).of("stream")
    inputs = [torch.randn(port.shape) for port in manifest.inputs]
    with quiet_torch():
        script = torch.jit.load(folder / "gammatone.stream.ts.pt")
        program = torch.export.load(folder / "gammatone.stream.pt2").module()
    for run in (script, program):
        with torch.no_grad():
            results = run(*inputs)
        assert [tuple(r.shape) for r in results] == [port.shape for port in manifest.outputs]


def test_check_proves_the_stream_again_and_sees_what_is_wrong(streaming, tmp_path):
    folder = streaming("gammatone")
    rows = check_folder(folder, vectors_only=True).rows
    assert {row.form for row in rows} == {"whole", "stream"}


def test_exporting_again_gives_the_same_bytes(streaming, tmp_path):
    spec, folder = specs()["gammatone"], streaming("gammatone")
    metadata = {METADATA_KEY: load_manifest(folder).of("stream").embedded_json()}
    for kind in ("onnx", "exported_program", "coreml"):
        form = build_stream(spec, build_module(spec))
        program = capture(form, form.silence(), form.input_names, form.output_names)
        name = f"gammatone.stream{FORMATS[kind].suffix}"
        FORMATS[kind].export(program, tmp_path / name, metadata)
        assert sha256_of(tmp_path / name) == sha256_of(folder / name), name


# ---------------------------------------------------------------- what is refused


def test_a_stream_that_computes_something_else_is_not_published(tmp_path, monkeypatch):
    right = GammatoneFilterbank.step

    def leaking(self, audio, states):
        outputs, following = right(self, audio, states)
        return outputs, [0.999 * state for state in following]

    monkeypatch.setattr(GammatoneFilterbank, "step", leaking)
    with pytest.raises(ParityError, match="stream") as caught:
        publish(specs()["gammatone"], tmp_path, formats=["onnx"])
    forms = {row.form for row in caught.value.rows if (row.worst or 0.0) > row.tolerance}
    assert forms == {"stream"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "block", "message"),
    [
        ("gammatone", 514, r"\[stream\] block = 514: no divisor"),
        ("multires", 512, r"\[stream\] block = 512: the block must be a multiple of the hop, 1024"),
    ],
)
def test_blocks_that_cannot_be(name, block, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        publish(replace(specs()[name], stream_block=block), tmp_path, formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_models_that_take_no_audio_do_not_stream(tmp_path):
    spec = replace(load_spec(model_file("excitation_pattern_32k")), stream_block=32)
    with pytest.raises(SpecError, match="takes no audio, so nothing streams"):
        publish(spec, tmp_path, formats=["onnx"])


def test_every_shipped_audio_model_streams():
    for path in model_files(model_file("x").parent):
        spec = load_spec(path)
        assert (spec.stream_block is not None) == ("audio" in spec.inputs), path.stem
