"""DRNL filterbank: what the model is known for, golden numbers, and what training needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amt_export.erb import audfiltbw, fc2erb
from amt_export.modules import DRNLFilterbank
from support.filters import assert_forms_are_eager, gradient_error, noise, relative
from support.spectra import assert_state_dict

CASP = {"fc": (250.0, 8000.0), "fs": 44100}
FLOAT64 = torch.float64
# Noise of this size keeps the compression busy on both sides of its knee.
KNEE = 5e-6
CASES = ("drnl_nh", "drnl_hix", "drnl_jepsen")
LEARNED = ["CF_lin", "BW_lin_norm", "LP_lin_cutoff", "g"]
LEARNED += ["CF_nlin", "BW_nlin_norm", "LP_nlin_cutoff", "a", "b", "c"]


def tone(frequency: float, level: float, fs: float, samples: int) -> torch.Tensor:
    """A tone of `level` dB SPL in Pa, (1, T)."""
    time = torch.arange(samples, dtype=FLOAT64) / fs
    amplitude = 2e-5 * 10.0 ** (level / 20.0) * math.sqrt(2.0)
    return amplitude * torch.sin(2.0 * math.pi * frequency * time)[None]


def level(signal: torch.Tensor) -> float:
    return float(10.0 * torch.log10(signal.pow(2).mean()))


# Signal truths


def test_the_nonlinear_part_grows_by_a_quarter_of_a_db_per_db():
    centre = torch.tensor([4000.0])
    normal = DRNLFilterbank(centre, 44100)
    impaired = DRNLFilterbank(centre, 44100, subject="HIx")
    levels = []
    for spl in range(50, 101, 10):
        sound = tone(4000.0, spl, 44100, 6000)
        part = (normal(sound) - impaired(sound))[0, 0, 3000:]
        levels.append(level(part))
    np.testing.assert_allclose(np.diff(levels) / 10.0, 0.25, atol=0.005)


def test_soft_sounds_are_not_compressed():
    module = DRNLFilterbank(torch.tensor([4000.0]), 44100)
    answers = [level(module(tone(4000.0, spl, 44100, 4000))[0, 0, 2000:]) for spl in (-60, -50)]
    assert answers[1] - answers[0] == pytest.approx(10.0, abs=1e-3)


def test_without_hair_cells_it_is_linear():
    module = DRNLFilterbank(**CASP, n_channels=6, subject="HIx")
    one, two = noise(1, 1000, seed=1), noise(1, 1000, seed=2)
    assert relative(module(1e3 * one - 0.3 * two), 1e3 * module(one) - 0.3 * module(two)) < 1e-12
    normal = DRNLFilterbank(**CASP, n_channels=6)
    assert relative(normal(2.0 * one), 2.0 * normal(one)) > 1e-3


@pytest.mark.parametrize("centre", [500.0, 1000.0, 4000.0])
def test_the_linear_path_is_tuned_to_its_cf(centre):
    module = DRNLFilterbank(torch.tensor([centre]), 44100, subject="HIx")
    click = torch.zeros(1, 2**15, dtype=FLOAT64)
    click[0, 0] = 1.0
    response = np.abs(np.fft.rfft(module(click)[0, 0].numpy()))
    best = np.fft.rfftfreq(2**15, 1.0 / 44100)[response.argmax()]
    # Four low-passes with cutoffs at CF pull the peak down, as in the published model.
    assert 0.6 * centre < best < centre
    assert response[-1] < 1e-6 * response.max()


@pytest.mark.parametrize("shift", [1, 32, 250])
@pytest.mark.parametrize("model", ["paulick2024", "jepsen2008"])
def test_a_delayed_sound_gives_a_delayed_answer(shift, model):
    module = DRNLFilterbank(**CASP, n_channels=6, model=model)
    audio = 0.1 * noise(1, 700)
    later = torch.cat([torch.zeros(1, shift, dtype=FLOAT64), audio], dim=1)
    assert relative(module(later)[..., shift:], module(audio)) < 1e-9


@pytest.mark.parametrize("subject", ["NH", "HIx"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_row_and_shows(value, subject):
    module = DRNLFilterbank(**CASP, n_channels=6, subject=subject, dtype=torch.float32)
    audio = noise(3, 700, dtype=torch.float32)
    clean = module(audio)
    audio[1, 300] = value
    damaged = module(audio)
    assert torch.equal(damaged[[0, 2]], clean[[0, 2]])
    assert not torch.isfinite(damaged[1, :, 300:]).any()


def test_rows_of_a_batch_do_not_meet():
    module = DRNLFilterbank(**CASP, n_channels=6)
    batch = torch.stack([noise(500, seed=1), 1e4 * noise(500, seed=2), torch.zeros(500)])
    together = module(batch)
    for row, audio in enumerate(batch[:2]):
        assert relative(together[row], module(audio)) < 1e-11
    assert torch.count_nonzero(together[2]) == 0


# Inputs and constructor


@pytest.mark.parametrize("samples", [0, 1, 33, 500])
def test_shapes_with_and_without_a_batch(samples):
    module = DRNLFilterbank(**CASP, n_channels=4)
    audio = noise(2, samples)
    assert module(audio).shape == (2, 4, samples)
    assert module(audio[0]).shape == (4, samples)
    assert torch.equal(module(audio[0]), module(audio[:1])[0])


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_any_real_dtype_is_cast_and_not_rescaled(dtype):
    module = DRNLFilterbank(**CASP, n_channels=4)
    audio = (20.0 * noise(1, 200)).to(dtype)
    assert module(audio).dtype == FLOAT64
    assert torch.equal(module(audio), module(audio.double()))


def test_other_inputs_are_refused():
    module = DRNLFilterbank(**CASP, n_channels=2)
    with pytest.raises(TypeError, match="complex"):
        module(torch.zeros(1, 10, dtype=torch.complex128))
    with pytest.raises(ValueError, match="audio has 3 dimensions"):
        module(torch.zeros(1, 1, 10))
    with pytest.raises(ValueError, match="audio has 0 dimensions"):
        module(torch.zeros(()))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"fs": math.inf}, "inf"),
        ({"fc": torch.tensor([100.0, 22051.0])}, "22051"),
        ({"fc": (250.0, 23000.0)}, "23000"),
        ({"fc": torch.tensor([])}, r"\(0,\)"),
        ({"n_channels": 0}, "n_channels is 0"),
        ({"model": "casp"}, r"'casp'.*'paulick2024'.*'jepsen2008'"),
        ({"subject": "nh"}, r"'nh'.*'NH'.*'HIx'"),
    ],
)
def test_the_constructor_names_the_offending_value_and_the_choices(changed, message):
    with pytest.raises(ValueError, match=message):
        DRNLFilterbank(**{**CASP, **changed})


def test_channels_are_evenly_spaced_in_cams():
    module = DRNLFilterbank(**CASP, n_channels=7)
    assert (module.fc[0].item(), module.fc[-1].item()) == (250.0, 8000.0)
    np.testing.assert_allclose(np.diff(fc2erb(module.fc).numpy(), 2), 0.0, atol=1e-9)
    assert DRNLFilterbank(**CASP).num_channels == 50
    assert module.centre_frequencies() == module.fc.tolist()


# Golden cases


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_golden(golden, name, dtype, learnable):
    case = golden(name)
    module = DRNLFilterbank(**case.kwargs, dtype=dtype, learnable=learnable)
    found = module(case["x"])
    assert found.dtype == dtype
    assert relative(found, case["y"]) < (1e-9 if dtype == FLOAT64 else 1e-6)


@pytest.mark.parametrize("name", CASES)
def test_published_parameters(golden, name):
    case = golden(name)
    module = DRNLFilterbank(**case.kwargs)
    published = {
        "fc": module.fc,
        "param_CFl": module.CF_lin,
        "param_BWl": module.BW_lin_norm * audfiltbw(module.CF_lin),
        "param_LPl": module.LP_lin_cutoff,
        "param_g": module.g,
        "param_CFn": module.CF_nlin,
        "param_BWn": module.BW_nlin_norm * audfiltbw(module.CF_nlin),
        "param_LPn": module.LP_nlin_cutoff,
        "param_a": module.a,
        "param_b": module.b,
        "param_c": module.c,
    }
    for key, value in published.items():
        torch.testing.assert_close(value, case[key], rtol=1e-12, atol=0, msg=key)


def test_published_constants():
    centre = torch.tensor([500.0, 999.0, 1001.0, 8000.0], dtype=FLOAT64)
    normal, impaired = DRNLFilterbank(centre, 44100), DRNLFilterbank(centre, 44100, subject="HIx")
    assert normal.c[0].item() == pytest.approx(10**-0.60206, rel=1e-14)
    assert normal.a[2] == normal.a[3] != normal.a[1], "frozen above 1 kHz"
    assert normal.a[3].item() == pytest.approx(10**1.40298 * 1500**0.81916, rel=1e-12)
    assert normal.b[2] == normal.b[3]
    assert torch.count_nonzero(impaired.a) == 0
    assert torch.equal(impaired.c, torch.full_like(centre, 0.25))
    assert impaired.b[3].item() == pytest.approx(10**1.61912 * 8000**-0.81867, rel=1e-12)


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.to(FLOAT64)])
def test_a_cast_module_is_as_accurate_as_one_built_so(cast):
    audio = 0.1 * noise(1, 500)
    built = DRNLFilterbank(**CASP, n_channels=5)
    module = cast(DRNLFilterbank(**CASP, n_channels=5, dtype=torch.float32))
    assert module(audio).dtype == FLOAT64
    assert torch.equal(module(audio), built(audio))


# Learning


@pytest.mark.parametrize("model", ["paulick2024", "jepsen2008"])
def test_gradients_are_finite_differences(model):
    module = DRNLFilterbank(
        torch.tensor([400.0, 1500.0]), 8000, model=model, learnable=True, dtype=FLOAT64
    )
    errors = gradient_error(module, KNEE * noise(1, 100))
    assert sorted(errors) == sorted(LEARNED)
    assert max(errors.values()) < 1e-4, errors


def test_state_dict_has_torch_amts_names():
    assert_state_dict(
        lambda learnable: DRNLFilterbank(**CASP, learnable=learnable), "DRNLFilterbank"
    )
    learnable = DRNLFilterbank(**CASP, learnable=True)
    assert sum(p.numel() for p in learnable.parameters()) == 500


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", LEARNED)
def test_a_loaded_value_changes_its_channel(name, learnable):
    module = DRNLFilterbank(**CASP, n_channels=5, learnable=learnable)
    audio = KNEE * noise(1, 400)
    before = module(audio).detach()
    module.load_state_dict({key: v.clone() for key, v in module.state_dict().items()})
    assert torch.equal(module(audio), before), "nothing changed, no bit changes"
    state = {key: value.clone() for key, value in module.state_dict().items()}
    state[name][2] *= 1.05
    module.load_state_dict(state)
    after = module(audio)
    others = [0, 1, 3, 4]
    assert relative(after[:, 2], before[:, 2]) > 1e-3
    assert torch.equal(after[:, others], before[:, others])
    assert relative(module.freeze(400)(audio), after) < 1e-10


# Forms


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_script_and_trace_are_eager(dtype, learnable):
    module = DRNLFilterbank(**CASP, n_channels=3, dtype=dtype, learnable=learnable)
    within = 1e-6 if dtype == torch.float32 else 1e-11
    assert_forms_are_eager(module, ((2, 333), (333,)), 1e-6, within)


def test_warm_up_is_enough():
    """Two sounds that differ only before the warm-up end alike."""
    module = DRNLFilterbank(**CASP, n_channels=3)
    past, rest = noise(1, 500), 0.1 * noise(1, module.warm_up() + 200, seed=1)
    with_past = module(torch.cat([past, rest], dim=1))[..., 500 + module.warm_up() :]
    alone = module(rest)[..., module.warm_up() :]
    assert relative(with_past, alone) < 1e-6


def test_the_representation_names_the_key_parameters():
    text = repr(DRNLFilterbank(**CASP, model="jepsen2008", subject="HIx"))
    for part in ("num_channels=50", "250.0", "8000.0", "fs=44100", "'HIx'", "'jepsen2008'"):
        assert part in text
    assert "learnable=False" in text
