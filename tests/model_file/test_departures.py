"""What torch_amt computes otherwise with a checkpoint is said; what makes no finite numbers is refused."""

from __future__ import annotations

import warnings

import pytest
import torch

from amt_export.errors import CheckpointError
from amt_export.model_file.building import build_module
from amt_export.publish import publish
from support.trained import SETUPS, saved


def built(name, tmp_path, learnable, change=None):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    state = saved(setup, name, setup.made(spec, learnable), learnable)
    for key, factor in (change or {}).items():
        state[key] = state[key] * factor
    torch.save(state, tmp_path / "a.pt")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        build_module(spec, None, tmp_path / "a.pt")
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("multires", "MultiResolutionFFT"),
        ("spectrum", "Moore2016Spectrum"),
        ("glasberg", "MultiResolutionFFT"),
        ("moore", "Moore2016Spectrum"),
    ],
)
def test_learnable_spectra_are_named(name, part, tmp_path):
    (said,) = built(name, tmp_path, learnable=True)
    assert said.startswith(
        f"{tmp_path / 'a.pt'}: torch_amt's learnable {part} computes something else"
    )
    assert said.endswith("see docs/checkpoints.md")
    assert "\n" not in said


def test_a_fixed_front_end_is_torch_amts(tmp_path):
    assert not built("glasberg", tmp_path, learnable=False)


@pytest.mark.parametrize("name", ["gammatone", "poly", "fast_drnl", "erb", "pattern", "excitation"])
def test_what_is_equal_is_not_named(name, tmp_path):
    assert not built(name, tmp_path, learnable=True)


def test_trained_values_that_torch_amt_does_not_use_are_named(tmp_path):
    used = {"g": 1.1, "a": 1.1, "b": 1.1, "c": 1.1}
    assert not built("drnl", tmp_path, learnable=True, change=used)
    (said,) = built("drnl", tmp_path, True, {**used, "CF_lin": 1.1, "LP_nlin_cutoff": 0.9})
    assert "does not use CF_lin, LP_nlin_cutoff of a checkpoint" in said


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gammatone", {"gains": 1e42}),
        ("drnl", {"g": 1e37}),
        ("fast_drnl", {"a": 1e33, "b": 1e37, "ir_nlin_2": 1e10}),
    ],
)
def test_values_that_make_no_finite_output_are_refused(name, change, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    state = saved(setup, name, setup.made(spec, learnable=True), learnable=True)
    for key, factor in change.items():
        value = state[key].to(torch.complex128 if state[key].is_complex() else torch.float64)
        state[key] = (value * factor).to(state[key].dtype)
        assert torch.isfinite(state[key].abs()).all()
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"not finite|so large or so small") as caught:
        publish(spec, tmp_path / "out", formats=["torchscript"], checkpoint=tmp_path / "a.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "tiny").exists()
