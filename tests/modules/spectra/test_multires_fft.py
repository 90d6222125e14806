"""MultiResolutionFFT."""

import numpy as np
import pytest
import torch

from amt_export.modules.excitation.erb_integration import ERBIntegration
from amt_export.modules.spectra.multires_fft import MultiResolutionFFT
from support.spectra import (
    assert_captured,
    assert_effects,
    assert_same,
    assert_state_dict,
    golden,
    relative,
)

REFERENCES = ["documented", "torch_amt"]
EDGES = [0.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0]


def noise(batch: int = 2, samples: int = 6000) -> torch.Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(7)) * 0.02


def by_stft(
    audio: torch.Tensor, fs: float, windows: list[int], hop_fraction: float
) -> torch.Tensor:
    """The aligned spectrum (S, K) as the text defines it, window by window and frame by frame."""
    longest = windows[0]
    reference_hop = int(longest * hop_fraction)
    freqs = np.arange(longest // 2 + 1) * fs / longest
    frames = 1 + len(audio) // reference_hop
    psd = np.zeros((frames, len(freqs)))
    for i, length in enumerate(windows):
        hop = int(length * hop_fraction)
        window = torch.hann_window(length, dtype=torch.float64)
        stft = torch.stft(audio, length, hop, window=window, center=True, return_complex=True)
        power = (stft.abs() ** 2 / ((window**2).sum() * fs)).numpy().T
        last = i == len(windows) - 1
        band = (freqs >= EDGES[i]) & (last | (freqs < EDGES[min(i + 1, 5)]))
        centres = np.arange(len(power)) * hop
        for t in range(frames):
            start = (t - 0.5) * reference_hop
            chosen = np.flatnonzero((centres >= start) & (centres < start + reference_hop))
            if not len(chosen):
                chosen = [np.abs(centres - t * reference_hop).argmin()]
            grid = np.arange(power.shape[1]) * fs / length
            psd[t, band] = np.interp(freqs[band], grid, power[chosen].mean(0))
    return torch.from_numpy(psd)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize(
    ("reference", "key", "most"),
    [("documented", "psd", 1e-9), ("torch_amt", "psd_torch_amt", 2e-6)],
)
def test_golden(learnable: bool, reference: str, key: str, most: float) -> None:
    case = golden("mrfft")
    module = MultiResolutionFFT(reference=reference, learnable=learnable)
    psd, _ = module(case["x"])
    assert relative(psd.double(), case[key]) < 2e-6
    psd, freqs = module.double()(case["x"])
    assert relative(psd, case[key]) < most
    assert torch.equal(freqs, case["freqs"])


@pytest.mark.parametrize(
    ("fs", "windows", "hop_fraction", "samples"),
    [
        (32000, [2048, 1024, 512, 256, 128, 64], 0.5, 5000),
        (32000, [1024, 256], 0.25, 3001),
        (44100, [2000, 750, 301], 0.4, 4000),
        (16000, [512], 1.0, 2048),
        (32000, [1024, 1000], 0.9, 5000),
        (32000, [512, 512, 64], 0.5, 1024),
    ],
)
@pytest.mark.parametrize("learnable", [False, True])
def test_any_windows(
    fs: float, windows: list[int], hop_fraction: float, samples: int, learnable: bool
) -> None:
    audio = noise(1, samples).double()
    module = MultiResolutionFFT(fs, windows[::-1], hop_fraction, learnable).double()
    psd, _ = module(audio)
    expected = by_stft(audio[0], fs, windows, hop_fraction)
    assert psd.shape == (1, *expected.shape)
    assert relative(psd[0], expected) < 1e-9
    assert_same(module.freeze(samples)(audio)[0], psd, 1e-9, 1e-20)
    assert_same(module.freeze()(audio)[0], psd, 1e-9, 1e-20)


def test_density_of_noise() -> None:
    """White noise of variance v has v / fs Pa^2/Hz in every bin, and v / 2 Pa^2 up to Nyquist."""
    audio = noise(1, 160000).double()
    psd, freqs = MultiResolutionFFT().double()(audio)
    expected = audio.square().mean() / 32000
    for low, high in zip([100.0, *EDGES[1:]], [*EDGES[1:], 16000.0], strict=True):
        band = psd[..., (freqs >= low) & (freqs < high)]
        assert band.mean() == pytest.approx(float(expected), rel=0.1)
    assert psd.mean(1).sum() * 15.625 == pytest.approx(float(audio.square().mean() / 2), rel=0.05)


def test_tone_lands_in_its_band() -> None:
    """1 Pa at 1 kHz (94 dB SPL) reads 90.3 dB: half its power, and the window's spread."""
    time = torch.arange(32000, dtype=torch.float64) / 32000
    tone = (2**0.5 * torch.sin(2 * torch.pi * 1000.0 * time))[None]
    psd, freqs = MultiResolutionFFT().double()(tone)
    assert float(freqs[psd[0, 15].argmax()]) == pytest.approx(1000.0, abs=16)
    integration = ERBIntegration().double()
    level = integration(psd, freqs)[0, 5:25]
    assert (level.amax(1) - 90.3).abs().max() < 0.1
    assert (integration.get_erb_frequencies()[level.argmax(1)] - 1000).abs().max() < 70


def test_burst_appears_in_its_frame_only() -> None:
    """10 ms at 6 kHz, in the middle of frame 12 of 31."""
    time = torch.arange(32000, dtype=torch.float64)
    inside = (time - 12 * 1024).abs() < 160
    burst = torch.sin(2 * torch.pi * 6000.0 / 32000 * time) * inside
    psd, freqs = MultiResolutionFFT().double()(burst[None])
    energy = psd[0][:, (freqs > 5500) & (freqs < 6500)].sum(1)
    assert int(energy.argmax()) == 12
    far = torch.ones(len(energy), dtype=torch.bool)
    far[12] = False
    assert energy[far].max() < 1e-12 * energy[12]


def test_linear_in_power_and_even() -> None:
    module, x = MultiResolutionFFT(), noise()
    assert_same(module(-x)[0], module(x)[0])
    assert_same(module(2 * x)[0], 4 * module(x)[0], 1e-6)
    silence = module(0 * x)[0]
    assert torch.equal(silence, torch.zeros_like(silence))


def test_selection_map() -> None:
    freqs, index = MultiResolutionFFT().get_window_selection_map()
    assert index.dtype == torch.long
    assert index[[0, 31, 32, 63, 64, 512, 1024]].tolist() == [0, 0, 1, 1, 2, 5, 5]
    assert float(freqs[-1]) == 16000.0


def test_attributes() -> None:
    module = MultiResolutionFFT(hop_fraction=0.25)
    assert module.hop_lengths == {2048: 512, 1024: 256, 512: 128, 256: 64, 128: 32, 64: 16}
    assert module.window_power == pytest.approx({w: 0.375 * w for w in module.hop_lengths})
    assert (module.hop(), module.frame_length(), module.padding()) == (512, 0, "reflect")
    assert module.warm_up() == module.look_ahead() == 1024
    assert len(module.centre_frequencies()) == 1025
    assert "reference='documented'" in repr(module)


def test_shapes_and_dtypes() -> None:
    module, x = MultiResolutionFFT(), noise()
    psd, freqs = module(x)
    assert psd.shape == (2, 6, 1025)
    assert freqs.shape == (1025,)
    assert_same(module(x[0])[0], psd[0], 1e-5, 1e-14)
    assert module((x * 1000).int())[0].dtype == torch.float32
    assert module.double()(x)[0].dtype == torch.float64


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_stays_visible(reference: str, bad: float) -> None:
    x = noise()
    x[0, 3000] = bad
    psd, _ = MultiResolutionFFT(reference=reference)(x)
    assert not psd[0, 3, :32].isfinite().any()
    if reference == "documented":
        assert not psd[0, 3].isfinite().any()
    assert psd[1].isfinite().all()
    assert psd[0, 0].isfinite().all()


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"window_lengths": []}, "0 windows"),
        ({"window_lengths": [2, 4, 8, 16, 32, 64, 128]}, "7 windows"),
        ({"window_lengths": [64, -2]}, "-2"),
        ({"window_lengths": [64.0]}, "64.0"),
        ({"hop_fraction": 0.0}, "hop_fraction is 0"),
        ({"hop_fraction": 1.5}, "1.5"),
        ({"hop_fraction": 0.01}, "would not move"),
        ({"reference": "peer"}, r"'peer'; the choices are 'documented', 'torch_amt'"),
    ],
)
def test_bad_arguments(kwargs: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        MultiResolutionFFT(**kwargs)


def test_bad_calls() -> None:
    module = MultiResolutionFFT()
    with pytest.raises(ValueError, match="more than 1024"):
        module(torch.zeros(1, 1024))
    assert module(torch.zeros(1, 1025))[0].shape == (1, 2, 1025)
    with pytest.raises(TypeError, match="complex"):
        module(noise().to(torch.complex64))
    with pytest.raises(ValueError, match="dimensions"):
        module(torch.zeros(1, 1, 3000))


def test_state_dict() -> None:
    assert_state_dict(
        lambda learnable: MultiResolutionFFT(learnable=learnable), "MultiResolutionFFT"
    )


@pytest.mark.parametrize("reference", REFERENCES)
def test_entries_have_effect(reference: str) -> None:
    assert_effects(
        lambda learnable: MultiResolutionFFT(learnable=learnable, reference=reference),
        (noise() * 1000,),
        {},
    )


@pytest.mark.parametrize("reference", REFERENCES)
def test_changed_thresholds_take_effect_at_once(reference: str) -> None:
    module = MultiResolutionFFT(learnable=True, reference=reference).double()
    x = noise().double()
    with torch.no_grad():
        module.freq_thresholds.copy_(torch.tensor([300.0, 1100.0, 1100.0, 5000.0, 16000.0]))
    trained = module(x)[0]
    assert not torch.equal(trained, MultiResolutionFFT(reference=reference).double()(x)[0])
    assert_same(module.freeze(x.shape[1])(x)[0], trained, 1e-9, 1e-18)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("reference", REFERENCES)
def test_captured(learnable: bool, reference: str, tmp_path) -> None:
    module = MultiResolutionFFT(learnable=learnable, reference=reference)
    assert_captured(module, (noise(1, 5000) * 1000,), 5000, tmp_path)
