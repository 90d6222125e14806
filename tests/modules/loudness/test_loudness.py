"""Moore2016Loudness: the published numbers, signal truths, bad input, its stream."""

import numpy as np
import pytest
import torch
from torch import Tensor

from amt_export.modules import Moore2016Loudness
from amt_export.modules.forms import StreamForm
from support.spectra import GOLDEN, assert_same

DB_MAX = 93.97940008672037  # of the golden cases
DOUBLE = torch.float64


def tones(level: float, *frequencies: float, samples: int = 41600) -> Tensor:
    """Sines of `level` dB SPL each, added up, in Pa."""
    time = torch.arange(samples, dtype=DOUBLE) / 32000.0
    amplitude = 2.0**0.5 * 20e-6 * 10.0 ** (level / 20.0)
    return sum(amplitude * torch.sin(2.0 * torch.pi * f * time) for f in frequencies)


def diotic(sound: Tensor) -> Tensor:
    return torch.stack([sound, sound])


@pytest.fixture(scope="module")
def case():
    with np.load(GOLDEN / "loudness" / "full.npz") as file:
        return {key: file[key] for key in file.files if key != "meta"}


def without_first_channel(dtype: torch.dtype) -> Moore2016Loudness:
    """The toolbox has no loudness in the channel at 47.5 Hz."""
    module = Moore2016Loudness(db_max=DB_MAX, specific=True, dtype=dtype)
    module.specific_loudness.power[0] = 0.0
    return module


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("name", ["tone1k_40dB_diotic", "tone3k60_left_only", "am_dichotic"])
def test_golden(case, name: str, dtype: torch.dtype) -> None:
    x = torch.from_numpy(case[f"x_{name}"]).to(dtype)
    audio = diotic(x) if x.dim() == 1 else x.T
    short_term, long_term, loudness, specific = without_first_channel(dtype)(audio)
    assert specific.shape == (301, 2, 150)
    tolerance = 1e-8 if dtype == DOUBLE else 1e-5
    for found, letter in ((short_term, "s"), (long_term, "l")):
        total = torch.from_numpy(case[f"{letter}_{name}"])
        peak = float(total.max())
        assert_same(found.sum(1).double(), total, 0, tolerance * peak)
        for ear, side in enumerate("LR"):
            expected = torch.from_numpy(case[f"{letter}{side}_{name}"])
            assert_same(found[:, ear].double(), expected, 0, tolerance * peak)
    assert float(loudness) == pytest.approx(case[f"l_{name}"].max(), rel=tolerance)


@pytest.mark.parametrize(
    ("sone", "level", "frequencies"),
    [
        (0.025060501, 10, [1000]),
        (1.0000435, 40, [1000]),
        (15.336336, 80, [1000]),
        (7.2285517, 60, [3000]),
        (0.35672028, 50, [100]),
        (6.404509, 60, [1500, 1600, 1700]),
    ],
)
def test_published_loudness_of_tones(sone: float, level: float, frequencies: list[float]) -> None:
    """The tones of ISO 532-3, annex C, in float32; `test_artifact` has them through files."""
    audio = diotic(tones(level, *frequencies)).float()
    _, _, loudness = Moore2016Loudness()(audio)
    assert float(loudness) == pytest.approx(sone, rel=2e-6)


def test_published_loudness_in_float64() -> None:
    time = torch.arange(3200, dtype=DOUBLE) / 32000.0
    audio = diotic(10.0**-0.5 * torch.sin(2.0 * torch.pi * 1000.0 * time))
    _, _, loudness = Moore2016Loudness(db_max=50.0, dtype=DOUBLE)(audio)
    assert float(loudness) == pytest.approx(0.5513854944102746, rel=1e-11)


@pytest.mark.parametrize(
    ("field", "level", "ears", "sone"),
    [("diffuse", 40, 2, 1.098473), ("eardrum", 60, 1, 2.3144729)],
)
def test_other_fields(field: str, level: float, ears: int, sone: float) -> None:
    audio = diotic(tones(level, 1000)).float()
    audio[ears:] = 0.0
    _, _, loudness = Moore2016Loudness(field=field)(audio)
    assert float(loudness) == pytest.approx(sone, rel=2e-6)


def test_truths() -> None:
    """Silence is 0; levels rise; ears can be swapped; one ear alone is less; a soft ear hears nothing."""
    sound = tones(60, 1000, samples=4000).float()
    none = torch.zeros_like(sound)
    batch = torch.stack(
        [
            torch.stack([none, none]),
            torch.stack([sound, 0.3 * sound.roll(5)]),
            torch.stack([0.3 * sound.roll(5), sound]),
            torch.stack([sound, sound]),
            torch.stack([sound, none]),
            torch.stack([sound, 10.0 ** (-61 / 20) * sound]),
            torch.stack([2.0 * sound, 2.0 * sound]),
        ]
    )
    short_term, long_term, loudness, specific = Moore2016Loudness(specific=True)(batch)
    assert short_term.shape == long_term.shape == (7, 126, 2)
    assert not short_term[0].any()
    assert not loudness[0].any()
    assert_same(short_term[1], short_term[2].flip(1), 1e-5, 1e-6)
    assert_same(specific[1], specific[2].flip(1), 1e-5, 1e-6)
    assert float(loudness[3] / loudness[4]) == pytest.approx(1.500026, rel=1e-5)
    assert not long_term[4][:, 1].any()
    # The onset of a sine is a click, whose spectrum is broad: after it the soft ear hears nothing more.
    assert float(short_term[5, -1, 1]) < 1e-3 * float(short_term[5, -1, 0])
    assert loudness[6] > 1.2 * loudness[3]
    assert_same(loudness, long_term.sum(2).amax(1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_stays_from_its_frame_on(bad: float) -> None:
    audio = 0.01 * torch.randn(2, 2, 8000, generator=torch.Generator().manual_seed(1))
    audio[0, 1, 6000] = bad
    for value in Moore2016Loudness(specific=True)(audio):
        assert value[1].isfinite().all()
        if value.dim() == 1:
            assert value[0].isnan()
            continue
        first = (6000 - 3071) // 32
        # A product of 256 samples at a time knows no place inside them.
        assert value[0, : first - 8].isfinite().all()
        assert value[0, first + 1 :].isnan().all()


@pytest.mark.parametrize("samples", [1, 31, 32, 33, 700])
def test_frames(samples: int) -> None:
    short_term, long_term, loudness = Moore2016Loudness()(torch.zeros(2, samples))
    assert short_term.shape == long_term.shape == (samples // 32 + 1, 2)
    assert loudness.shape == ()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"fs": 44100}, "fs is 44100; the model is defined for 32000 Hz only"),
        ({"field": "open"}, "field is 'open'; the choices are 'free', 'diffuse', 'eardrum'"),
        ({"db_max": float("inf")}, "db_max is inf"),
        ({"learnable": True}, "learnable is True; this is not available"),
    ],
)
def test_bad_arguments(keywords: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Moore2016Loudness(**keywords)


def test_bad_audio() -> None:
    module = Moore2016Loudness()
    with pytest.raises(ValueError, match="audio has 1 channels; 2 are needed"):
        module(torch.zeros(1, 1, 100))
    with pytest.raises(ValueError, match="audio has 0 samples"):
        module(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="the block must be a multiple of 32"):
        StreamForm(module, 100, (1, 2, 100))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("block", [32, 96, 320])
@torch.no_grad()
def test_stream_is_the_whole(block: int, dtype: torch.dtype) -> None:
    """Noise from the first sample on, which the frames before the first one hear."""
    module = Moore2016Loudness(specific=True, dtype=dtype)
    audio = 0.05 * torch.randn(2, 2, 3000, generator=torch.Generator().manual_seed(2), dtype=dtype)
    audio[1, 0, 1000:] = 0.0
    whole = module(audio)
    blocks = -(-(audio.shape[2] + module.latency()) // block) + 1
    silence = torch.zeros(2, 2, blocks * block - audio.shape[2], dtype=dtype)
    form = StreamForm(module, block, (2, 2, block))
    assert form.output_names[:3] == ("short_term", "long_term", "specific")
    found = form.run(torch.cat([audio, silence], 2))
    for part, expected in zip(found, (whole[0], whole[1], whole[3]), strict=True):
        kept = part[:, module.lead_frames() :][:, : expected.shape[1]]
        assert not part[:, : module.lead_frames()].any()
        tolerance = (1e-13 if dtype == DOUBLE else 2e-6) * float(expected.max())
        assert_same(kept, expected, 0, tolerance)


def test_description() -> None:
    module = Moore2016Loudness()
    assert (module.hop(), module.frame_length(), module.look_ahead()) == (32, 0, 3071)
    assert (module.latency(), module.lead_frames()) == (3072, 95)
    assert module.warm_up() > 20 * 32000
    assert len(module.centre_frequencies()) == 150
    assert not module.state_dict()
    assert "field=free" in repr(module)


@pytest.mark.parametrize("silent", ["nothing", "an ear", "the beginning", "everything"])
def test_the_gradient_of_the_sound_is_finite_and_right(silent: str) -> None:
    """A perceptual loss needs it; a channel without excitation has no root to divide by."""
    sound = diotic(tones(60, 1000, 3000, samples=3200))[None]
    silence = {"an ear": (slice(None), 1), "the beginning": (..., slice(0, 1600))}
    if silent in silence:
        sound[silence[silent]] = 0.0
    elif silent == "everything":
        sound *= 0.0
    loudness = Moore2016Loudness(dtype=DOUBLE)
    sound.requires_grad_()
    (gradient,) = torch.autograd.grad(loudness(sound)[2].sum(), sound)
    assert gradient.isfinite().all()
    if silent != "everything":
        step = 1e-6 * sound.detach()
        with torch.no_grad():
            change = loudness(sound + step)[2] - loudness(sound - step)[2]
        assert float(change) == pytest.approx(2.0 * float((gradient * step).sum()), rel=1e-5)
