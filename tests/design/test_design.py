"""Coefficients: frequency responses against scipy, and the memory of filters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from amt_export.design.drnl import drnl_parameters, resonance
from amt_export.design.gammatone import default_betamul, gammatone_pole
from amt_export.design.polynomial import cascade_basis, expanded, from_coefficients
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.state_space import (
    StateSpace,
    butterworth_lowpass,
    from_complex,
    one_pole_cascade,
    rotation,
    scale_output,
    series,
)

FLOAT64 = torch.float64
FS = 44100.0
OMEGA = np.linspace(0.0, np.pi, 200)


def response(system: StateSpace, channel: int = 0) -> np.ndarray:
    """H = d + c (z - A)^-1 b on the unit circle."""
    a, b, c, d = (np.asarray(part[channel]) for part in system)
    z = np.exp(1j * OMEGA)[:, None, None]
    inner = np.linalg.solve(z * np.eye(a.shape[0]) - a, b[:, None].astype(complex))
    return d + (c @ inner)[:, 0]


def assert_response(system: StateSpace, expected: np.ndarray, limit: float) -> None:
    found = response(system)
    assert np.abs(found - expected).max() < limit * np.abs(expected).max()


# Filters


@pytest.mark.parametrize("share", [1e-3, 0.01, 0.1, 0.3, 0.5, 0.9, 0.99, 0.999, 0.9999])
def test_butterworth_is_scipys(share):
    system = butterworth_lowpass(torch.tensor([share * FS / 2], dtype=FLOAT64), FS)
    b, a = signal.butter(2, share)
    # scipy's polynomial of a low cutoff has cancelled digits away: take its factored form.
    zeros, poles, gain = signal.butter(2, share, output="zpk")
    _, expected = signal.freqz_zpk(zeros, poles, gain, worN=OMEGA)
    assert_response(system, expected, 1e-9)
    if share > 0.05:
        assert_response(system, signal.freqz(b, a, worN=OMEGA)[1], 1e-9)


@pytest.mark.parametrize("cutoff", [FS / 2, 0.99995 * FS / 2, FS])
def test_butterworth_cutoffs_are_limited_below_half_the_rate(cutoff):
    limited = butterworth_lowpass(torch.tensor([0.9999 * FS / 2], dtype=FLOAT64), FS)
    found = butterworth_lowpass(torch.tensor([cutoff], dtype=FLOAT64), FS)
    for one, two in zip(found, limited, strict=True):
        assert torch.equal(one, two)
        assert torch.isfinite(one).all()


def test_butterworth_is_3_db_down_at_its_cutoff():
    system = butterworth_lowpass(torch.tensor([OMEGA[50] / np.pi * FS / 2], dtype=FLOAT64), FS)
    assert abs(response(system)[50]) == pytest.approx(0.5**0.5, rel=1e-6)
    assert abs(response(system)[0]) == pytest.approx(1.0, rel=1e-12)


@given(
    order=st.integers(1, 6),
    radius=st.floats(0.1, 0.99),
    angle=st.floats(-3.1, 3.1),
    re=st.floats(-2, 2),
    im=st.floats(-2, 2),
)
@settings(max_examples=30, deadline=None)
def test_one_pole_cascade(order, radius, angle, re, im):
    """The real part of a complex filter of a real signal is (H(z) + conj H(conj z))/2."""
    pole, gain = radius * np.exp(1j * angle), complex(re, im)
    system = one_pole_cascade(
        torch.tensor([[pole.real, pole.imag]]), order, torch.tensor([[re, im]], dtype=FLOAT64)
    )
    assert system.A.shape == (1, 2 * order, 2 * order)
    z = np.exp(1j * OMEGA)
    expected = 0.5 * (gain / (1 - pole / z) ** order + np.conj(gain / (1 - pole * z) ** order))
    largest = abs(gain) / (1.0 - radius) ** order
    assert np.abs(response(system) - expected).max() <= 1e-10 * largest


def test_states_stay_within_the_size_of_the_input():
    """What float32 needs: every stage has a gain of at most 1."""
    pole = 0.999 * np.exp(-0.1j)
    system = one_pole_cascade(
        torch.tensor([[pole.real, pole.imag]]), 4, torch.tensor([[1e-12, 0.0]], dtype=FLOAT64)
    )
    a, b = system.A[0].numpy(), system.b[0].numpy()
    state, largest = np.zeros(8), np.zeros(8)
    for t in range(20000):
        state = a @ state + b * np.cos(0.1 * t)
        largest = np.maximum(largest, np.abs(state))
    assert largest.max() < 1.0
    assert largest.min() > 0.01


@pytest.mark.parametrize("order", [1, 2, 4])
def test_direct_form_in_cascade_coordinates(order):
    pole = torch.tensor([0.9 * np.exp(-0.7j)])
    a = expanded(pole, order)
    np.testing.assert_allclose(a[0], np.poly([pole[0].item()] * order), rtol=1e-13)
    basis = cascade_basis(pole, order)
    coefficients = a * (1.0 + 0.3j)  # a0 need not be 1
    coefficients[:, 1:] *= 1.01  # and trained coefficients are not at the design
    b = torch.tensor([[0.5 - 0.2j]], dtype=torch.complex128)
    system = from_coefficients(b, coefficients, basis, torch.linalg.inv(basis))
    h = signal.freqz(b[0], coefficients[0], worN=OMEGA)[1]
    mirrored = signal.freqz(b[0].conj().resolve_conj(), coefficients[0].conj().resolve_conj(),
                            worN=OMEGA)[1]  # fmt: skip
    assert_response(system, 0.5 * (h + mirrored), 1e-8)


def test_series_amplified_and_complex_systems():
    low = butterworth_lowpass(torch.tensor([3000.0], dtype=FLOAT64), FS)
    lower = butterworth_lowpass(torch.tensor([700.0], dtype=FLOAT64), FS)
    assert_response(series(low, lower), response(low) * response(lower), 1e-12)
    assert_response(
        scale_output(low, torch.tensor([-3.0], dtype=FLOAT64)), -3.0 * response(low), 1e-12
    )
    z = torch.tensor([0.3 - 0.4j], dtype=torch.complex128)
    found = from_complex(z[:, None, None], z[:, None], z[:, None], z)
    unit = np.exp(1j * OMEGA)
    one = z.item() + z.item() ** 2 / (unit - z.item())
    two = z.item().conjugate() + z.item().conjugate() ** 2 / (unit - z.item().conjugate())
    assert_response(found, 0.5 * (one + two), 1e-12)


def test_rotation_multiplies_as_the_number_would():
    z, w = 0.3 - 0.7j, -1.5 + 0.2j
    column = rotation(torch.tensor([z.real, z.imag])) @ torch.tensor([w.real, w.imag])
    assert complex(*column.tolist()) == pytest.approx(z * w, rel=1e-6)


def test_resonance_is_a_gammatone_with_lowpasses():
    cf, bandwidth, cutoff = 1500.0, 1.2, 1400.0
    system = resonance(*(torch.tensor([v], dtype=FLOAT64) for v in (cf, bandwidth)), 3,
                       torch.tensor([cutoff], dtype=FLOAT64), 2, FS)  # fmt: skip
    beta = bandwidth * (24.7 + cf / 9.265)
    pole = np.exp(-2 * np.pi * (beta + 1j * cf) / FS)
    z = np.exp(1j * OMEGA)
    gain = (1.0 - abs(pole)) ** 3
    gammatone = 0.5 * (gain / (1 - pole / z) ** 3 + gain / (1 - np.conj(pole) / z) ** 3)
    lowpass = signal.freqz_zpk(*signal.butter(2, cutoff, fs=FS, output="zpk"), worN=OMEGA)[1]
    assert_response(system, gammatone * lowpass**2, 1e-9)


def test_gammatone_constants():
    assert default_betamul(4) == pytest.approx(1.0186, abs=5e-5)
    assert default_betamul(1) == pytest.approx(1 / np.pi)
    pole = gammatone_pole(
        torch.tensor([1000.0], dtype=FLOAT64), torch.tensor([100.0], dtype=FLOAT64), 16000.0
    )
    expected = np.exp(-2 * np.pi * (100.0 + 1000.0j) / 16000.0)
    np.testing.assert_allclose(pole[0], [expected.real, expected.imag], rtol=1e-14)


@pytest.mark.parametrize("subject", ["NH", "HIx"])
def test_drnl_parameters_change_smoothly_below_the_freeze(subject):
    frequencies = torch.linspace(250.0, 1000.0, 200, dtype=FLOAT64)
    for name, value in drnl_parameters(frequencies, subject).items():
        assert torch.isfinite(value).all(), name
        if name != "a" or subject == "NH":
            steps = np.diff(np.log(value.numpy()))
            assert np.abs(steps).max() < 0.03, name


# Memory


@pytest.mark.parametrize("radius", [0.5, 0.9, 0.99, 0.9999])
def test_settling_time_of_one_pole_is_the_logarithm(radius):
    system = one_pole_cascade(
        torch.tensor([[radius, 0.0]], dtype=FLOAT64), 1, torch.ones(1, 2, dtype=FLOAT64)
    )
    assert settling_time(system, 1e-9) == math.ceil(math.log(1e-9) / math.log(radius))


def test_settling_time_is_that_of_the_slowest_channel():
    poles = torch.view_as_real(torch.tensor([0.5 + 0.1j, 0.95 - 0.2j], dtype=torch.complex128))
    system = one_pole_cascade(poles, 4, torch.ones(2, 2, dtype=FLOAT64))
    state, count = system.b[:, :, None], 0
    limit = 1e-6 * torch.linalg.vector_norm(state, dim=(1, 2))
    while bool((torch.linalg.vector_norm(state, dim=(1, 2)) > limit).any()):
        state = system.A @ state
        count += 1
    # Bit by bit finds a last crossing; the norm of four equal poles may cross twice.
    assert abs(settling_time(system, 1e-6) - count) <= 1


def test_settling_time_ends_for_filters_that_do_not():
    pole = torch.tensor([[1.0, 0.0]], dtype=FLOAT64)
    system = StateSpace(rotation(pole), pole, pole, torch.zeros(1, dtype=FLOAT64))  # 1 / (1 - z^-1)
    assert settling_time(system, 1e-9) == 2**26
