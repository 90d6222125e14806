"""The dtype that a module computes in by default is the one that its page states."""

from __future__ import annotations

import inspect

import pytest
import torch

from amt_export import modules

# As documented; CPU time and memory are twice those of float32.
DOUBLE = {"DRNLFilterbank", "CASPHairCell"}


@pytest.mark.parametrize("name", [n for n in modules.__all__ if n != "FrameLevels"])
def test_a_module_is_float32_by_default_unless_its_page_says_otherwise(name):
    kind = getattr(modules, name)
    parameter = inspect.signature(kind).parameters.get("dtype")
    expected = torch.float64 if name in DOUBLE else torch.float32
    if parameter is not None:
        assert parameter.default == expected
        assert ("float64 by default" in (kind.__doc__ or "")) == (name in DOUBLE)
    else:  # cast as a whole: .double()
        assert {b.dtype for b in kind().buffers() if b.is_floating_point()} <= {expected}
