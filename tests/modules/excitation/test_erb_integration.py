"""ERBIntegration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.erb import f2erbrate
from amt_export.modules.excitation.erb_integration import SILENCE, ERBIntegration
from support.spectra import assert_captured, assert_effects, assert_state_dict, golden


def psd(batch: int = 2, frames: int = 3, bins: int = 1025) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(batch, frames, bins, generator=generator) * 1e-6


def test_golden() -> None:
    case, source = golden("erb_integration"), golden("mrfft")
    module = ERBIntegration().double()
    found = module(source["psd"], source["freqs"])
    assert (found - case["excitation"]).abs().max() < 1e-3
    torch.testing.assert_close(module.get_erb_frequencies().float(), case["fc"], rtol=2e-6, atol=0)
    torch.testing.assert_close(module.get_erb_bandwidths().float(), case["bw"], rtol=2e-6, atol=0)
    assert torch.equal(found, module(source["psd"]))
    single = ERBIntegration()(source["psd"], source["freqs"])
    assert (single - found).abs().max() < 2e-5


def test_golden_learnable() -> None:
    case, source = golden("erb_integration"), golden("mrfft")
    module = ERBIntegration(learnable=True).double()
    with torch.no_grad():
        module.integration_weights.copy_(case["weights"])
        module.bandwidth_scale.fill_(1.3)
    found = module(source["psd"], source["freqs"])
    assert (found - case["excitation_learnable"]).abs().max() < 1e-3
    module.update_coefficients()
    assert torch.equal(module.freeze()(source["psd"]), module(source["psd"]))


def test_grid() -> None:
    module = ERBIntegration()
    centres = module.centre_frequencies()
    assert len(centres) == module.n_erb_bands == 150
    assert centres[0] == pytest.approx(50.0, abs=1e-9)
    assert centres[-1] == pytest.approx(15221.2, abs=0.05)
    steps = np.diff(f2erbrate(torch.tensor(centres, dtype=torch.float64)).numpy())
    np.testing.assert_allclose(steps, 0.25, atol=1e-9)


def test_flat_spectrum_gives_bandwidth() -> None:
    """A density of 1 Pa^2/Hz holds bw Pa^2 in each band, to one bin at each edge."""
    fine = torch.ones(1, 1, 32001, dtype=torch.float64)
    module = ERBIntegration(f_max=14000.0).double()
    power = 10 ** (module(fine)[0, 0] / 10) * 4e-10
    assert (power - module.get_erb_bandwidths()).abs().max() <= 0.5


def test_tone_lands_in_its_band() -> None:
    """A 1 kHz line of 1 Pa^2 reads 94 dB in every band that holds it, and nothing elsewhere."""
    line = torch.zeros(1, 1, 1025)
    line[0, 0, 64] = 1.0 / 15.625
    module = ERBIntegration()
    level = module(line)[0, 0]
    fc, bandwidth = module.get_erb_frequencies(), module.get_erb_bandwidths()
    inside = (fc - 1000.0).abs() <= bandwidth / 2
    torch.testing.assert_close(level[inside], torch.full_like(level[inside], 93.9794))
    torch.testing.assert_close(level[~inside], torch.full_like(level[~inside], SILENCE))


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(-60, 60))
def test_level_follows_power(gain: float) -> None:
    module = ERBIntegration().double()
    x = psd().double()
    torch.testing.assert_close(module(x * 10 ** (gain / 10)), (module(x) + gain).clamp(min=SILENCE))


@pytest.mark.parametrize("learnable", [False, True])
def test_silence(learnable: bool) -> None:
    level = ERBIntegration(learnable=learnable)(torch.zeros(1, 2, 1025))
    torch.testing.assert_close(level, torch.full_like(level, -26.0206))


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_stays_visible(bad: float, learnable: bool) -> None:
    x = psd()
    x[0, 1, 64] = bad
    module = ERBIntegration(learnable=learnable)
    level = module(x)
    inside = (module.get_erb_frequencies() - 1000.0).abs() <= module.get_erb_bandwidths() / 2
    assert not level[0, 1, inside].isfinite().any()
    clean = torch.ones(2, 3, dtype=torch.bool)
    clean[0, 1] = False
    assert level[clean].isfinite().all()
    freqs = torch.linspace(0, 16000, 1025)
    freqs[70] = bad
    assert module(psd(), freqs).isnan().all()


def test_shapes_and_dtypes() -> None:
    module = ERBIntegration()
    x = psd()
    assert module(x).shape == (2, 3, 150)
    torch.testing.assert_close(module(x[0]), module(x)[0])
    assert module(torch.ones(1, 2, 513, dtype=torch.int64)).dtype == torch.float32
    assert module.double()(x).dtype == torch.float64
    torch.testing.assert_close(
        module(psd(bins=513)), module(psd(bins=513), torch.linspace(0, 16000, 513))
    )


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"fs": 16000}, "15000"),
        ({"f_min": -1.0}, "-1"),
        ({"f_min": 900.0, "f_max": 800.0}, "800"),
        ({"erb_step": 0.0}, "erb_step is 0"),
    ],
)
def test_bad_arguments(kwargs: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ERBIntegration(**kwargs)


def test_bad_calls() -> None:
    module = ERBIntegration()
    with pytest.raises(TypeError, match="complex"):
        module(psd().to(torch.complex64))
    with pytest.raises(ValueError, match="dimensions"):
        module(torch.zeros(5))
    with pytest.raises(ValueError, match="1025"):
        module(psd(), torch.linspace(0, 16000, 100))
    with pytest.raises(ValueError, match="at least 2"):
        module(torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match="1025 baked in"):
        module.freeze()(psd(bins=100))


def test_state_dict() -> None:
    assert_state_dict(lambda learnable: ERBIntegration(learnable=learnable), "ERBIntegration")


def test_entries_have_effect() -> None:
    assert_effects(lambda learnable: ERBIntegration(learnable=learnable), (psd(),), {})


def test_trained_scale_is_clamped() -> None:
    module = ERBIntegration(learnable=True)
    with torch.no_grad():
        module.bandwidth_scale.fill_(10.0)
        widest = module(psd())
        module.bandwidth_scale.fill_(50.0)
    assert torch.equal(module(psd()), widest)
    fixed = ERBIntegration()
    wide = fixed.state_dict() | {"bandwidth_scale": torch.tensor(20.0)}
    fixed.load_state_dict(wide)
    gain = fixed(psd()) - ERBIntegration()(psd())
    assert gain.median() > 11.0  # 13 dB in the middle, less where the band reaches below 0 Hz


def test_gradients() -> None:
    module = ERBIntegration(learnable=True, f_max=400.0, fs=1600).double()
    x = psd(1, 2, 65).double() + 1e-9

    def level(scale: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        names = {"bandwidth_scale": scale, "integration_weights": weights}
        return torch.func.functional_call(module, names, (x,))

    start = (module.bandwidth_scale.detach() * 1.1, module.integration_weights.detach() * 0.9)
    assert torch.autograd.gradcheck(level, tuple(t.requires_grad_() for t in start))


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("bins", [1025, 257])
def test_captured(learnable: bool, bins: int, tmp_path) -> None:
    assert_captured(ERBIntegration(learnable=learnable), (psd(bins=bins),), bins, tmp_path)


def test_extra_repr() -> None:
    assert "n_erb_bands=150" in repr(ERBIntegration())
