"""What the tests of the internal representation share: golden cases, and loops from sample to sample."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from support.filters import GOLDEN

DAU_TAU = (0.005, 0.05, 0.129, 0.253, 0.5)
CASP_TAU = (0.007, 0.0318, 0.0878, 0.2143, 0.5)


@cache
def casp_golden(name: str) -> dict[str, np.ndarray]:
    """Arrays of tests/golden/casp/<name>.npz."""
    with np.load(GOLDEN / "casp" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files if key != "meta"}


def channels_first(array: np.ndarray) -> Tensor:
    """(T, F) of a golden case as (1, F, T)."""
    return torch.from_numpy(array.T.copy())[None]


def of_peak(found: Tensor, expected: Tensor) -> float:
    """Largest difference as a share of the largest value of all."""
    assert found.shape == expected.shape
    expected = expected.double()
    return float((found.double() - expected).abs().max() / expected.abs().max())


def sequential_loops(
    signal: np.ndarray, fs: float, minlvl=1e-5, tau=DAU_TAU, limit: float = 10.0
) -> np.ndarray:
    """The adaptation loops as they are defined, one sample after the other; signals (..., T)."""
    minlvl = np.asarray(minlvl, float)
    count = len(tau)
    poles = [np.exp(-1.0 / (t * fs)) for t in tau]
    states = [
        np.broadcast_to(minlvl ** (0.5**k), signal.shape[:-1]).copy() for k in range(1, count + 1)
    ]
    limits = [(1.0 - state**2) * limit - 1.0 for state in states]
    rest = minlvl ** (0.5**count)
    output = np.empty(signal.shape)
    for i in range(signal.shape[-1]):
        v = np.maximum(signal[..., i], minlvl)
        for k, a in enumerate(poles):
            v = v / states[k]
            if limit > 1.0:
                m = limits[k]
                over = 2.0 * m / (1.0 + np.exp(-2.0 * (v - 1.0) / m)) - (m - 1.0)
                v = np.where(v > 1.0, over, v)
            states[k] = a * states[k] + (1.0 - a) * v
        output[..., i] = v
    return (output - rest[..., None]) * 100.0 / (1.0 - rest[..., None])


def sine(frequency: float, level: float, samples: int, fs: float) -> np.ndarray:
    """A tone of so many dB SPL from silence, in Pa."""
    time = np.arange(samples) / fs
    return 2e-5 * np.sqrt(2.0) * 10.0 ** (level / 20.0) * np.sin(2.0 * np.pi * frequency * time)


def hard_envelopes(fs: float, seconds: float = 0.15) -> dict[str, np.ndarray]:
    """What adaptation has to be solved for: envelopes of which 1 is 100 dB SPL, (T,) each."""
    rng = np.random.default_rng(7)
    time = np.arange(int(seconds * fs)) / fs
    on = np.maximum(time > 0.01, 0.0)

    def level(db):
        return 10.0 ** (np.asarray(db) / 20.0 - 5.0)

    def rectified(frequency, db):
        return level(db) * np.sqrt(2.0) * np.maximum(np.sin(2.0 * np.pi * frequency * time), 0.0)

    clicks = np.zeros(time.size)
    clicks[[time.size // 10, time.size // 3]] = level([100.0, 110.0])
    steps = 10.0 ** (3.5 * rng.random(32))[(time / seconds * 32).astype(int).clip(max=31)]
    return {
        "silence": np.zeros(time.size),
        "clicks": clicks,
        "slow steps": level(60.0) * (time * 20.0 % 2 >= 1),
        "fast steps": level(60.0) * (time * 200.0 % 2 >= 1),
        "soft noise": level(60.0) * np.abs(rng.standard_normal(time.size)),
        "loud noise": level(120.0) * np.maximum(rng.standard_normal(time.size), 0.0),
        "50 Hz": rectified(50.0, 94.0),
        "1 kHz": rectified(1000.0, 94.0) * on,
        "random steps": level(30.0) * steps,
        "hold": level(100.0) * on,
    }
