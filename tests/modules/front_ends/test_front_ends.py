"""The two front ends."""

import pytest
import torch

from amt_export.modules.excitation.erb_integration import ERBIntegration
from amt_export.modules.excitation.excitation_pattern import ExcitationPattern
from amt_export.modules.excitation.moore2016 import Moore2016ExcitationPattern
from amt_export.modules.front_ends.glasberg2002 import Glasberg2002FrontEnd
from amt_export.modules.front_ends.moore2016 import Moore2016FrontEnd
from amt_export.modules.spectra.moore2016 import Moore2016Spectrum
from amt_export.modules.spectra.multires_fft import MultiResolutionFFT
from support.spectra import STATE_DICTS, assert_captured, assert_same, entries_of, golden


def mono(samples: int = 5000) -> torch.Tensor:
    return torch.randn(1, samples, generator=torch.Generator().manual_seed(13)) * 0.02


def stereo(samples: int = 2200, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 2, samples, generator=torch.Generator().manual_seed(15)) * 0.02


def chain(audio: torch.Tensor, dtype=torch.float64, spectrum=None, excitation=None):
    """Both parts one after the other, packing included."""
    spectrum = spectrum or Moore2016Spectrum(dtype=dtype)
    excitation = excitation or Moore2016ExcitationPattern(dtype=dtype)
    freqs_left, levels_left, freqs_right, levels_right = spectrum(audio)
    return excitation(freqs_left, levels_left), excitation(freqs_right, levels_right)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("reference", ["documented", "torch_amt"])
def test_glasberg_is_the_chain(learnable: bool, reference: str) -> None:
    x = mono()
    psd, freqs = MultiResolutionFFT(learnable=learnable, reference=reference)(x)
    levels = ERBIntegration(learnable=learnable)(psd, freqs)
    expected = ExcitationPattern(learnable=learnable, reference=reference)(levels)
    module = Glasberg2002FrontEnd(learnable=learnable, reference=reference)
    assert f"reference='{reference}'" in repr(module)
    assert_same(module(x), expected, 0, 1e-4)
    assert_same(module.freeze(5000)(x), expected, 0, 1e-4)
    assert_same(module(x[0]), expected[0], 0, 1e-4)


def test_glasberg_tone_peaks_at_its_channel() -> None:
    time = torch.arange(32000, dtype=torch.float64) / 32000
    tone = 2**0.5 * torch.sin(2 * torch.pi * 1500.0 * time)
    module = Glasberg2002FrontEnd().double()
    spread = module(tone[None])[0, 10:20]
    fc = torch.tensor(module.centre_frequencies())
    assert ((fc[spread.argmax(1)] - 1500).abs() < 120).all()
    assert module(torch.zeros(1, 3000)).mean() == pytest.approx(-25.0, abs=0.1)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moore_golden(learnable: bool, dtype: torch.dtype) -> None:
    audio = golden("moore2016_spectrum")["audio"][:, :, :2560]
    expected = golden("moore2016_excitation")["excitation_left"][:, :16]
    module = Moore2016FrontEnd(learnable=learnable, dtype=dtype, reference="torch_amt")
    left, right = module(audio)
    assert left.dtype == dtype
    assert left.shape == right.shape == expected.shape
    assert (left - expected).abs().max() < 1e-3


def test_moore_is_the_chain() -> None:
    time = torch.arange(2600, dtype=torch.float64) / 32000
    tone = torch.sin(2 * torch.pi * 3000.0 * time)
    audio = torch.cat([stereo(2600).double(), torch.stack([tone, 1e-4 * tone])[None]])
    found = Moore2016FrontEnd(dtype=torch.float64)(audio)
    assert_same(found, chain(audio), 0, 1e-9)
    single = Moore2016FrontEnd()(audio)
    for a, b in zip(single, found, strict=True):
        assert (a - b).abs()[b > b.amax(2, keepdim=True) - 80].max() < 1e-3
    assert_same(
        Moore2016FrontEnd(dtype=torch.float64)(audio[0]), tuple(x[0] for x in found), 0, 1e-9
    )


@pytest.mark.parametrize("learnable", [False, True])
@torch.no_grad()
def test_moore_with_the_levels_of_the_toolbox(learnable: bool) -> None:
    """The chain of both parts, on fixed bins; what is loud in one ear hides what the other one hears."""
    audio = stereo(2300).double()
    audio[:, 1] = 1e-4 * audio[:, 1]
    spectrum = Moore2016Spectrum(dtype=torch.float64, reference="amt")
    excitation = Moore2016ExcitationPattern(dtype=torch.float64, reference="amt")
    module = Moore2016FrontEnd(dtype=torch.float64, reference="amt", learnable=learnable)
    found, expected = module(audio), chain(audio, spectrum=spectrum, excitation=excitation)
    assert found[0].shape == (1, 8, 150)
    assert (found[1] == expected[1]).all()
    assert float(found[1].max()) == pytest.approx(-200.0)
    heard = expected[0] > -190.0
    assert_same(found[0][heard], expected[0][heard], 0, 1e-8)
    assert module.output_ports[0].floor == -200.0
    single = Moore2016FrontEnd(reference="amt")(audio)[0]
    loud = expected[0] > expected[0].amax(2, keepdim=True) - 80.0
    assert (single - expected[0])[loud].abs().max() < 1e-3


def test_moore_reference_is_of_the_whole() -> None:
    with pytest.raises(ValueError, match="the choices are 'documented', 'torch_amt', 'amt'"):
        Moore2016FrontEnd(reference="matlab")
    with pytest.raises(ValueError, match="reference belongs to the whole front end"):
        Moore2016FrontEnd(excitation_kwargs={"reference": "torch_amt"})
    with pytest.raises(ValueError, match='with reference "amt" the channels are fixed'):
        Moore2016FrontEnd(reference="amt", excitation_kwargs={"erb_step": 0.5})


def test_moore_other_settings() -> None:
    audio = stereo(2400).double()
    spectrum = {"segment_duration": 2, "db_max": 110.0}
    excitation = {"erb_step": 0.5, "spreading_limit_octaves": 1.5}
    module = Moore2016FrontEnd(
        dtype=torch.float64, spectrum_kwargs=spectrum, excitation_kwargs=excitation
    )
    expected = chain(
        audio,
        spectrum=Moore2016Spectrum(dtype=torch.float64, **spectrum),
        excitation=Moore2016ExcitationPattern(dtype=torch.float64, **excitation),
    )
    assert_same(module(audio), expected, 0, 1e-9)


def test_moore_silence_and_nan() -> None:
    audio = torch.zeros(2, 2, 4200)
    audio[0, 0, 4000] = float("nan")
    left, right = Moore2016FrontEnd()(audio)
    touched = torch.arange(left.shape[1]) * 32 + 2048 > 4000
    assert left[0, touched].isnan().all()
    for silent in (left[0, ~touched], left[1], right):
        assert_same(silent, torch.full_like(silent, -120.0), 0, 1e-4)


def test_glasberg_nan() -> None:
    audio = mono().repeat(2, 1)
    audio[0, 100] = float("nan")
    spread = Glasberg2002FrontEnd()(audio)
    assert spread[0, 0].isnan().all()
    assert spread[1].isfinite().all()


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize(
    ("front_end", "parts"),
    [
        (
            Glasberg2002FrontEnd,
            {
                "multi_fft": "MultiResolutionFFT",
                "erb_integration": "ERBIntegration",
                "excitation_pattern": "ExcitationPattern",
            },
        ),
        (
            Moore2016FrontEnd,
            {"spectrum": "Moore2016Spectrum", "excitation": "Moore2016ExcitationPattern"},
        ),
    ],
)
def test_state_dict(front_end: type, parts: dict[str, str], learnable: bool) -> None:
    expected = {
        f"{prefix}.{key}": entry
        for prefix, name in parts.items()
        for key, entry in STATE_DICTS[f"{name} learnable={learnable}"].items()
    }
    assert entries_of(front_end(learnable=learnable)) == expected


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize(
    ("key", "factor"),
    [
        ("spectrum.freq_limits", 1.1),
        ("spectrum.threshold_max_minus", 0.2),
        ("spectrum.window_5", 1.1),
        ("excitation.level_dep_factor", 1.3),
        ("excitation.reference_level", 1.2),
        ("excitation._fc_channels", 1.02),
    ],
)
def test_moore_loads(key: str, factor: float, learnable: bool) -> None:
    audio = stereo().double()
    module = Moore2016FrontEnd(learnable=learnable, dtype=torch.float64)
    before = module(audio)[0]
    state = module.state_dict()
    state[key] = state[key] * factor
    module.load_state_dict(state)
    after = module(audio)[0]
    assert not torch.equal(after, before)
    assert_same(module.freeze(2200)(audio)[0], after, 0, 1e-6)


def test_min_p_lower_loads() -> None:
    """It counts where the level is far above the reference."""
    audio = stereo().double() * 1e6
    module = Moore2016FrontEnd(dtype=torch.float64)
    before = module(audio)[0]
    for least in (5.0, -1.0):
        state = module.state_dict() | {"excitation.min_p_lower": torch.tensor(least)}
        module.load_state_dict(state)
        assert not torch.equal(module(audio)[0], before)
        expected = chain(audio, spectrum=module.spectrum, excitation=module.excitation)
        assert_same(module(audio), expected, 0, 1e-9)


@pytest.mark.parametrize(
    "prefix",
    [
        "erb_integration.bandwidth_scale",
        "multi_fft.window_64",
        "excitation_pattern.lower_slope_base",
    ],
)
@pytest.mark.parametrize("learnable", [False, True])
def test_glasberg_loads(prefix: str, learnable: bool) -> None:
    x = mono()
    module = Glasberg2002FrontEnd(learnable=learnable)
    before = module(x)
    state = module.state_dict()
    state[prefix] = state[prefix] * 1.3
    module.load_state_dict(state)
    assert not torch.equal(module(x), before)
    assert_same(module.freeze(5000)(x), module(x), 0, 1e-4)


def test_gradients_reach_the_parameters() -> None:
    module = Moore2016FrontEnd(learnable=True)
    sum(x.mean() for x in module(stereo(2200))).backward()
    for name in ("level_dep_factor", "reference_level"):
        gradient = getattr(module.excitation, name).grad
        assert gradient is not None
        assert gradient.abs() > 0
    glasberg = Glasberg2002FrontEnd(learnable=True)
    glasberg(mono()).mean().backward()
    assert glasberg.erb_integration.bandwidth_scale.grad.abs() > 0
    assert glasberg.excitation_pattern.lower_slope_base.grad.abs() > 0


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="fs is 44100"):
        Moore2016FrontEnd(fs=44100)
    with pytest.raises(ValueError, match="erb_kwargs give 76 bands"):
        Glasberg2002FrontEnd(erb_kwargs={"erb_step": 0.5})
    with pytest.raises(ValueError, match="reference is 'amt'; the choices are 'documented', 't"):
        Glasberg2002FrontEnd(reference="amt")
    with pytest.raises(ValueError, match="2001; it must be even"):
        Glasberg2002FrontEnd(multi_fft_kwargs={"window_lengths": [2001, 256]})
    with pytest.raises(ValueError, match="1 channels"):
        Moore2016FrontEnd()(torch.zeros(1, 1, 4000))
    with pytest.raises(ValueError, match="one frame needs 2080"):
        Moore2016FrontEnd()(torch.zeros(1, 2, 1000))


def test_description() -> None:
    glasberg, moore = Glasberg2002FrontEnd(), Moore2016FrontEnd()
    assert (glasberg.hop(), glasberg.frame_length(), glasberg.padding()) == (1024, 0, "reflect")
    assert glasberg.look_ahead() == glasberg.warm_up() == 1024
    assert (moore.hop(), moore.frame_length(), moore.look_ahead()) == (32, 2080, 2047)
    assert len(moore.centre_frequencies()) == 150


@pytest.mark.parametrize("learnable", [False, True])
def test_glasberg_captured(learnable: bool, tmp_path) -> None:
    assert_captured(Glasberg2002FrontEnd(learnable=learnable), (mono(),), 5000, tmp_path)


@pytest.mark.parametrize("learnable", [False, True])
def test_moore_captured(learnable: bool, tmp_path) -> None:
    assert_captured(Moore2016FrontEnd(learnable=learnable), (stereo(2200),), 2200, tmp_path, 2e-3)


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (Moore2016Spectrum, [(2, 2300)]),
        (Moore2016FrontEnd, [(2, 2300)]),
        (MultiResolutionFFT, [(2300,)]),
        (Glasberg2002FrontEnd, [(2300,)]),
        (ERBIntegration, [(5, 1025)]),
        (ExcitationPattern, [(5, 150)]),
        (Moore2016ExcitationPattern, [(14, 40), (14, 40)]),
    ],
)
@torch.no_grad()
def test_a_graph_with_a_free_batch(make, shapes: list) -> None:
    module = make().freeze(shapes[0][-1])
    generator = torch.Generator().manual_seed(3)

    def inputs(batch: int) -> tuple[torch.Tensor, ...]:
        return tuple(60.0 * torch.rand(batch, *shape, generator=generator) for shape in shapes)

    free = {0: torch.export.Dim("batch")}
    exported = torch.export.export(
        module, inputs(2), dynamic_shapes=tuple(free for _ in shapes), strict=False
    )
    for batch in (1, 3):
        given = inputs(batch)
        found, expected = exported.module()(*given), module(*given)
        assert_same(found, expected, 1e-6, 1e-4)
