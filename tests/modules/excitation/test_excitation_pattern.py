"""ExcitationPattern."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.modules.excitation.excitation_pattern import ExcitationPattern
from support.spectra import assert_captured, assert_effects, assert_state_dict, golden, ignored

REFERENCES = ["documented", "torch_amt"]
GOLDEN = {"documented": "power", "torch_amt": "natural"}  # names in the golden file


def levels(batch: int = 2, frames: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(batch, frames, 150, generator=generator) * 120 - 26


def formula(source: np.ndarray, centres: np.ndarray, reference: str) -> np.ndarray:
    """The sum as it is written, one frame (E,)."""
    upper = np.maximum(10, 27 - 0.37 * (source - 60))[:, None]
    lower = np.maximum(10, 11 - 0.20 * (source - 60))[:, None]
    distance = centres - centres[:, None]
    attenuation = np.where(distance >= 0, upper * distance, -lower * distance)
    terms = np.where(attenuation > 50.001, -np.inf, source[:, None] - attenuation)
    if reference == "documented":
        return 10 * np.log10((10 ** (terms / 10)).sum(0))
    terms[source < 0] = -np.inf
    return np.logaddexp.reduce(np.vstack([np.zeros(len(centres)), terms]), axis=0)


@pytest.mark.parametrize("reference", REFERENCES)
def test_golden(reference: str) -> None:
    case = golden("excitation_pattern")
    found = ExcitationPattern(reference=reference).double()(case["levels"])
    assert (found - case[GOLDEN[reference]]).abs().max() < 1e-4  # the case stands on a float32 grid
    single = ExcitationPattern(reference=reference)(case["levels"])
    assert (single - found).abs().max() < 1e-4


@pytest.mark.parametrize("reference", REFERENCES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), low=st.floats(-60, 60), span=st.floats(0, 80))
def test_formula(reference: str, seed: int, low: float, span: float) -> None:
    module = ExcitationPattern(reference=reference).double()
    source = np.random.default_rng(seed).random(150) * span + low
    expected = formula(source, module.erb_centers.numpy(), reference)
    found = module(torch.from_numpy(source)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_slopes() -> None:
    upper, lower = ExcitationPattern().get_spreading_slopes(torch.tensor([40.0, 60.0, 80.0, 100.0]))
    expected = golden("excitation_pattern")["slopes"]
    torch.testing.assert_close(torch.stack([upper, lower], 1), expected.float())


@pytest.mark.parametrize("level", [40.0, 60.0, 90.0])
def test_tone_peaks_at_its_channel_with_the_documented_slopes(level: float) -> None:
    module = ExcitationPattern().double()
    source = torch.full((1, 1, 150), -300.0, dtype=torch.float64)
    source[0, 0, 70] = level
    spread = module(source)[0, 0]
    assert int(spread.argmax()) == 70
    assert spread[70] == pytest.approx(level)
    upper, lower = module.get_spreading_slopes(torch.tensor(level))
    assert spread[70] - spread[74] == pytest.approx(float(upper), abs=1e-6)
    assert spread[70] - spread[66] == pytest.approx(float(lower), abs=1e-6)
    assert spread[70] - spread[91] > 50.001
    assert spread[70] - spread[49] > 50.001


def test_last_kept_neighbour() -> None:
    """Slope 10 at 5 Cam is exactly 50 dB and counts."""
    source = torch.full((1, 1, 150), -300.0)
    source[0, 0, 70] = 110.0
    spread = ExcitationPattern()(source)[0, 0]
    assert spread[90] == pytest.approx(60.0, abs=1e-3)
    assert spread[50] == pytest.approx(60.0, abs=1e-3)


def test_silence() -> None:
    silence = torch.full((1, 1, 150), -26.0206)
    power = ExcitationPattern()(silence)
    assert (power[..., 1:-1] + 25.0).abs().max() < 0.15
    natural = ExcitationPattern(reference="torch_amt")(silence)
    assert torch.equal(natural, torch.zeros_like(natural))
    assert ExcitationPattern()(silence - 1e4).isfinite().all()


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_stays_visible(reference: str, bad: float) -> None:
    source = levels()
    source[0, 1, 70] = bad
    spread = ExcitationPattern(reference=reference)(source)
    assert not spread[0, 1, 50:91].isfinite().any()
    clean = torch.ones(2, 3, dtype=torch.bool)
    clean[0, 1] = False
    assert spread[clean].isfinite().all()


def test_shapes_and_dtypes() -> None:
    module = ExcitationPattern()
    x = levels()
    torch.testing.assert_close(module(x[0]), module(x)[0])
    assert module(x.long()).dtype == torch.float32
    assert module.double()(x).dtype == torch.float64


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"fs": -1}, "fs is -1"),
        ({"fs": 16000}, "15000"),
        ({"f_min": 0.0}, "f_min is 0"),
        ({"erb_step": -0.5}, "-0.5"),
        ({"reference": "decibel"}, "'decibel'.*'documented', 'torch_amt'"),
    ],
)
def test_bad_arguments(kwargs: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ExcitationPattern(**kwargs)


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="150 are needed"):
        ExcitationPattern()(levels()[..., :100])
    with pytest.raises(TypeError, match="complex"):
        ExcitationPattern()(levels().to(torch.complex64))
    with pytest.raises(ValueError, match="dimensions"):
        ExcitationPattern()(levels()[0, 0])


def test_state_dict() -> None:
    assert_state_dict(lambda learnable: ExcitationPattern(learnable=learnable), "ExcitationPattern")


@pytest.mark.parametrize("reference", REFERENCES)
def test_entries_have_effect(reference: str) -> None:
    assert_effects(
        lambda learnable: ExcitationPattern(learnable=learnable, reference=reference),
        (levels() * 0.3 + 30,),
        {"fc_erb": ignored},
    )


def test_any_channels_from_a_checkpoint() -> None:
    """Channels in another order, unevenly spaced."""
    module = ExcitationPattern().double()
    centres = torch.rand(150, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 40
    module.load_state_dict(module.state_dict() | {"erb_centers": centres})
    source = levels(1, 1).double()
    expected = formula(source[0, 0].numpy(), module.erb_centers.numpy(), "documented")
    np.testing.assert_allclose(module(source)[0, 0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("reference", REFERENCES)
def test_gradients(reference: str) -> None:
    module = ExcitationPattern(learnable=True, f_max=300.0, fs=800, reference=reference).double()
    names = [name for name, _ in module.named_parameters()]
    assert len(names) == 4
    x = torch.linspace(30, 75, module.n_erb_bands, dtype=torch.float64)[None]

    def spread(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    start = tuple(p.detach().clone().requires_grad_() for p in module.parameters())
    assert torch.autograd.gradcheck(spread, start)
    source = x.clone().requires_grad_()
    assert torch.autograd.gradcheck(module, (source,))


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("reference", REFERENCES)
def test_captured(learnable: bool, reference: str, tmp_path) -> None:
    module = ExcitationPattern(learnable=learnable, reference=reference)
    assert_captured(module, (levels(),), 150, tmp_path)


def test_extra_repr() -> None:
    assert "reference='documented'" in repr(ExcitationPattern())
