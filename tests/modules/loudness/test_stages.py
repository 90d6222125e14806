"""Each stage of the loudness model against what the MATLAB toolbox computes; see tests/golden/README.md."""

import numpy as np
import pytest
import torch
from torch import Tensor

from amt_export.design.loudness_excitation import channel_frequencies, groups, level_weights
from amt_export.design.outer_middle_ear import FIELDS, ear_taps
from amt_export.modules.loudness.attack_release import AttackRelease
from amt_export.modules.loudness.binaural import BinauralInhibition
from amt_export.modules.loudness.ear_filter import LoudnessEarFilter
from amt_export.modules.loudness.excitation import LoudnessExcitation
from amt_export.modules.loudness.relevance import Relevance
from amt_export.modules.loudness.specific_loudness import SpecificLoudness
from amt_export.modules.loudness.spectrum import LoudnessSpectrum
from support.spectra import GOLDEN, assert_same

DB_MAX = 93.97940008672037  # of the golden cases
DOUBLE = torch.float64


def golden(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / "loudness" / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}


def decibels(power: Tensor) -> Tensor:
    return 10.0 * torch.log10(power.clamp(min=1e-300))


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


# ---------------------------------------------------------------- ear


@pytest.mark.parametrize("field", FIELDS)
def test_ear_filter_is_the_convolution(field: str) -> None:
    """z[n] = sum_k h[k] x[n + 1024 - k], with the published taps, in any block."""
    taps = golden("outer_middle_ear_fir")[{"free": "ff", "diffuse": "df", "eardrum": "ed"}[field]]
    audio = noise(1, 2, 700)
    expected = torch.from_numpy(np.stack([np.convolve(x, taps) for x in audio[0]]))[
        :, 1024 : 1024 + 2748
    ]
    module = LoudnessEarFilter(field, DOUBLE)
    assert_same(module(audio)[0], expected, 0, 1e-12)
    module.prepare_for_stream(96)
    assert_same(module(audio)[0], expected, 0, 1e-12)
    assert_same(LoudnessEarFilter(field)(audio.float())[0], expected.float(), 0, 1e-5)


@pytest.mark.parametrize(("field", "gain"), [("free", 1.0), ("diffuse", 1.0), ("eardrum", -2.7)])
def test_ear_filter_gain_at_1_khz(field: str, gain: float) -> None:
    """Of a tone in the middle of its course, in dB; at the eardrum only the middle ear is left."""
    response = torch.fft.rfft(ear_taps(field), 32000)[1000].abs()
    free = torch.fft.rfft(ear_taps("eardrum"), 32000)[1000].abs()
    assert float(decibels(free**2)) == pytest.approx(-2.7, abs=1.0)
    assert float(decibels(response**2)) == pytest.approx(gain, abs=1.5)


@pytest.mark.parametrize("field", FIELDS)
def test_the_sound_at_the_cochlea_rounds_once(field: str) -> None:
    """Plain sums of 4097 products are ten times as far off, and put components on the wrong side of -60 dB."""
    audio = noise(1, 2, 4000).float()
    reference = LoudnessEarFilter(field, DOUBLE)(audio.double())
    error = LoudnessEarFilter(field)(audio).double() - reference
    assert float(error.pow(2).mean().sqrt() / reference.pow(2).mean().sqrt()) < 4e-8


def test_unknown_field() -> None:
    with pytest.raises(ValueError, match="field is 'open'; the choices are 'free', 'diffuse'"):
        LoudnessEarFilter("open")


# ---------------------------------------------------------------- spectrum and relevance


def test_spectrum_and_relevance() -> None:
    case = golden("spectrum")
    power = Relevance()(LoudnessSpectrum(DB_MAX, DOUBLE)(case["x"].transpose(1, 2)))
    assert power.shape == (3, 2, 7, 960)
    power = power.transpose(1, 2)  # signal, frame, ear, as the lists are
    heard = power > 0
    assert torch.equal(heard.sum(3), case["count"].long())
    assert torch.equal(heard.nonzero()[:, 3] + 1, case["bins"].long())
    assert_same(decibels(power[heard]), case["levels"], 0, 1e-9)


def test_spectrum_in_float32() -> None:
    case = golden("spectrum")
    reference = LoudnessSpectrum(DB_MAX, DOUBLE)(case["x"].transpose(1, 2))
    found = LoudnessSpectrum(DB_MAX)(case["x"].transpose(1, 2).float())
    assert float((found - reference).abs().max() / reference.max()) < 1e-6


def test_what_one_ear_hears_hides_in_the_other() -> None:
    intensity = torch.zeros(1, 2, 2, 3)
    intensity[0, 0, 0] = torch.tensor([1e9, 1.1e3, 0.9e3])
    intensity[0, 1, 0] = torch.tensor([1.1e3, 0.9e3, 0.0])
    intensity[0, 1, 1] = torch.tensor([0.9e-3, 1.1e-3, 1e-9])  # below -30 dB nothing is heard
    heard = Relevance()(intensity)
    assert heard[0, :, 0].flatten().tolist() == pytest.approx([1e9, 1.1e3, 0, 1.1e3, 0, 0])
    assert heard[0, 1, 1].tolist() == pytest.approx([0.0, 1.1e-3, 0.0])


# ---------------------------------------------------------------- excitation


def excitation(power: Tensor) -> Tensor:
    """The sums as they are written, for one frame (960,)."""
    f, fc = 15.625 * torch.arange(1, 961, dtype=DOUBLE), channel_frequencies()
    level = decibels((power @ level_weights()).clamp(min=1e-4))

    def sharpness(f: Tensor) -> Tensor:
        return 4.0 * f / (24.673 * (0.004368 * f + 1.0))

    g = (f[:, None] - fc) / fc
    slope = 1.0 - 0.35 / sharpness(torch.tensor(1000.0, dtype=DOUBLE)) * (level - 51.0)
    p = torch.where(g < 0, sharpness(fc) * slope[:, None], sharpness(fc))
    z = p * g.abs()
    return (power[:, None] * torch.where(g > 4.0, 0.0, (1.0 + z) * torch.exp(-z))).sum(0)


def test_excitation_of_single_components() -> None:
    case = golden("excitation")
    power = torch.zeros(1, 2, 13, 960, dtype=DOUBLE)
    on_grid = range(8, 13)
    for k in on_grid:
        power[0, 0, k, round(float(case["f"][k]) / 15.625) - 1] = 10.0 ** (case["L"][k] / 10.0)
    found = decibels(LoudnessExcitation(DOUBLE)(power)[0, 0])
    for k in on_grid:
        known = case["E"][k] > -200.0
        assert known.any()
        assert_same(found[k][known], case["E"][k][known], 0, 1e-9)


def test_excitation_of_frames() -> None:
    """Of the components of the golden spectrum: the level in one ERB counts."""
    components, case = golden("spectrum"), golden("excitation")["frame_E"]
    power = torch.zeros(3, 7, 2, 960, dtype=DOUBLE)
    place = torch.arange(42).repeat_interleave(components["count"].flatten().long())
    power.view(42, 960)[place, components["bins"].long() - 1] = 10.0 ** (
        components["levels"] / 10.0
    )
    found = LoudnessExcitation(DOUBLE)(power.transpose(1, 2)).transpose(1, 2)[:, [0, 3, 6]]
    known = case > -200.0
    assert known.sum() > 1000
    assert_same(decibels(found)[known], case[known], 0, 1e-9)


@pytest.mark.parametrize("scale", [1e-2, 1e4, 1e9, 1e11])
def test_excitation_is_the_sum_as_written(scale: float) -> None:
    """From soft to 130 dB per ERB, where the slope is nearly flat."""
    power = noise(2, 2, 3, 960, seed=4).square() * scale
    power[0, 0, 0, 100:] = 0.0
    found = LoudnessExcitation(DOUBLE)(power)
    for place in [(0, 0, 0), (0, 1, 2), (1, 0, 1)]:
        torch.testing.assert_close(found[place], excitation(power[place]), rtol=1e-11, atol=0)
    single = LoudnessExcitation()(power.float())
    assert float(((single - found).abs() / found.amax(3, keepdim=True)).max()) < 1e-5


def test_groups_hold_every_component_once() -> None:
    parts = groups()
    assert (parts[0].first, parts[-1].last) == (0, 960)
    assert [part.first for part in parts[1:]] == [part.last for part in parts[:-1]]


# ---------------------------------------------------------------- loudness


def test_specific_loudness() -> None:
    case = golden("specific_loudness")
    found = SpecificLoudness(DOUBLE)(10.0 ** (case["E_db"] / 10.0))
    expected = case["N"].clone()
    expected[:, 0] = case["N0_extrapolated"]
    error = (found - expected).abs() / expected
    assert error.max() < 1e-8
    assert error[case["E_db"] >= -20.0].max() < 1e-9
    single = SpecificLoudness()(10.0 ** (case["E_db"].float() / 10.0))
    assert ((single - expected).abs() / expected)[case["E_db"] >= -20.0].max() < 1e-5


def test_specific_loudness_rises_and_has_no_steps() -> None:
    """Below 100 dB; there the published formulas meet to 2.5 %."""
    level = torch.arange(-60.0, 99.99, 0.01, dtype=DOUBLE)
    found = SpecificLoudness(DOUBLE)(10.0 ** (level[:, None] / 10.0).expand(-1, 150))
    steps = found[1:] / found[:-1] - 1.0
    assert float(steps.min()) > 0
    assert float(steps.max()) < 0.01
    assert not SpecificLoudness()(torch.zeros(150)).any()


def sequential(x: Tensor, attack: float, release: float) -> Tensor:
    """Frame by frame, (S, ...)."""
    state, course = torch.zeros_like(x[0]), []
    for frame in x:
        rising = (frame > state).to(x)
        state = state + (release + (attack - release) * rising) * (frame - state)
        course.append(state)
    return torch.stack(course)


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 100])
@pytest.mark.parametrize("block", [1, 2, 8, 16])
def test_attack_release_is_the_recursion(frames: int, block: int) -> None:
    module = AttackRelease(0.045, 0.033, block, DOUBLE)
    steps = noise(frames, 4, seed=5)
    for x in (steps.abs(), steps.cumsum(0).abs(), 50.0 * (steps > 0).to(steps)):
        expected = sequential(x, 0.045, 0.033)
        assert_same(module(x.reshape(1, 1, frames, 4))[0, 0], expected, 0, 1e-12)
        first, state = module.step(
            x[: frames // 2 + 1].reshape(1, 1, -1, 4), torch.zeros(1, 1, 4, dtype=DOUBLE)
        )
        assert_same(first[0, 0], expected[: frames // 2 + 1], 0, 1e-12)
        assert_same(state[0, 0], expected[frames // 2], 0, 1e-12)


def test_smoothing_of_the_toolbox() -> None:
    case = golden("temporal_binaural")
    both = torch.stack([case["inst_l"], case["inst_r"]])[None]
    found = AttackRelease(0.045, 0.033, 8, DOUBLE)(both)[0]
    assert_same(
        found, torch.stack([case["short_l"], case["short_r"]]), 0, 1e-12 * float(both.max())
    )
    course = case["lt_in"].reshape(1, 1, -1, 1)
    found = AttackRelease(0.01, 0.00133, 16, DOUBLE)(course).flatten()
    assert_same(found, case["lt_out"], 1e-12, 1e-12)


def test_silence_leaves_no_denormal_state() -> None:
    module, state = AttackRelease(0.045, 0.033, 8), torch.full((1, 2, 150), 1e-29)
    for _ in range(20):
        _, state = module.step(torch.zeros(1, 2, 10, 150), state)
    assert not state.any()


def test_binaural_inhibition() -> None:
    case = golden("temporal_binaural")
    found = BinauralInhibition(DOUBLE)(torch.stack([case["bin_l"], case["bin_r"]])[None])[0]
    assert_same(found, case["bin"][:, 1:], 1e-9, 1e-12)
    assert_same(found.sum(1), case["bin"][:, 0], 1e-9, 1e-12)


def test_two_ears_are_half_as_loud_again_as_one() -> None:
    pattern = torch.rand(1, 1, 1, 150, dtype=DOUBLE)
    module = BinauralInhibition(DOUBLE)
    both = module(pattern.expand(1, 2, 1, 150)).sum()
    alone = module(torch.cat([pattern, torch.zeros_like(pattern)], 1))
    assert float(both / alone.sum()) == pytest.approx(1.500026, abs=1e-6)
    assert not alone[..., 1].any()
