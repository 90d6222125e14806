"""Fast DRNL: the same model by convolution, and what holds for its answers to any sound."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal

from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank
from amt_export.numerics.good_thomas import best_torus
from support.fast_drnl import CASP, FLOAT64, SHORT, by_convolution
from support.filters import noise, relative

CASES = ("drnl_nh", "drnl_hix", "drnl_jepsen")


# Golden cases and definition


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_golden(golden, name, dtype, learnable):
    case = golden(name)
    found = FastDRNLFilterbank(**case.kwargs, dtype=dtype, learnable=learnable)(case["x"])
    assert found.dtype == dtype
    limit = 1e-9 if dtype == FLOAT64 else 1e-6
    assert relative(found, case["y_torch_amt"]) < limit
    assert relative(found, case["y"]) < limit


@pytest.mark.parametrize("frequency", [500.0, 1000.0])
def test_a_channel_far_from_a_tone_keeps_its_accuracy_in_the_transform(frequency):
    """A plain float32 transform is off by 1.5e-5 and more of a channel's peak, or 1 % of the loudest."""
    time = np.arange(6000) / CASP["fs"]
    tone = 0.1 * np.sin(2 * np.pi * frequency * time) * signal.windows.tukey(time.size, 0.3)
    audio = torch.from_numpy(tone.astype(np.float32))
    expected = FastDRNLFilterbank(**CASP, n_channels=8, dtype=FLOAT64)(audio)
    found = FastDRNLFilterbank(**CASP, n_channels=8)(audio).double()
    peak = expected.abs().amax(-1)
    error = (found - expected).abs().amax(-1) / torch.maximum(peak, 0.01 * peak.max())
    assert float(error.max()) < 3e-6


@pytest.mark.parametrize("subject", ["NH", "HIx"])
@pytest.mark.parametrize("samples", [1, 255, 256, 1000, 5000])
def test_any_number_of_pieces_is_the_convolution(samples, subject):
    module = FastDRNLFilterbank(**SHORT, subject=subject, dtype=FLOAT64)
    module.n1, module.n2 = 23, 24  # 297 new samples a piece
    module.update_coefficients()
    audio = 0.1 * noise(samples)
    assert relative(module(audio), by_convolution(module, audio)) < 1e-11


@pytest.mark.parametrize("samples", [200, 3000])
def test_each_length_has_its_transform(samples):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    frozen = module.freeze(samples)
    assert (frozen.n1, frozen.n2) == best_torus(samples, 256)
    audio = 0.1 * noise(2, samples)
    assert relative(frozen(audio), module(audio)) < 1e-11


def test_responses_are_those_of_the_recursive_form():
    centre = torch.tensor([1000.0, 4000.0])
    fast = FastDRNLFilterbank(centre, 44100, dtype=FLOAT64)
    click = torch.zeros(1, 4096, dtype=FLOAT64)
    click[0, 0] = 1.0
    linear = DRNLFilterbank(centre, 44100, subject="HIx")(click)[0]
    assert relative(fast.ir_lin, linear) < 1e-11
    assert fast.ir_nlin_1.shape == fast.ir_nlin_2.shape == (2, 4096)


def test_responses_cut_the_memory():
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    audio = torch.zeros(1, 1500, dtype=FLOAT64)
    audio[0, 100] = 1.0
    answer = module(audio).abs()[0]
    assert float(answer[:, 100 + 2 * 255 + 1 :].max()) < 1e-12 * float(answer.max())
    assert float(answer[:, :100].max()) < 1e-12 * float(answer.max())
    assert module.warm_up() == 2 * 255


# Signal truths


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_row_and_shows(value):
    module = FastDRNLFilterbank(**SHORT)
    module.n1, module.n2 = 23, 24
    module.update_coefficients()
    audio = noise(3, 1500, dtype=torch.float32)
    clean = module(audio)
    audio[1, 700] = value
    damaged = module(audio)
    assert torch.equal(damaged[[0, 2]], clean[[0, 2]])
    assert not torch.isfinite(damaged[1, :, 700 : 700 + 2 * 255 + 1]).any()
    # pieces before it and long after it do not depend on it.
    assert torch.isfinite(damaged[1, :, :297]).all()


def test_rows_of_a_batch_do_not_meet():
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    batch = torch.stack([noise(500, seed=1), 1e4 * noise(500, seed=2), torch.zeros(500)])
    together = module(batch)
    for row, audio in enumerate(batch[:2]):
        assert relative(together[row], module(audio)) < 1e-11
    assert torch.count_nonzero(together[2]) == 0


@pytest.mark.parametrize("shift", [1, 300])
def test_a_delayed_sound_gives_a_delayed_answer(shift):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    audio = 0.1 * noise(1, 700)
    later = torch.cat([torch.zeros(1, shift, dtype=FLOAT64), audio], dim=1)
    assert relative(module(later)[..., shift:], module(audio)) < 1e-10


def test_without_hair_cells_it_is_linear():
    module = FastDRNLFilterbank(**SHORT, subject="HIx", dtype=FLOAT64)
    one, two = noise(1, 800, seed=1), noise(1, 800, seed=2)
    assert relative(module(1e3 * one - 0.3 * two), 1e3 * module(one) - 0.3 * module(two)) < 1e-12
