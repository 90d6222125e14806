"""Moore2016Spectrum."""

import numpy as np
import pytest
import torch

from amt_export.modules.spectra.moore2016 import Moore2016Spectrum
from support.spectra import (
    GOLDEN,
    assert_captured,
    assert_effects,
    assert_same,
    assert_state_dict,
    golden,
    ignored,
)

NAMES = ["freqs_left", "levels_left", "freqs_right", "levels_right"]


def stereo(batch: int = 1, samples: int = 2500) -> torch.Tensor:
    return torch.randn(batch, 2, samples, generator=torch.Generator().manual_seed(9)) * 0.02


def tone(frequency: float, samples: int = 3000) -> torch.Tensor:
    """A sine of 1 Pa (or sqrt(2) full scale) in the left ear, silence in the right."""
    time = torch.arange(samples, dtype=torch.float64) / 32000
    left = 2**0.5 * torch.sin(2 * torch.pi * frequency * time)
    return torch.stack([left, torch.zeros_like(left)])[None]


def by_fft(frame: np.ndarray, below: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and levels of one frame of 2048 samples, as the text defines them."""
    limits = [(20, 80), (80, 500), (500, 1250), (1250, 2540), (2540, 4050), (4050, 15000)]
    freqs = np.arange(1025) * 15.625
    intensity = np.zeros(1025)
    for i, length in enumerate([2048, 1024, 512, 256, 128, 64]):
        window = np.zeros(2048)
        start = 1024 - length // 2
        window[start : start + length] = np.hanning(length)
        amplitude = np.abs(np.fft.rfft(frame * window)) / 2048
        amplitude[1:1024] *= 2
        band = (freqs >= limits[i][0]) & (freqs < limits[i][1])
        scale = 10**0.332 * 10**9.398 * 2**i
        intensity[band] = amplitude[band] ** 2 * scale
    relevant = intensity > max(intensity.max(), 1000) / 10 ** (below / 10)
    return freqs[relevant], 10 * np.log10(intensity[relevant] + 1e-12)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_golden(learnable: bool, dtype: torch.dtype) -> None:
    case = golden("moore2016_spectrum")
    found = Moore2016Spectrum(learnable=learnable, dtype=dtype)(case["audio"])
    for name, value in zip(NAMES, found, strict=True):
        assert value.dtype == dtype
        if name.startswith("freqs"):
            assert torch.equal(value.double(), case[name].double())
        else:
            assert (value - case[name]).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_amt(dtype: torch.dtype) -> None:
    """The toolbox's lists: 960 bins, the maximum of both ears, one frame more."""
    with np.load(GOLDEN / "loudness" / "spectrum.npz") as file:
        case = {name: torch.from_numpy(file[name]) for name in ("x", "count", "bins", "levels")}
    module = Moore2016Spectrum(db_max=93.97940008672037, dtype=dtype, reference="amt")
    left_freqs, left, right_freqs, right = module(case["x"].transpose(1, 2))
    freqs, levels = torch.stack([left_freqs, right_freqs], 2), torch.stack([left, right], 2)
    assert freqs.shape == (3, 7, 2, 960)  # 2257 samples
    heard = freqs > 0
    assert torch.equal(heard.sum(3), case["count"].long())
    assert torch.equal((freqs[heard] / 15.625).long(), case["bins"].long())
    tolerance = 1e-9 if dtype == torch.float64 else 1e-3
    assert_same(levels[heard].double(), case["levels"], 0, tolerance)
    assert (module.frame_length(), module.lead_frames(), module.latency()) == (2048, 63, 2048)


def test_unknown_reference() -> None:
    with pytest.raises(ValueError, match="'torch_amt'; the choices are 'documented', 'amt'"):
        Moore2016Spectrum(reference="torch_amt")


@pytest.mark.parametrize("segment", [1, 3])
def test_formula(segment: int) -> None:
    audio = stereo(1, 2900).double()
    module = Moore2016Spectrum(segment_duration=segment, dtype=torch.float64)
    found = module(audio)
    frames = (2900 - 2048) // (32 * segment)
    assert found[0].shape == (1, frames, 958)
    for s in range(frames):
        for ear in (0, 1):
            start = s * 32 * segment
            freqs, levels = by_fft(audio[0, ear, start : start + 2048].numpy())
            assert np.array_equal(found[2 * ear][0, s, : len(freqs)], freqs)
            np.testing.assert_allclose(found[2 * ear + 1][0, s, : len(freqs)], levels, atol=1e-9)
            assert not found[2 * ear][0, s, len(freqs) :].any()
            assert not found[2 * ear + 1][0, s, len(freqs) :].any()


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 3000.0])
def test_tone_peaks_at_its_frequency(frequency: float) -> None:
    freqs, levels, right_freqs, right_levels = Moore2016Spectrum()(tone(frequency))
    peak = levels[0].argmax(1)
    nearest = freqs[0].gather(1, peak[:, None])
    assert (nearest - frequency).abs().max() <= 16
    assert not right_freqs.any()
    assert not right_levels.any()


def test_level_of_a_tone() -> None:
    """1 Pa is sqrt(2) full scale here: the components of the tone add up to 96.0 dB."""
    freqs, levels, _, _ = Moore2016Spectrum(dtype=torch.float64)(tone(250.0))
    total = 10 * torch.log10((10 ** (levels / 10) * (freqs > 0)).sum(2))
    assert (total - 96.0).abs().max() < 0.1


def test_packed_to_the_left_in_ascending_frequency() -> None:
    freqs, levels, _, _ = Moore2016Spectrum()(tone(1000.0))
    kept = freqs > 0
    count = kept.sum(2)
    assert (count > 10).all()
    assert (count < 958).all()
    for s in range(freqs.shape[1]):
        n = int(count[0, s])
        assert not kept[0, s, n:].any()
        assert not levels[0, s, n:].any()
        assert (freqs[0, s, 1:n] > freqs[0, s, : n - 1]).all()
        assert levels[0, s, :n].min() > levels[0, s, :n].max() - 60.01


def test_float32_flips_only_components_at_the_threshold() -> None:
    """Between float32 and float64 only a component within 0.01 dB of the threshold may change."""
    audio = torch.cat([stereo(samples=6000), tone(1000.0, 6000).float()])
    single = Moore2016Spectrum()(audio)
    reference = Moore2016Spectrum(dtype=torch.float64)(audio)
    flips = 0
    for i in (0, 2):
        for a, b, level in zip(
            *(x[i].flatten(0, 1) for x in (single, reference)),
            reference[i + 1].flatten(0, 1),
            strict=True,
        ):
            changed = set(a.tolist()) ^ set(b.tolist())
            flips += len(changed)
            for f in changed & set(b.tolist()):
                assert level[b == f] < max(float(level.max()), 30.0) - 59.99
    assert flips <= 2


def test_what_is_below_minus_30_db_is_not_audible() -> None:
    """However much it stands out: the maximum counts as at least 30 dB."""
    audio = torch.cat([tone(1000.0)] * 3) * torch.tensor([1e-5, 2e-6, 1e-6])[:, None, None]
    _, levels, _, _ = Moore2016Spectrum(dtype=torch.float64)(audio)
    heard = [row[row != 0] for row in levels]
    assert heard[0].max() == pytest.approx(-11.7, abs=0.1)
    assert heard[1].max() == pytest.approx(-25.7, abs=0.1)
    assert min(heard[0].min(), heard[1].min()) > -30.0
    assert len(heard[1]) < len(heard[0])
    assert not len(heard[2])


def test_silence_has_no_components() -> None:
    for value in Moore2016Spectrum()(torch.zeros(1, 2, 3000)):
        assert value.shape == (1, 29, 958)
        assert not value.any()


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_gives_nan_levels(learnable: bool, bad: float) -> None:
    audio = stereo(2, 6000)
    audio[0, 0, 2990] = bad
    freqs, levels, right_freqs, right_levels = Moore2016Spectrum(learnable=learnable)(audio)
    start = torch.arange(levels.shape[1]) * 32
    touched = (start <= 2990) & (start + 2048 > 2990)
    assert levels[0, touched].isnan().all()
    assert not freqs[0, touched].any()
    clean = torch.cat([levels[0, ~touched], levels[1], right_levels[0], right_levels[1]])
    assert clean.isfinite().all()
    assert right_freqs.any()


def test_shapes() -> None:
    module, audio = Moore2016Spectrum(), stereo(2)
    batch = module(audio)
    assert_same(module(audio[0]), tuple(x[0] for x in batch), 0, 1e-4)
    assert len(module.centre_frequencies()) == 958
    assert (module.hop(), module.frame_length(), module.look_ahead()) == (32, 2080, 2047)
    assert "hop=32" in repr(module)
    assert module.double()(audio)[1].dtype == torch.float64


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"fs": 44100}, "fs is 44100.*32000"),
        ({"segment_duration": 0}, "segment_duration is 0"),
        ({"segment_duration": 0.5}, "0.5"),
        ({"db_max": float("nan")}, "db_max is nan"),
    ],
)
def test_bad_arguments(kwargs: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Moore2016Spectrum(**kwargs)


def test_bad_calls() -> None:
    module = Moore2016Spectrum()
    with pytest.raises(ValueError, match="2079 samples; one frame needs 2080"):
        module(torch.zeros(1, 2, 2079))
    with pytest.raises(ValueError, match="1 channels; 2 are needed"):
        module(torch.zeros(1, 1, 4000))
    with pytest.raises(ValueError, match="dimensions"):
        module(torch.zeros(4000))
    with pytest.raises(TypeError, match="complex"):
        module(torch.zeros(1, 2, 4000, dtype=torch.complex64))


def test_state_dict() -> None:
    assert_state_dict(lambda learnable: Moore2016Spectrum(learnable=learnable), "Moore2016Spectrum")


def test_entries_have_effect() -> None:
    changes = {
        "threshold_absolute": ignored,
        "threshold_max_minus": lambda value: value * 0.25,
        **{f"window_{i}": lambda value: value.roll(-3) for i in range(6)},
    }
    audio = (stereo(samples=2150),)
    assert_effects(lambda learnable: Moore2016Spectrum(learnable=learnable), audio, changes)


def test_changed_limits_take_effect_at_once() -> None:
    """Overlaps (the later window counts), a gap, bands in another order, more than 958 bins."""
    audio = stereo().double()
    for limits in (
        [[20, 120], [80, 500], [600, 1250], [1250, 2540], [2540, 4050], [4050, 15000]],
        [[4050, 5000], [80, 500], [500, 1250], [1250, 2540], [0, 0], [20, 80]],
        [[0, 80], [80, 500], [500, 1250], [1250, 2540], [2540, 4050], [4050, 16001]],
    ):
        module = Moore2016Spectrum(learnable=True, dtype=torch.float64)
        with torch.no_grad():
            module.freq_limits.copy_(torch.tensor(limits))
            module.threshold_max_minus.fill_(45.0)
        trained = module(audio)
        assert trained[0].shape == (1, 14, 1024 if limits[5][1] > 15000 else 958)
        assert_same(module.freeze(2500)(audio), trained, 1e-9, 1e-9)


@pytest.mark.parametrize("learnable", [False, True])
def test_captured(learnable: bool, tmp_path) -> None:
    # The learnable form is an FFT in float32, whose levels differ from those of matrix products.
    atol = 3e-3 if learnable else 1e-3
    module = Moore2016Spectrum(learnable=learnable)
    assert_captured(module, (stereo(samples=2200),), 2200, tmp_path, atol)
