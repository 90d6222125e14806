"""Each stage from the golden input of it; see tests/golden/README.md."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from amt_export.modules import (
    AdaptationLoops,
    CASPHairCell,
    DauHairCell,
    Decimation,
    GammatoneFilterbank,
    ModulationFilterbank,
)
from support.filters import relative
from support.representation import casp_golden, channels_first, of_peak

DTYPES = {torch.float64: 1e-12, torch.float32: 1e-6}
FS = 48000
DAU = [(16000, 1), (16000, 2), (44100, 1), (44100, 3)]
DAU_CHANNELS = (0, 7, 14, 29)


def tail(name: str) -> torch.Tensor:
    return channels_first(casp_golden("casp_tail")[name])


def dau(name: str, fs: int, number: int) -> torch.Tensor:
    return channels_first(casp_golden("dau1997")[f"{name}_{fs}_{number}"])


# Hair cells


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES.items())
def test_casp_hair_cell(dtype, allowed):
    assert relative(CASPHairCell(FS, dtype)(tail("bm")), tail("V")) < allowed


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e5])
def test_casp_hair_cell_keeps_float32_at_every_level(scale):
    """Also where the potential is a few nanovolts, and where the conductance saturates."""
    bm = scale * tail("bm")
    assert relative(CASPHairCell(FS, torch.float32)(bm), CASPHairCell(FS)(bm)) < 1e-6


def test_casp_hair_cell_is_the_membrane_equation():
    """From the definition, sample by sample, at a low rate, where the memory in blocks is shortest."""
    fs, velocity = 8000.0, 0.02 * np.random.default_rng(0).standard_normal(300)
    d = 5623.413251903491 * velocity
    conductance = 30e-9 / (1.0 + np.exp((20.0 - d) / 35.0) * (1.0 + np.exp((20.0 - d) / 16.0)))
    rest = -61.66443934e-3
    v, expected = rest, []
    for g in conductance:
        current = (0.09 - v) * g - 19.8e-9 * (2.0 * v + 0.149)
        v += current / (fs * 12.5e-12)
        expected.append(v - rest)
    found = CASPHairCell(fs)(torch.from_numpy(velocity)[None])
    assert relative(found, torch.tensor(expected)[None]) < 1e-8


def test_casp_hair_cell_in_silence_and_at_its_ends():
    cell = CASPHairCell(44100, torch.float32)
    assert float(cell(torch.zeros(1, 4410))[0, -1]) == pytest.approx(8.35e-9, rel=1e-2)
    extreme = cell(torch.tensor([[10.0], [-10.0]]).repeat(1, 500))
    # 30 nS and none against two conductances of 19.8 nS.
    assert float(extreme[0, -1]) == pytest.approx((2.7 - 2.9502) / 69.6 + 0.06166444, abs=1e-5)
    assert float(extreme[1, -1]) == pytest.approx(-0.0745 + 0.06166444, abs=1e-5)


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES.items())
@pytest.mark.parametrize(("fs", "number"), DAU)
def test_dau_hair_cell(fs, number, dtype, allowed):
    found = DauHairCell(fs, dtype=dtype)(dau("gt", fs, number))
    assert relative(found, dau("ihc", fs, number)) < allowed
    assert float(found.min()) >= 0.0


def test_dau_hair_cell_of_second_order():
    found = (10.0**2.5 * DauHairCell(FS, order=2, dtype=torch.float64)(tail("bm"))) ** 2
    assert relative(found, tail("ihc_jepsen")) < 1e-12


# Adaptation


@pytest.mark.parametrize(
    ("sweeps", "dtype", "allowed"),
    [
        ((14, 14, 10, 8, 6), torch.float64, 1e-9),
        (None, torch.float64, 1e-7),
        (None, torch.float32, 1e-6),
    ],
)
def test_adaptation(sweeps, dtype, allowed):
    case = casp_golden("casp_tail")
    minlvl, tau = torch.from_numpy(case["minlvl"]), tuple(case["tau"])
    loops = AdaptationLoops(FS, minlvl, tau, sweeps=sweeps, dtype=dtype)
    assert of_peak(loops(tail("V")), tail("adapt")) < allowed
    for fs, number in DAU:
        loops = AdaptationLoops(fs, sweeps=sweeps, dtype=dtype)
        assert of_peak(loops(dau("ihc", fs, number)), dau("adapt", fs, number)) < allowed
    squared = AdaptationLoops(FS, sweeps=sweeps or (18, 16, 12, 9, 7), dtype=dtype)
    assert of_peak(squared(tail("ihc_jepsen")), tail("adapt_jepsen")) < allowed


def test_adaptation_without_limiter():
    loops = AdaptationLoops(44100, limit=0.0, dtype=torch.float64)
    found = loops(dau("ihc", 44100, 1))
    assert of_peak(found, channels_first(casp_golden("dau1997")["adapt_nolimit_44100_1"])) < 1e-7


# Decimation


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES.items())
def test_decimation(dtype, allowed):
    assert relative(Decimation(dtype=dtype)(tail("adapt")), tail("decimated")) < allowed


def test_decimation_is_a_resampler():
    x = np.random.default_rng(1).standard_normal((2, 403))
    expected = signal.resample_poly(x, 1, 4, axis=1, window=("kaiser", 5.0))[:, :100]
    found = Decimation(dtype=torch.float64)(torch.from_numpy(x))
    assert found.shape == (2, 100)
    assert relative(found, torch.from_numpy(expected)) < 1e-12


# Modulation


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_modulation(dtype, allowed):
    bank = ModulationFilterbank(casp_golden("casp_tail")["CF"], FS / 4, dtype=dtype)
    plain = Decimation(kind="plain", dtype=dtype)(tail("adapt"))
    for name, found in (("mod", bank(tail("decimated"))), ("modplain", bank(plain))):
        for k in range(3):
            count = int(bank.counts[k])
            expected = torch.from_numpy(casp_golden("casp_tail")[f"{name}_{k + 1}"].T.copy())
            assert relative(found[0, k, :count], expected) < allowed
            assert not found[0, k, count:].any()
            assert bank.mask[k].tolist() == [i < count for i in range(12)]


@pytest.mark.parametrize(("fs", "number"), DAU)
def test_modulation_at_the_full_rate(fs, number):
    case = casp_golden("dau1997")
    bank = ModulationFilterbank(case["fc"][list(DAU_CHANNELS)], fs, dtype=torch.float64)
    found = bank(dau("adapt", fs, number))
    for row, channel in enumerate(DAU_CHANNELS):
        expected = torch.from_numpy(case[f"mod_{fs}_{number}_ch{channel}"].T.copy())
        assert relative(found[0, row, : len(expected), ::16], expected) < 1e-9


def test_modulation_filters_against_their_formulas():
    """verhey1999: a resonator behind nothing; impulse responses."""
    fs, centres = 4000.0, [0.0, 5.0, 10.0, 50 / 3, 250 / 9]
    bank = ModulationFilterbank([111.2], fs, None, attenuate=False, dtype=torch.float64)
    np.testing.assert_allclose(bank.mfc, centres, rtol=1e-6)
    impulse = torch.eye(1, 900, dtype=torch.float64)
    found = bank(impulse)[0].numpy()
    time = np.arange(900)
    for row, centre in enumerate(centres[1:], start=1):
        bandwidth = 5.0 if centre < 10.0 else centre / 2.0
        decay = np.exp(-np.pi * bandwidth / fs)
        wave = 2.0 * (1.0 - decay) * (decay * np.exp(2j * np.pi * centre / fs)) ** time
        expected = wave.real if centre <= 10.0 else np.abs(wave)
        np.testing.assert_allclose(found[row], expected, atol=1e-12 * np.abs(wave).max())
    slow = signal.lfilter(*signal.butter(2, 2.5, fs=fs), impulse[0].numpy())
    np.testing.assert_allclose(found[0], slow, atol=1e-9 * slow.max())


@pytest.mark.parametrize(
    ("fc", "counts"),
    [
        # fix() rounds towards zero: from 40 Hz on there is a filter at 16.7 Hz, and at 10 Hz below.
        ([30.0, 39.9, 40.0, 66.0], [3, 3, 4, 4]),
        ([250.0, 1000.0, 3969.0, 3970.0], [6, 9, 11, 12]),
    ],
)
def test_counts_of_modulation_filters(fc, counts):
    assert ModulationFilterbank(fc, 16000).counts.tolist() == counts


def test_counts_of_the_models():
    fc = GammatoneFilterbank(torch.from_numpy(casp_golden("dau1997")["fc"]), 44100).fc
    counts = ModulationFilterbank(fc, 44100).counts.tolist()
    rising = "4 5 6 6 6 7 7 7 8 8 8 9 9 9 9 10 10 10 10 11 11 11 11 11 12 12 12 12 12 12"
    assert counts == [int(count) for count in rising.split()]
    assert ModulationFilterbank(fc, 44100, upper_limit=False).counts.tolist() == [12] * 30


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CASPHairCell(4000), "fs is 4000"),
        (lambda: CASPHairCell(44100, learnable=True), "learnable is True"),
        (lambda: DauHairCell(16000, cutoff=9000.0), "cutoff is 9000"),
        (lambda: DauHairCell(16000, order=3), "order is 3"),
        (lambda: AdaptationLoops(16000, minlvl=0.0), "minlvl is 0"),
        (lambda: AdaptationLoops(16000, minlvl=1.5), "minlvl is 1.5"),
        (lambda: AdaptationLoops(16000, tau=(0.1, -0.2)), "tau holds -0.2"),
        (lambda: AdaptationLoops(16000, limit=1.5), "limit is 1.5"),
        (lambda: AdaptationLoops(16000, sweeps=(3, 3)), r"sweeps is \(3, 3\)"),
        (lambda: AdaptationLoops(16000, sweeps=(3, 3, 3, 0, 3)), "sweeps is"),
        (lambda: Decimation(kind="fast"), "kind is 'fast'.*'amt', 'plain'"),
        (lambda: Decimation(factor=1), "factor is 1"),
        (lambda: ModulationFilterbank([0.0], 16000), "fc holds 0"),
        (lambda: ModulationFilterbank([], 16000), "fc is empty"),
        (lambda: ModulationFilterbank([500.0], 16000, lowpass=9000.0), "lowpass is 9000"),
        (lambda: ModulationFilterbank([8000.0], 1500), "fs is 1500"),
    ],
)
def test_what_cannot_be_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
