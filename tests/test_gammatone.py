"""Gammatone filterbank: signal truths first, then golden numbers, then what training and loading need."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from filter_checks import gradient_error, noise, relative
from scipy import signal
from spectral_checks import assert_state_dict

from amt_export.design.rounding import Sums
from amt_export.erb import audfiltbw
from amt_export.modules import GammatoneFilterbank
from amt_export.modules.block_filter import filter_blocks
from amt_export.modules.block_layout import to_blocks

SPEECH = {"fc": (100.0, 8000.0), "fs": 16000}
FORMS = ("sos", "poly")
FLOAT64 = torch.float64


def recursion(module: GammatoneFilterbank, audio: torch.Tensor) -> torch.Tensor:
    """2 Re{H x} by one complex recursion after the other, from the published poles and gains."""
    poles, gains = module.poles.detach().numpy(), module.gains.detach().numpy()
    outputs = []
    for pole, gain in zip(poles, gains, strict=True):
        output = gain * audio.numpy().astype(complex)
        for _ in range(module.n):
            output = signal.lfilter([1.0], [1.0, -pole], output)
        outputs.append(2.0 * output.real)
    return torch.from_numpy(np.stack(outputs, axis=-2))


# Signal truths


@pytest.mark.parametrize(
    ("fc", "fs", "n"),
    [((100.0, 8000.0), 16000, 4), ((80.0, 16000.0), 44100, 4), ((80.0, 20000.0), 48000, 3)],
)
def test_every_channel_peaks_at_its_frequency_at_0_db(fc, fs, n):
    module = GammatoneFilterbank(fc, fs, n=n, dtype=FLOAT64)
    click = torch.zeros(1, 2**15, dtype=FLOAT64)
    click[0, 0] = 1.0
    responses = module(click)[0].numpy()
    bins = np.fft.rfftfreq(2**18, 1.0 / fs)
    checked = 0
    for centre, response in zip(module.fc.tolist(), responses, strict=True):
        if centre >= 0.85 * fs / 2:
            continue
        checked += 1
        turn = np.exp(-2j * np.pi * centre / fs * np.arange(response.size))
        assert abs(20.0 * np.log10(abs(response @ turn))) < 0.1, centre
        best = bins[np.abs(np.fft.rfft(response, 2**18)).argmax()]
        bandwidth = float(audfiltbw(torch.tensor(centre)))
        assert abs(best - centre) < 0.01 * bandwidth, centre
    assert checked > 20


def test_the_bandwidth_is_one_erb():
    module = GammatoneFilterbank(torch.tensor([1000.0]), 16000, dtype=FLOAT64)
    click = torch.zeros(2**13, dtype=FLOAT64)
    click[0] = 1.0
    power = np.abs(np.fft.rfft(module(click)[0].numpy(), 2**16)) ** 2
    width = power.sum() / power.max() * 16000 / 2**16
    # betamul makes it so for the continuous-time filter; 1 % are left to sampling.
    assert width == pytest.approx(24.7 + 1000.0 / 9.265, rel=0.01)


@pytest.mark.parametrize("implementation", FORMS)
def test_linear(implementation):
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64, implementation=implementation)
    one, two = noise(1, 1000, seed=1), noise(1, 1000, seed=2)
    assert relative(module(3.0 * one - 0.01 * two), 3.0 * module(one) - 0.01 * module(two)) < 1e-12


@pytest.mark.parametrize("shift", [1, 31, 32, 333])
def test_a_delayed_sound_gives_a_delayed_answer(shift):
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    audio = noise(1, 1000)
    later = torch.cat([torch.zeros(1, shift, dtype=FLOAT64), audio], dim=1)
    answer = module(later)
    assert relative(answer[..., shift:], module(audio)) < 1e-11
    assert torch.count_nonzero(answer[..., : shift // 32 * 32]) == 0
    assert float(answer[..., :shift].abs().max()) < 1e-15


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("terms", [None, 1, 2, 4])
def test_what_is_not_finite_stays_in_its_row_and_shows(value, terms):
    module = GammatoneFilterbank(**SPEECH, terms=terms)
    audio = noise(3, 1000, dtype=torch.float32)
    clean = module(audio)
    audio[1, 500] = value
    spoiled = module(audio)
    assert torch.equal(spoiled[[0, 2]], clean[[0, 2]])
    assert not torch.isfinite(spoiled[1, :, 500:]).any()


def test_rows_of_a_batch_do_not_meet():
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    batch = torch.stack([noise(700, seed=1), 1e6 * noise(700, seed=2), torch.zeros(700)])
    together = module(batch)
    for row, audio in enumerate(batch[:2]):
        assert relative(together[row], module(audio)) < 1e-12
    assert torch.count_nonzero(together[2]) == 0


# Inputs


@pytest.mark.parametrize("samples", [0, 1, 31, 32, 33, 1000])
def test_shapes_with_and_without_a_batch(samples):
    module = GammatoneFilterbank(**SPEECH)
    audio = noise(2, samples, dtype=torch.float32)
    assert module(audio).shape == (2, 30, samples)
    assert module(audio[0]).shape == (30, samples)
    torch.testing.assert_close(module(audio[0]), module(audio[:1])[0], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8, torch.int64, FLOAT64, torch.float16])
def test_any_real_dtype_is_cast_and_not_rescaled(dtype):
    module = GammatoneFilterbank(**SPEECH)
    audio = (100.0 + 20.0 * noise(1, 200)).to(dtype)
    answer = module(audio)
    assert answer.dtype == torch.float32
    assert torch.equal(answer, module(audio.to(torch.float32)))


def test_complex_input_is_a_type_error():
    with pytest.raises(TypeError, match="complex"):
        GammatoneFilterbank(**SPEECH)(torch.zeros(1, 100, dtype=torch.complex64))


@pytest.mark.parametrize(("shape", "rank"), [((), 0), ((1, 1, 100), 3), ((1, 2, 3, 4), 4)])
def test_other_ranks_are_refused(shape, rank):
    with pytest.raises(ValueError, match=f"audio has {rank} dimensions"):
        GammatoneFilterbank(**SPEECH)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"fs": -16000.0}, "-16000"),
        ({"fs": math.nan}, "nan"),
        ({"fc": torch.tensor([500.0, 8000.1])}, "8000.1"),
        ({"fc": torch.tensor([500.0, 0.0])}, "fc holds 0 Hz"),
        ({"fc": torch.tensor([-3.0])}, "-3 Hz"),
        ({"fc": torch.tensor([math.nan])}, "nan"),
        ({"fc": torch.tensor([])}, r"\(0,\)"),
        ({"fc": torch.ones(2, 2)}, r"\(2, 2\)"),
        ({"fc": (100.0, 8001.0)}, "8001"),
        ({"fc": (1000.0, 100.0)}, "1000, 100"),
        ({"fc": (0.0, 100.0)}, r"\(0, 100\)"),
        ({"n": 0}, "n is 0"),
        ({"n": -2}, "n is -2"),
        ({"betamul": 0.0}, "betamul is 0.0"),
        ({"betamul": math.nan}, "betamul is nan"),
        ({"implementation": "fir"}, "'fir'"),
    ],
)
def test_the_constructor_names_the_offending_value(changed, message):
    with pytest.raises(ValueError, match=message):
        GammatoneFilterbank(**{**SPEECH, **changed})


def test_a_channel_at_half_the_sampling_rate_is_allowed():
    module = GammatoneFilterbank(torch.tensor([8000.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 300)
    assert relative(module(audio), recursion(module, audio)) < 1e-12


# Golden cases and exactness


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT64, torch.float32])
@pytest.mark.parametrize("name", ["gammatone_speechband", "gammatone_n3_narrow", "gammatone_poly"])
def test_golden(golden, name, dtype, learnable):
    case = golden(name)
    module = GammatoneFilterbank(**case.kwargs, dtype=dtype, learnable=learnable)
    found = module(case["x"])
    assert found.dtype == dtype
    assert relative(found, case["y"]) < (1e-9 if dtype == FLOAT64 else 5e-7)
    torch.testing.assert_close(module.fc.double(), case["fc"], rtol=1e-7, atol=0)


@pytest.mark.parametrize("name", ["gammatone_speechband", "gammatone_n3_narrow"])
def test_torch_amt_is_a_truncation_away(golden, name):
    case = golden(name)
    found = GammatoneFilterbank(**case.kwargs)(case["x"])
    assert 1e-5 < relative(found, case["y_torch_amt"]) < 2.5e-4


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_any_order_is_the_recursion(n):
    module = GammatoneFilterbank((100.0, 7000.0), 16000, n=n, dtype=FLOAT64)
    audio = noise(1, 2000)
    assert relative(module(audio), recursion(module, audio)) < 1e-11
    single = GammatoneFilterbank((100.0, 7000.0), 16000, n=n)
    assert relative(single(audio), module(audio)) < 1e-6


def test_a_sound_of_many_seconds_is_filtered_in_several_goes():
    module = GammatoneFilterbank(torch.tensor([300.0, 2000.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 32 * 4095 + 1000)
    assert relative(module(audio), recursion(module, audio)) < 1e-10
    assert relative(module.float()(audio), recursion(module.double(), audio)) < 5e-7


def test_attributes_are_those_of_the_formulas():
    module = GammatoneFilterbank(torch.tensor([500.0, 2000.0]), 16000, dtype=FLOAT64)
    assert module.betamul.item() == pytest.approx(36 / (math.pi * 720 / 64), rel=1e-14)
    phi = 2 * np.pi * module.betamul.item() * (24.7 + module.fc.numpy() / 9.265) / 16000
    expected = np.exp(-phi - 2j * np.pi * module.fc.numpy() / 16000)
    np.testing.assert_allclose(module.poles.numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(module.gains.numpy(), (1.0 - np.exp(-phi)) ** 4, rtol=1e-12)
    assert (module.num_channels, module.fs, module.n) == (2, 16000, 4)
    poly = GammatoneFilterbank(
        torch.tensor([500.0, 2000.0]), 16000, dtype=FLOAT64, implementation="poly"
    )
    limited = expected * np.minimum(np.abs(expected), 0.9) / np.abs(expected)
    np.testing.assert_allclose(poly.a.numpy(), [np.poly([p] * 4) for p in limited], rtol=1e-12)
    np.testing.assert_allclose(poly.b.numpy()[:, 0], module.gains.numpy(), rtol=1e-14)


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.to(FLOAT64)])
@pytest.mark.parametrize("implementation", FORMS)
@pytest.mark.parametrize("learnable", [False, True])
def test_a_cast_module_is_as_exact_as_one_built_so(cast, implementation, learnable):
    keywords = {**SPEECH, "implementation": implementation, "learnable": learnable}
    audio = noise(1, 1000)
    built = GammatoneFilterbank(**keywords, dtype=FLOAT64)
    module = cast(GammatoneFilterbank(**keywords))
    assert module(audio).dtype == FLOAT64
    assert relative(module(audio), built(audio)) < 1e-13
    for name, value in built.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name
    back = module.float()
    assert torch.equal(back(audio), GammatoneFilterbank(**keywords)(audio))


@pytest.mark.parametrize("frequency", [6100.0, 7000.0])
def test_sums_of_two_terms_hear_a_channel_far_from_a_tone(frequency):
    time = np.arange(8000) / 16000
    tone = np.sin(2 * np.pi * frequency * time) * signal.windows.tukey(time.size, 0.3)
    tone = torch.from_numpy(tone.astype(np.float32))
    expected = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)(tone)
    module = GammatoneFilterbank(**SPEECH)
    assert module.filter.lean
    error = relative(module(tone), expected)
    module.filter.design(module.system(), module.block, module.fc, Sums(1, False))
    assert error < 0.25 * relative(module(tone), expected)


# Learning


@pytest.mark.parametrize("implementation", FORMS)
def test_gradients_are_finite_differences(implementation):
    module = GammatoneFilterbank(
        torch.tensor([600.0, 2500.0]),
        16000,
        n=3 if implementation == "sos" else 2,
        learnable=True,
        dtype=FLOAT64,
        implementation=implementation,
    )
    errors = gradient_error(module, noise(1, 150))
    assert set(errors) == ({"poles", "gains"} if implementation == "sos" else {"a", "b"})
    assert max(errors.values()) < 1e-6, errors


def test_single_precision_gradients_follow_double_ones():
    gradients = []
    for dtype in (torch.float32, FLOAT64):
        module = GammatoneFilterbank((500.0, 4000.0), 16000, learnable=True, dtype=dtype)
        module(noise(1, 400)).pow(2).sum().backward()
        gradients.append(torch.view_as_real(module.poles.grad).double())
    assert relative(*gradients) < 1e-4


def test_gradients_reach_the_sound():
    module = GammatoneFilterbank(torch.tensor([500.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 70).requires_grad_()
    assert torch.autograd.gradcheck(module, (audio,))


def test_only_the_named_tensors_learn():
    sos = GammatoneFilterbank(**SPEECH, learnable=True)
    assert sum(p.numel() for p in sos.parameters()) == 60
    assert not list(GammatoneFilterbank(**SPEECH).parameters())


def test_a_step_of_training_changes_the_next_answer():
    module = GammatoneFilterbank(**SPEECH, learnable=True)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    (before**2).sum().backward()
    with torch.no_grad():
        module.gains -= 0.1 * module.gains
    after = module(audio)
    assert relative(after, 0.9 * before) < 1e-6
    assert torch.equal(module.frozen(300)(audio), module.frozen(300)(audio))
    assert relative(module.frozen(300)(audio), after) < 1e-6


# state_dict


@pytest.mark.parametrize("implementation", FORMS)
def test_state_dict_has_torch_amts_names(implementation):
    name = "GammatoneFilterbank" + ("" if implementation == "sos" else "(implementation='poly')")
    assert_state_dict(
        lambda learnable: GammatoneFilterbank(
            **SPEECH, learnable=learnable, implementation=implementation
        ),
        name,
    )


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("implementation", FORMS)
def test_an_unchanged_state_dict_changes_no_bit(implementation, learnable):
    module = GammatoneFilterbank(**SPEECH, implementation=implementation, learnable=learnable)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    module.load_state_dict({name: v.clone() for name, v in module.state_dict().items()})
    assert torch.equal(module(audio), before)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize(
    ("implementation", "name", "index"),
    [("sos", "poles", 3), ("sos", "gains", 3), ("poly", "a", (3, 2)), ("poly", "b", (3, 0))],
)
def test_a_loaded_value_changes_its_channel(implementation, name, index, learnable):
    module = GammatoneFilterbank(**SPEECH, implementation=implementation, learnable=learnable)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    # A coefficient of four equal poles: 1e-5 more and one of them is outside the unit circle.
    state[name][index] *= 0.99 if name != "a" else 1.0 - 1e-5
    module.load_state_dict(state)
    after = module(audio)
    others = [channel for channel in range(30) if channel != 3]
    assert relative(after[:, 3], before[:, 3]) > 1e-3
    # A pole decides how all sums are made: lean ones may no longer do.
    same = 2e-6 if name == "poles" else 0.0
    assert relative(after[:, others], before[:, others]) <= same
    assert relative(module.frozen(300)(audio), after) < 1e-6
    if implementation == "sos":
        double = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
        exact = {key: value.clone() for key, value in double.state_dict().items()}
        exact[name][index] = state[name][index]
        double.load_state_dict(exact)
        expected = recursion(double, audio[0].double())
        assert relative(after[0, 3], expected[3]) < 1e-6


# Forms


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("implementation", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_script_and_trace_are_eager(dtype, implementation, learnable):
    module = GammatoneFilterbank(
        (500.0, 4000.0), 16000, dtype=dtype, implementation=implementation, learnable=learnable
    )
    scripted = torch.jit.script(module)
    for shape in ((2, 333), (333,), (1, 64)):
        audio = noise(*shape, dtype=dtype)
        with torch.no_grad():
            eager = module(audio)
            assert relative(scripted(audio), eager) < 1e-7
            frozen = module.frozen(shape[-1])
            traced = torch.jit.trace(frozen, (audio,))
            assert torch.equal(traced(audio), frozen(audio))
            assert relative(frozen(audio), eager) < (1e-6 if dtype == torch.float32 else 1e-12)


def test_a_frozen_copy_leaves_the_module_alone():
    module = GammatoneFilterbank(**SPEECH, learnable=True)
    names = list(module.state_dict())
    frozen = module.frozen(1500)
    assert frozen.block == 60  # divides 1500
    assert not list(frozen.parameters())
    assert not frozen.state_dict()
    assert list(module.state_dict()) == names
    assert module.learnable
    assert module.block == 32


def test_filters_go_on_from_where_they_were():
    for dtype, limit in ((FLOAT64, 1e-13), (torch.float32, 3e-7)):
        module = GammatoneFilterbank(**SPEECH, dtype=dtype)
        blocks = to_blocks(noise(2, 1, 40 * 32, dtype=dtype), 32)
        tables, rest = module.filter.tables(), module.filter.rest(2)
        whole, last = filter_blocks(blocks, tables, rest)
        for cut in (1, 13, 39):
            first, carried = filter_blocks(blocks[:, :, :cut], tables, rest)
            second, state = filter_blocks(blocks[:, :, cut:], tables, carried)
            joined = torch.cat([first, second], dim=2)
            assert relative(joined, whole) < limit
            assert relative(state.sum(2), last.sum(2)) < 10 * limit


def test_warm_up_is_enough_and_not_much_too_long():
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    click = torch.zeros(1, 2 * module.warm_up(), dtype=FLOAT64)
    click[0, 0] = 1.0
    answer = module(click).abs()
    assert float((answer[..., module.warm_up() :].amax(-1) / answer.amax(-1)).max()) < 1e-7
    half = module.warm_up() // 2
    assert float((answer[..., half:].amax(-1) / answer.amax(-1)).max()) > 1e-7


def test_the_representation_names_the_key_parameters():
    text = repr(GammatoneFilterbank(**SPEECH, learnable=True))
    for part in ("num_channels=30", "100.0", "8000.0", "fs=16000", "n=4", "betamul=1.0186"):
        assert part in text
    assert "learnable=True" in text
    assert "implementation='sos'" in text


def test_building_and_running_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GammatoneFilterbank(**SPEECH, learnable=True).double()(noise(1, 100)).sum().backward()
