"""Which form a checkpoint was saved by, and that the artifact has this form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export import modules
from amt_export.errors import CheckpointError
from amt_export.model_file.building import build_module
from amt_export.model_file.checkpoint import is_learnable
from support.trained import SETUPS, Setup, outputs, psd, saved, torch_amt_names, torchscript


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", SETUPS)
def test_the_order_of_names_tells_the_form(name, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    fixed, trained = (setup.made(spec, form) for form in (False, True))
    both = [torch_amt_names(name, form) for form in (False, True)]
    found = is_learnable(both[learnable], fixed, trained, tmp_path)
    if name in ("multires", "spectrum", "excitation", "moore"):
        assert both[0] == both[1], "nothing to tell them apart"
        assert found
    else:
        assert found == learnable
    if name in ("erb", "glasberg"):  # where it matters
        assert not is_learnable(sorted(both[1]), fixed, trained, tmp_path)


@pytest.mark.parametrize("learnable", [False, True])
def test_bands_are_those_of_the_form_that_was_saved(learnable, tmp_path):
    """The learnable form has Gaussian bands; the model file does not say which it is."""
    setup = SETUPS["erb"]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    module.load_state_dict(module.state_dict() | {"bandwidth_scale": torch.tensor(2.0)})
    torch.save(saved(setup, "erb", module, learnable), tmp_path / "trained.pt")
    other = setup.made(spec, not learnable)
    other.load_state_dict(module.state_dict())
    (found,) = torchscript(setup, spec, tmp_path / "trained.pt", tmp_path)
    expected, wrong = (outputs(m(psd()))[0] for m in (module, other))
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(found - wrong).max() > 0.5


def test_a_module_that_was_learnable_in_part(tmp_path):
    setup = SETUPS["glasberg"]
    spec = setup.spec(tmp_path)
    part = modules.Glasberg2002FrontEnd(erb_kwargs={"learnable": True})
    torch.save(part.state_dict(), tmp_path / "part.pt")
    with pytest.raises(
        CheckpointError, match=r"erb_integration of Glasberg2002FrontEnd was learnable.*not; give"
    ):
        build_module(spec, None, tmp_path / "part.pt")
    named = Setup(setup.module, "erb_kwargs = { learnable = true }", setup.inputs, setup.arguments)
    built = build_module(named.spec(tmp_path), None, tmp_path / "part.pt")
    assert built.freeze().erb_integration.gaussian
