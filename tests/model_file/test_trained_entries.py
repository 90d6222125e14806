"""Every entry of a checkpoint, of every module, learnable or not, is in the artifact."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from amt_export.cli.main import main
from amt_export.manifest import load_manifest
from support.trained import FILTERBANKS, PARTS, SETUPS, Setup, outputs, saved, torchscript


def larger(value: Tensor) -> Tensor:
    return value * 1.03


def changed(setup: Setup, state: dict[str, Tensor], entry: str) -> dict[str, Tensor]:
    return state | {entry: setup.changes.get(entry, larger)(state[entry].clone())}


def close(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(
        a.shape == b.shape
        and np.allclose(a, b, rtol=1e-4, atol=1e-4 * max(1e-30, float(np.abs(b).max())))
        for a, b in zip(found, expected, strict=False)
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", FILTERBANKS)
def test_every_entry_of_a_filterbank_shows_in_its_channel(name, learnable, tmp_path):
    """Entry k is changed in channel k only, so one artifact says it of all of them."""
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    if "c" in state:
        # One exponent that is no quarter, and the DRNL compresses by the general formula in all channels: let
        # that be the formula before as well.
        state["c"][-1] *= 1.1
    path = tmp_path / "trained.pt"
    torch.save(state, path)
    before = torchscript(setup, spec, path, tmp_path)[0][0]
    per_channel = [entry for entry in state if state[entry].dim() and len(state[entry]) > 1]
    assert len(per_channel) <= len(before)
    for channel, entry in enumerate(per_channel):
        value = changed(setup, state, entry)[entry]
        state[entry] = state[entry].clone()
        state[entry][channel] = value[channel]
    torch.save(state, path)
    after = torchscript(setup, spec, path, tmp_path)[0][0]
    difference = np.abs(after - before).max(1) / np.abs(before).max(1)
    for channel, entry in enumerate(per_channel):
        if entry in setup.inert:
            assert difference[channel] == 0.0, entry
        else:
            assert difference[channel] > 1e-4, entry
    assert not difference[len(per_channel) :].any()
    module.load_state_dict(state)
    assert close([after], [outputs(module(*setup.values()))[0][0]])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", [name for name in SETUPS if name not in FILTERBANKS])
def test_every_entry_shows_in_the_artifact(name, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    path = tmp_path / "trained.pt"

    def artifact(content):
        torch.save(content, path)
        return torchscript(setup, spec, path, tmp_path)

    before = artifact(state)
    assert close(before, outputs(module(*setup.values())))
    for entry in state:
        if name in PARTS and not learnable and "window" in entry:
            continue  # the parts themselves are tested above; a front end takes seconds
        trained = changed(setup, state, entry)
        found = artifact(trained)
        same = all(np.array_equal(a, b) for a, b in zip(found, before, strict=True))
        assert same == (entry in setup.inert), entry
        module.load_state_dict(trained)
        assert close(found, outputs(module(*setup.values()))), entry


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETUPS)
def test_all_of_it_at_once_from_the_command_line(name, tmp_path, capsys):
    """ONNX, with the names of a larger model; the learnable form."""
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, True)
    state = saved(setup, name, module, True)
    for entry in state:
        state = changed(setup, state, entry)
    module.load_state_dict(state)
    larger_model = {f"ears.{key}": value for key, value in state.items()}
    torch.save({"head.weight": torch.ones(3)} | larger_model, tmp_path / "model.pt")
    command = ["build", str(tmp_path / "tiny.toml"), "--format", "onnx", "--out", str(tmp_path)]
    code = main(
        [*command, "--checkpoint", str(tmp_path / "model.pt"), "--checkpoint-prefix", "ears."]
    )
    assert code == 0, capsys.readouterr().err
    session = onnxruntime.InferenceSession(
        tmp_path / "tiny" / "tiny.onnx", providers=["CPUExecutionProvider"]
    )
    feed = dict(zip(spec.inputs, (value.numpy() for value in setup.values()), strict=True))
    found = session.run(None, feed)
    assert close(found, outputs(module(*setup.values())))
    plain = outputs(setup.made(spec, True)(*setup.values()))
    assert not close(found, plain)
    manifest = load_manifest(tmp_path / "tiny")
    assert manifest.checkpoint.learnable
    assert manifest.checkpoint.prefix == "ears."


def test_limits_of_trained_values_hold(tmp_path):
    setup = SETUPS["excitation"]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, True)
    found = []
    for value in (70.0, 90.0):
        state = module.state_dict() | {"reference_level": torch.tensor(value)}
        torch.save(state, tmp_path / "trained.pt")
        found.append(torchscript(setup, spec, tmp_path / "trained.pt", tmp_path)[0])
    assert np.array_equal(*found)
