"""Gammatone filterbank: scripted, traced, frozen or gone on with, it is the same filter."""

from __future__ import annotations

import pytest
import torch

from amt_export.modules import GammatoneFilterbank
from amt_export.numerics.blocks import to_blocks
from amt_export.recurrence.linear_filter import filter_blocks
from support.filters import assert_forms_are_eager, noise, relative
from support.gammatone import FLOAT64, FORMS, SPEECH


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("implementation", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_script_and_trace_are_eager(dtype, implementation, learnable):
    module = GammatoneFilterbank(
        (500.0, 4000.0), 16000, dtype=dtype, implementation=implementation, learnable=learnable
    )
    within = 1e-6 if dtype == torch.float32 else 1e-12
    assert_forms_are_eager(module, ((2, 333), (333,), (1, 64)), 1e-7, within)


def test_a_frozen_copy_leaves_the_module_alone():
    module = GammatoneFilterbank(**SPEECH, learnable=True)
    names = list(module.state_dict())
    frozen = module.freeze(1500)
    assert frozen.block == 60  # divides 1500
    assert not list(frozen.parameters())
    assert not frozen.state_dict()
    assert list(module.state_dict()) == names
    assert module.learnable
    assert module.block == 32


def test_filters_go_on_from_where_they_were():
    for dtype, limit in ((FLOAT64, 1e-13), (torch.float32, 3e-7)):
        module = GammatoneFilterbank(**SPEECH, dtype=dtype)
        blocks = to_blocks(noise(2, 1, 40 * 32, dtype=dtype), 32)
        tables, rest = module.filter.tables(), module.filter.initial_state(2)
        whole, last = filter_blocks(blocks, tables, rest)
        for cut in (1, 13, 39):
            first, carried = filter_blocks(blocks[:, :, :cut], tables, rest)
            second, state = filter_blocks(blocks[:, :, cut:], tables, carried)
            joined = torch.cat([first, second], dim=2)
            assert relative(joined, whole) < limit
            assert relative(state[:, :, 0], last[:, :, 0]) < 10 * limit


def test_warm_up_is_enough_and_not_much_too_long():
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    click = torch.zeros(1, 2 * module.warm_up(), dtype=FLOAT64)
    click[0, 0] = 1.0
    answer = module(click).abs()
    assert float((answer[..., module.warm_up() :].amax(-1) / answer.amax(-1)).max()) < 1e-7
    half = module.warm_up() // 2
    assert float((answer[..., half:].amax(-1) / answer.amax(-1)).max()) > 1e-7
