"""The plain recursions against scipy, and that a build refuses filters that are off them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import signal

from amt_export.errors import SpecError
from amt_export.model_file.building import build_module
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank, GammatoneFilterbank
from amt_export.publish import publish
from amt_export.verify import independent
from amt_export.verify.independent import check_filters, distances
from support.filters import small_specs

FLOAT64 = torch.float64
# High orders and narrow filters at high rates: output of 1e-30 and 1e-27 of the input after so few samples.
SLOW = [
    ({"fs": 192000, "n": 8, "betamul": 0.01}, 1000.0, 1),
    ({"fs": 192000, "n": 8, "betamul": 0.01}, 1000.0, 16),
    ({"fs": 192000, "n": 8, "betamul": 0.01}, 1000.0, 2000),
    ({"fs": 1e6, "n": 7, "betamul": 0.0125}, 96.57, 256),
    ({"fs": 1e6, "n": 12, "betamul": 0.01}, 96.57, 64),
]
DRNLS = {
    (make, model, subject): make((300.0, 6000.0), 44100, 5, subject, model, dtype=FLOAT64, **more)
    for make, more in ((DRNLFilterbank, {}), (FastDRNLFilterbank, {"ir_length": 4096}))
    for model in ("paulick2024", "jepsen2008")
    for subject in ("NH", "HIx")
}


def gammatone(centre, **keywords):
    fc = torch.tensor([centre], dtype=FLOAT64)
    return GammatoneFilterbank(fc, dtype=FLOAT64, **keywords)


def click(samples):
    x = np.zeros((samples, 1, 1))
    x[0] = 1.0
    return x


@pytest.mark.parametrize(("keywords", "centre", "samples"), SLOW)
def test_a_filter_that_has_hardly_begun_to_ring_is_accurate(keywords, centre, samples):
    module = gammatone(centre, **keywords)
    assert distances(module, module.freeze(samples), samples).max() < 1e-9
    # scipy, which is in neither
    pole = complex(module.poles[0])
    y = click(samples)[:, 0, 0].astype(complex)
    for _ in range(module.n):
        y = signal.lfilter([1.0 - abs(pole)], [1.0, -pole], y)
    found = module(torch.from_numpy(click(samples)[:, 0, 0]))[0].numpy()
    assert np.abs(found - 2.0 * y.real).max() < 1e-9 * np.abs(y.real).max()


@pytest.mark.parametrize("form", ["sos", "poly"])
@pytest.mark.parametrize("loaded", [False, True])
def test_the_gammatone_is_scipys(form, loaded):
    module = GammatoneFilterbank((300.0, 5000.0), 16000, dtype=FLOAT64, implementation=form)
    if loaded:
        state = module.state_dict()
        state["poles" if form == "sos" else "a"] *= 1.0 if form == "poly" else 0.99
        state["gains" if form == "sos" else "b"] *= 1.5
        module.load_state_dict(state)
    x = click(500)
    found = independent.gammatone_filterbank(module, x)[:, 0]
    for channel in range(module.num_channels):
        if form == "sos":
            y, b, a = x[:, 0, 0], module.gains[channel], [1.0, -complex(module.poles[channel])]
            y = complex(b) * y
            for _ in range(4):
                y = signal.lfilter([1.0], a, y)
        else:
            y = signal.lfilter(module.b[channel].numpy(), module.a[channel].numpy(), x[:, 0, 0])
        y = 2.0 * y.real
        assert np.abs(found[:, channel] - y).max() < 1e-9 * np.abs(y).max()


def test_the_low_pass_is_scipys():
    x = np.random.default_rng(0).standard_normal((800, 1, 1))
    cutoff = np.array([100.0, 2000.0, 9000.0])
    found = independent.butterworth(x, cutoff, 44100.0)[:, 0]
    for channel, frequency in enumerate(cutoff):
        sos = signal.butter(2, frequency, fs=44100.0, output="sos")
        expected = signal.sosfilt(sos, x[:, 0, 0])
        assert np.abs(found[:, channel] - expected).max() < 1e-10


def test_the_pole_zero_gammatone_has_unit_gain_at_its_frequency():
    cf, bandwidth, fs = np.array([1000.0, 4000.0]), np.array([130.0, 450.0]), 44100.0
    response = independent.pole_zero_gammatone(click(8000), cf, bandwidth, 2, fs)[:, 0]
    turn = np.exp(-2j * np.pi / fs * np.outer(np.arange(8000), cf))
    np.testing.assert_allclose(np.abs((response * turn).sum(0)), 1.0, atol=1e-9)


@pytest.mark.parametrize(
    "module", DRNLS.values(), ids=lambda m: f"{type(m).__name__}-{m.model}-{m.subject}"
)
def test_drnls_are_their_formulas(module):
    assert distances(module, module.freeze(3000), 3000).max() < 1e-10


def test_responses_of_a_checkpoint_are_its_own():
    module = FastDRNLFilterbank((1e3, 2e3), 16000, 2, dtype=FLOAT64, ir_length=600)
    plain = module.freeze(700)
    module.load_state_dict(module.state_dict() | {"ir_lin": 1.1 * module.ir_lin})
    assert distances(module, module.freeze(700), 700).max() < 1e-10
    assert distances(module, plain, 700).min() > 1e-3


@pytest.mark.parametrize(
    "made",
    [*list(DRNLS.values())[::4], gammatone(1000.0, fs=16000)],
    ids=lambda m: type(m).__name__,
)
def test_another_filter_is_refused(made):
    other = made.freeze(1000)
    state = {name: value.clone() for name, value in made.state_dict().items()}
    name = next(n for n in ("gains", "ir_lin", "g") if n in state)
    made.load_state_dict(state | {name: state[name] * (1.0 + 1e-5)})
    frequency = f"{made.fc[0]:g}" if made.num_channels == 1 else r"[\d.]+"
    with pytest.raises(
        SpecError, match=rf"^here: float64 .* channel at {frequency} Hz is [1-9]e-0[56]"
    ):
        check_filters(made, other, 1000, "here")
    made.load_state_dict(state)
    check_filters(made, other, 1000, "here")


def test_answers_that_are_not_finite_are_far_off():
    module = gammatone(1000.0, fs=16000)
    other = module.freeze(100)
    other.filter.values.fill_(torch.nan)
    assert distances(module, other, 100).tolist() == [np.inf]


def test_a_build_refuses_filters_that_float64_does_not_hold(tmp_path):
    """The coefficients of (1 - p z^-1)^12 have lost all digits of p."""
    parameters = {"fc": (200.0, 7000.0), "fs": 16000, "n": 12, "implementation": "poly"}
    spec = replace(small_specs()["gammatone"], parameters=parameters)
    with pytest.raises(SpecError, match="float64 does not hold") as caught:
        publish(spec, tmp_path, formats=["torchscript"])
    assert "off a plain recursion" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_chains_are_looked_into():
    class Chain(GammatoneFilterbank):
        """Any module with a filterbank in it."""

    outer = Chain((1e3, 2e3), 16000, dtype=FLOAT64)
    outer.inner = gammatone(1000.0, fs=16000)
    frozen = outer.freeze(100)
    check_filters(outer, frozen, 100, "here")
    frozen.inner = gammatone(1001.0, fs=16000)
    with pytest.raises(SpecError, match="1000 Hz"):
        check_filters(outer, frozen, 100, "here")


def test_float32_models_are_designed_in_float64():
    spec = small_specs()["drnl"]
    module = build_module(spec, torch.float32)
    assert distances(module.double(), module.double().freeze(1500), 1500).max() < 1e-10
