"""Frames near the relevance threshold are left out and counted; nothing else is."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from amt_export.errors import ParityError
from amt_export.manifest import ParityRow, load_manifest
from amt_export.manifest.json_records import decode, encode
from amt_export.model_file import load_spec
from amt_export.modules import GammatoneFilterbank, Moore2016FrontEnd, Moore2016Spectrum
from amt_export.publish import publish
from amt_export.report.card import model_card
from amt_export.verify.parity import check_folder
from amt_export.verify.parity.cases import module_cases
from amt_export.verify.parity.check import load_vectors
from amt_export.verify.parity.compare import MOST_LEFT_OUT, Case, check_left_out, measure
from support.filters import ROOT, noise
from support.folders import sign

SPECTRUM, FRONT_END = "moore2016_spectrum_32k", "moore2016_frontend_32k"
PORTS = Moore2016Spectrum.output_ports


def audible_hiss(samples: int = 4000) -> torch.Tensor:
    """A tone and noise: some frames have a component near the threshold, others have none."""
    time = torch.arange(samples, dtype=torch.float64) / 32000
    tone = torch.sin(2 * torch.pi * 1000.0 * time)
    return tone + 0.05 * noise(1, 2, samples, seed=3)


@pytest.fixture(scope="module")
def case() -> Case:
    module = Moore2016Spectrum(dtype=torch.float64).freeze(4000)
    (case,) = module_cases({"hiss": {"audio": audible_hiss().numpy()}}, module, "float64")
    return case


@pytest.mark.parametrize("kind", [Moore2016Spectrum, Moore2016FrontEnd])
def test_frames_near_the_threshold_are_those_that_a_small_shift_changes(kind):
    """What the threshold moved by +-0.01 dB does not change is compared."""
    audio = audible_hiss()
    frames = kind(dtype=torch.float64).freeze(4000).near_threshold(audio)
    assert frames.shape == (1, 61)
    assert 0 < int(frames.sum()) < 61
    changed = torch.zeros(1, 61, dtype=torch.bool)
    lists = Moore2016Spectrum(dtype=torch.float64)(audio)
    for shift in (-0.01, 0.01):
        moved = Moore2016Spectrum(dtype=torch.float64)
        moved.threshold_max_minus += shift
        moved.update_coefficients()
        for a, b in zip(moved(audio)[::2], lists[::2], strict=True):
            changed |= (a != b).any(2)
    assert torch.equal(frames, changed)


def test_a_left_out_frame_may_differ_and_every_other_may_not(case):
    (left_out,), (compared,) = (np.flatnonzero(m)[:1] for m in (case.left_out, ~case.left_out))
    for name in ("freqs_left", "levels_left"):
        for frame, worst in ((left_out, 0.0), (compared, math.inf)):
            outputs = {n: value.copy() for n, value in case.outputs.items()}
            outputs[name][0, frame, 3] = math.nan
            found = measure(lambda _, outputs=outputs: outputs, [case], PORTS)
            assert found[name].value == worst
            assert (found[name].left_out, found[name].frames) == (case.left_out.sum(), 61)


def test_a_wrong_shape_is_wrong_whatever_is_left_out(case):
    outputs = {name: value[:, :, :-1] for name, value in case.outputs.items()}
    everything = replace(case, left_out=np.ones((1, 61), bool))
    assert measure(lambda _: outputs, [everything], PORTS)["freqs_left"].value == math.inf


def test_modules_without_a_threshold_leave_nothing_out():
    module = GammatoneFilterbank((700.0, 1300.0), 16000).freeze(100)
    (case,) = module_cases({"a": {"audio": noise(1, 100).numpy()}}, module, "float32")
    assert case.left_out is None
    worst = measure(lambda _: case.outputs, [case], module.output_ports)["subbands"]
    assert (worst.left_out, worst.frames) == (0, 0)


def with_left_out(signal: str, count: int, frames: int = 100) -> Case:
    return Case(signal, {}, {}, np.arange(frames)[None] < count)


@pytest.mark.parametrize("signal", ["noise_20dB", "tiny_noise"])
def test_a_fifth_of_the_frames_of_each_noise_may_be_left_out(signal):
    others = [with_left_out("noise_94dB", 0, 1000), with_left_out("speech", 100)]
    check_left_out("m", [*others, with_left_out(signal, 20)])
    check_left_out("m", [with_left_out(signal, 6, 20)])
    with pytest.raises(ParityError, match=f"m: 21 of 100 frames of {signal}") as error:
        check_left_out("m", [*others, with_left_out(signal, 21)])
    assert "\n" not in str(error.value)


def test_rows_of_earlier_manifests_are_read():
    row = ParityRow("onnx", "whole", "p", "levels", "db", 0.0, "hiss", 1e-3, "execution")
    assert "left_out" not in encode(row)
    assert decode(encode(row) | {"flips": 3, "undecided": 70}, ParityRow) == row
    some = replace(row, left_out=2, frames=9)
    assert decode(json.loads(json.dumps(encode(some))), ParityRow) == some


@pytest.fixture(scope="module", params=[SPECTRUM, FRONT_END])
def folder(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("left_out")
    spec = load_spec(ROOT / "models" / f"{request.param}.toml").resized(samples=2400)
    spec = replace(spec, stream_block=None)
    publish(spec, out, formats=["onnx"])
    return out / request.param


def test_the_count_is_published(folder):
    manifest = load_manifest(folder)
    assert len(manifest.parity) == 2 * len(manifest.outputs)
    for row in manifest.parity:
        assert 0 < row.left_out < 0.2 * row.frames
        assert row.frames == 11 * 11
        assert row.kind == "frequency" or row.worst < 1e-3
    first = manifest.parity[0]
    assert f"{first.left_out} of {first.frames} frames" in model_card(manifest)
    check_folder(folder)


def test_vectors_say_which_frames(folder):
    cases = load_vectors(folder, load_manifest(folder))
    assert all(case.left_out.shape == (1, 11) for case in cases)
    assert any(case.left_out.any() for case in cases)


def test_vectors_of_earlier_versions_are_read(folder, tmp_path):
    """They hold the indices of the frames, and outputs of two more modules."""
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    with np.load(copy / "vectors.npz") as vectors:
        arrays = dict(vectors)
    for name in [name for name in arrays if name.startswith("left_out.")]:
        signal = name.removeprefix("left_out.")
        frames = np.flatnonzero(arrays.pop(name)).astype(np.int32)
        arrays[f"undecided.{signal}"] = frames
        for key in [key for key in arrays if key.startswith(f"out.{signal}.")]:
            for side in ("strict", "lenient"):
                arrays[key.replace("out.", f"{side}.", 1)] = arrays[key][0, frames]
    np.savez(copy / "vectors.npz", **arrays)
    sign(copy)
    new, old = (load_vectors(path, load_manifest(path)) for path in (folder, copy))
    for one, two in zip(new, old, strict=True):
        if one.left_out is not None and one.left_out.mean() > MOST_LEFT_OUT:
            assert two.left_out is None  # all are compared: none was decided otherwise
        else:
            assert np.array_equal(one.left_out, two.left_out)
    check_folder(copy, vectors_only=True)


def test_a_shifted_threshold_is_rejected(folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    path = copy / f"{folder.name}.onnx"
    model = onnx.load(path)
    changed = 0
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.size == 1 and array.dtype == np.float32 and abs(array.item() / 1e-6 - 1) < 1e-3:
            value = (array * np.float32(10**0.01)).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
            changed += 1
    assert changed == 1
    onnx.save(model, path)
    sign(copy)
    with pytest.raises(ParityError, match=r"infinity|differs"):
        check_folder(copy)
