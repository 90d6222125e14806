"""Fast DRNL: the same model by convolution, and the transform that makes it fast."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from filter_checks import gradient_error, noise, relative
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from spectral_checks import assert_state_dict

from amt_export.design.compensated import parts
from amt_export.design.good_thomas import (
    PreciseTorus,
    best_torus,
    halved,
    inverse,
    precise_transform,
    product,
    torus,
    transform,
    unwrap_order,
    wrap_order,
)
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank

FLOAT64 = torch.float64
CASP = {"fc": (250.0, 8000.0), "fs": 44100}
# Short responses that hold their energy, and pieces much shorter than the sounds of the tests.
SHORT = {"fc": (2000.0, 6000.0), "fs": 16000, "n_channels": 3, "ir_length": 256}
# Noise of this size keeps the compression busy on both sides of its knee.
KNEE = 5e-6
CASES = ("drnl_nh", "drnl_hix", "drnl_jepsen")
RESPONSES = ("ir_lin", "ir_nlin_1", "ir_nlin_2")


def convolved(audio: torch.Tensor, responses: torch.Tensor) -> torch.Tensor:
    """Rows (F or 1, T) with responses (F, M), cut to T samples."""
    full = signal.fftconvolve(audio.numpy(), responses.numpy(), axes=-1)
    return torch.from_numpy(full[..., : audio.shape[-1]])


def by_convolution(module: FastDRNLFilterbank, audio: torch.Tensor) -> torch.Tensor:
    """The model as its definition says it, (T,) -> (F, T), from the published tensors."""
    a, b, c = (getattr(module, name).detach()[:, None] for name in "abc")
    resonant = convolved(audio[None], module.ir_nlin_1)
    compressed = resonant.sign() * torch.minimum(a * resonant.abs(), b * resonant.abs() ** c)
    return convolved(audio[None], module.ir_lin) + convolved(compressed, module.ir_nlin_2)


# Golden cases and definition


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_golden(golden, name, dtype, learnable):
    case = golden(name)
    found = FastDRNLFilterbank(**case.kwargs, dtype=dtype, learnable=learnable)(case["x"])
    assert found.dtype == dtype
    limit = 1e-9 if dtype == FLOAT64 else 1e-6
    assert relative(found, case["y_torch_amt"]) < limit
    assert relative(found, case["y"]) < limit


@pytest.mark.parametrize("frequency", [500.0, 1000.0])
def test_a_channel_far_from_a_tone_is_not_spoiled_by_its_transform(frequency):
    """A plain float32 transform is off by 1.5e-5 and more of a channel's peak, or 1 % of the loudest."""
    time = np.arange(6000) / CASP["fs"]
    tone = 0.1 * np.sin(2 * np.pi * frequency * time) * signal.windows.tukey(time.size, 0.3)
    audio = torch.from_numpy(tone.astype(np.float32))
    expected = FastDRNLFilterbank(**CASP, n_channels=8, dtype=FLOAT64)(audio)
    found = FastDRNLFilterbank(**CASP, n_channels=8)(audio).double()
    peak = expected.abs().amax(-1)
    error = (found - expected).abs().amax(-1) / torch.maximum(peak, 0.01 * peak.max())
    assert float(error.max()) < 3e-6


@pytest.mark.parametrize("subject", ["NH", "HIx"])
@pytest.mark.parametrize("samples", [1, 255, 256, 1000, 5000])
def test_any_number_of_pieces_is_the_convolution(samples, subject):
    module = FastDRNLFilterbank(**SHORT, subject=subject, dtype=FLOAT64)
    module.n1, module.n2 = 23, 24  # 297 new samples a piece
    module.redesign()
    audio = 0.1 * noise(samples)
    assert relative(module(audio), by_convolution(module, audio)) < 1e-11


@pytest.mark.parametrize("samples", [200, 3000])
def test_each_length_has_its_transform(samples):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    frozen = module.frozen(samples)
    assert (frozen.n1, frozen.n2) == best_torus(samples, 256)
    audio = 0.1 * noise(2, samples)
    assert relative(frozen(audio), module(audio)) < 1e-11


def test_responses_are_those_of_the_recursive_form():
    centre = torch.tensor([1000.0, 4000.0])
    fast = FastDRNLFilterbank(centre, 44100, dtype=FLOAT64)
    click = torch.zeros(1, 4096, dtype=FLOAT64)
    click[0, 0] = 1.0
    linear = DRNLFilterbank(centre, 44100, subject="HIx")(click)[0]
    assert relative(fast.ir_lin, linear) < 1e-11
    assert fast.ir_nlin_1.shape == fast.ir_nlin_2.shape == (2, 4096)


def test_responses_cut_the_memory():
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    audio = torch.zeros(1, 1500, dtype=FLOAT64)
    audio[0, 100] = 1.0
    answer = module(audio).abs()[0]
    assert float(answer[:, 100 + 2 * 255 + 1 :].max()) < 1e-12 * float(answer.max())
    assert float(answer[:, :100].max()) < 1e-12 * float(answer.max())
    assert module.warm_up() == 2 * 255


# Signal truths


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_in_its_row_and_shows(value):
    module = FastDRNLFilterbank(**SHORT)
    module.n1, module.n2 = 23, 24
    module.redesign()
    audio = noise(3, 1500, dtype=torch.float32)
    clean = module(audio)
    audio[1, 700] = value
    spoiled = module(audio)
    assert torch.equal(spoiled[[0, 2]], clean[[0, 2]])
    assert not torch.isfinite(spoiled[1, :, 700 : 700 + 2 * 255 + 1]).any()
    # Pieces before it and long behind it do not depend on it.
    assert torch.isfinite(spoiled[1, :, :297]).all()


def test_rows_of_a_batch_do_not_meet():
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    batch = torch.stack([noise(500, seed=1), 1e4 * noise(500, seed=2), torch.zeros(500)])
    together = module(batch)
    for row, audio in enumerate(batch[:2]):
        assert relative(together[row], module(audio)) < 1e-11
    assert torch.count_nonzero(together[2]) == 0


@pytest.mark.parametrize("shift", [1, 300])
def test_a_delayed_sound_gives_a_delayed_answer(shift):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    audio = 0.1 * noise(1, 700)
    later = torch.cat([torch.zeros(1, shift, dtype=FLOAT64), audio], dim=1)
    assert relative(module(later)[..., shift:], module(audio)) < 1e-10


def test_without_hair_cells_it_is_linear():
    module = FastDRNLFilterbank(**SHORT, subject="HIx", dtype=FLOAT64)
    one, two = noise(1, 800, seed=1), noise(1, 800, seed=2)
    assert relative(module(1e3 * one - 0.3 * two), 1e3 * module(one) - 0.3 * module(two)) < 1e-12


# Inputs and constructor


@pytest.mark.parametrize("samples", [0, 1, 500])
def test_shapes_with_and_without_a_batch(samples):
    module = FastDRNLFilterbank(**SHORT)
    audio = noise(2, samples, dtype=torch.float32)
    assert module(audio).shape == (2, 3, samples)
    assert module(audio[0]).shape == (3, samples)
    assert module(audio[0]).dtype == torch.float32
    assert torch.equal(module(audio[0]), module(audio[:1])[0])


def test_integers_are_cast_and_not_rescaled():
    module = FastDRNLFilterbank(**SHORT)
    audio = (100.0 * noise(1, 300)).to(torch.int16)
    assert torch.equal(module(audio), module(audio.float()))


def test_other_inputs_are_refused():
    module = FastDRNLFilterbank(**SHORT)
    with pytest.raises(TypeError, match="complex"):
        module(torch.zeros(1, 10, dtype=torch.complex64))
    with pytest.raises(ValueError, match="audio has 3 dimensions"):
        module(torch.zeros(1, 1, 10))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ir_length": 0}, "ir_length is 0"),
        ({"model": "casp"}, r"'casp'.*'paulick2024'"),
        ({"subject": "HI"}, r"'HI'.*'HIx'"),
        ({"fc": torch.tensor([9000.0])}, "9000"),
    ],
)
def test_the_constructor_names_the_offending_value(changed, message):
    with pytest.raises(ValueError, match=message):
        FastDRNLFilterbank(**{**SHORT, **changed})


def test_arguments_are_those_of_the_drnl():
    module = FastDRNLFilterbank(
        (2000.0, 6000.0), 16000, 3, "HIx", "jepsen2008", True, FLOAT64, ir_length=300
    )
    assert module.num_channels == 3
    assert (module.subject, module.model, module.learnable) == ("HIx", "jepsen2008", True)
    assert module(torch.zeros(5)).dtype == FLOAT64


def test_channels_that_lose_energy_are_named_in_one_warning():
    with pytest.warns(UserWarning, match="ir_length=512") as record:
        FastDRNLFilterbank(**CASP, n_channels=5, ir_length=512)
    assert len(record) == 1
    assert record[0].filename == __file__, "the warning points at the caller"
    named = re.search(r"channels at ([\d, ]+) Hz", str(record[0].message)).group(1)
    exact = FastDRNLFilterbank(**CASP, n_channels=5, ir_length=4096, dtype=FLOAT64)
    lossy = []
    for channel, centre in enumerate(exact.fc):
        responses = [getattr(exact, name)[channel, :2048] for name in RESPONSES]
        if any(float((r[512:] ** 2).sum() / (r**2).sum()) > 1e-6 for r in responses):
            lossy.append(round(float(centre)))
    assert [int(f) for f in named.split(",")] == lossy
    assert 0 < len(lossy) < 5


# Learning


def test_gradients_are_finite_differences():
    module = FastDRNLFilterbank(**SHORT, learnable=True, dtype=FLOAT64)
    errors = gradient_error(module, KNEE * noise(1, 400))
    assert sorted(errors) == ["a", "b", "c"]
    assert max(errors.values()) < 1e-5, errors


def test_state_dict_has_torch_amts_names():
    assert_state_dict(
        lambda learnable: FastDRNLFilterbank(**CASP, learnable=learnable), "FastDRNLFilterbank"
    )


def test_only_the_compression_learns():
    module = FastDRNLFilterbank(**CASP, learnable=True)
    assert sorted(name for name, _ in module.named_parameters()) == ["a", "b", "c"]
    assert sum(p.numel() for p in module.parameters()) == 150


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", ["a", "b", "c", *RESPONSES, *(n + "_flipped" for n in RESPONSES)])
def test_a_loaded_value_changes_its_channel(name, learnable):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64, learnable=learnable)
    audio = KNEE * noise(1, 600)
    before = module(audio).detach()
    module.load_state_dict({key: v.clone() for key, v in module.state_dict().items()})
    assert torch.equal(module(audio), before), "nothing changed, no bit changes"
    state = {key: value.clone() for key, value in module.state_dict().items()}
    state[name][1] *= 1.05
    module.load_state_dict(state)
    after = module(audio).detach()
    assert relative(after[:, 1], before[:, 1]) > 1e-3
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    assert relative(module.frozen(600)(audio), after) < 1e-10
    expected = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    with torch.no_grad():
        tensor = getattr(expected, name.removesuffix("_flipped"))
        tensor.copy_(state[name].flip(-1) if name.endswith("_flipped") else state[name])
    assert relative(after[0], by_convolution(expected, audio[0])) < 1e-10


@pytest.mark.parametrize("name", RESPONSES)
def test_flipped_copies_are_reversed(name):
    module = FastDRNLFilterbank(**SHORT)
    assert torch.equal(getattr(module, name + "_flipped"), getattr(module, name).flip(-1))


# Forms


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_script_and_trace_are_eager(dtype, learnable):
    module = FastDRNLFilterbank(**SHORT, dtype=dtype, learnable=learnable)
    scripted = torch.jit.script(module)
    for shape in ((2, 900), (900,)):
        audio = noise(*shape, dtype=dtype)
        with torch.no_grad():
            eager = module(audio)
            assert relative(scripted(audio), eager) < 1e-6
            frozen = module.frozen(shape[-1])
            traced = torch.jit.trace(frozen, (audio,))
            assert torch.equal(traced(audio), frozen(audio))
            assert relative(frozen(audio), eager) < (2e-6 if dtype == torch.float32 else 1e-11)
    assert not frozen.state_dict()
    assert not list(frozen.parameters())


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.to(FLOAT64)])
def test_a_cast_module_is_as_exact_as_one_built_so(cast):
    audio = 0.1 * noise(1, 500)
    built, module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64), FastDRNLFilterbank(**SHORT)
    assert torch.equal(cast(module)(audio), built(audio))


def test_the_representation_names_the_key_parameters():
    text = repr(FastDRNLFilterbank(**SHORT))
    for part in ("num_channels=3", "2000.0", "6000.0", "fs=16000", "'NH'", "'paulick2024'"):
        assert part in text


# The transform


SIZES = [(2, 3), (3, 4), (8, 9), (9, 8), (5, 13), (16, 17)]


def wrapped(row: torch.Tensor, n1: int, n2: int) -> torch.Tensor:
    return row[..., wrap_order(n1, n2)].reshape(*row.shape[:-1], n1, n2)


@pytest.mark.parametrize(("n1", "n2"), SIZES)
def test_the_spectrum_is_numpys(n1, n2):
    row = noise(2, n1 * n2)
    found = transform(wrapped(row, n1, n2), torus(n1, n2))
    expected = np.fft.fft(row.numpy())
    k1, k2 = np.arange(n1 // 2 + 1)[:, None], np.arange(n2 // 2 + 1)
    for real, imaginary, sign in (
        (found.plus_re, found.plus_im, 1),
        (found.minus_re, found.minus_im, -1),
    ):
        # exp(-2 pi i (n k1/n1 + n k2/n2)) is bin k1 n2 + k2 n1 of the long transform.
        bins = (k1 * n2 + sign * k2 * n1) % (n1 * n2)
        np.testing.assert_allclose(real + 1j * imaginary, expected[:, bins], atol=1e-12 * n1 * n2)


@pytest.mark.parametrize(("n1", "n2"), SIZES)
def test_products_of_spectra_are_circular_convolutions(n1, n2):
    row, taps, to = noise(3, n1 * n2), noise(n1 * n2, seed=1), torus(n1, n2)
    spectrum = product(
        transform(wrapped(row, n1, n2), to), halved(transform(wrapped(taps, n1, n2), to))
    )
    found = inverse(spectrum, to).flatten(1)[:, unwrap_order(n1, n2)]
    expected = np.fft.ifft(np.fft.fft(row.numpy()) * np.fft.fft(taps.numpy())).real
    np.testing.assert_allclose(found, expected, atol=1e-13 * (n1 * n2) ** 2)


def test_common_factors_are_refused():
    with pytest.raises(ValueError, match="6 and 4"):
        torus(6, 4)


def test_wrapping_and_unwrapping_undo_each_other():
    assert torch.equal(wrap_order(7, 8)[unwrap_order(7, 8)], torch.arange(56))


def test_the_precise_transform_is_right_in_every_bin():
    n1, n2 = 23, 24
    time = np.arange(n1 * n2)
    # A tone in a bin of its own: all other bins hold 1e-6 of it.
    row = torch.from_numpy(np.sin(2 * np.pi * 120 / (n1 * n2) * time)) + 1e-6 * noise(n1 * n2)
    row = row.float()
    to = torus(n1, n2)
    exact = transform(wrapped(row.double(), n1, n2), to)
    forward = (to.cosine1, to.sine1, to.cosine2, to.sine2)
    precise = PreciseTorus(*(parts(m, torch.float32) for m in forward))
    found = precise_transform(wrapped(row, n1, n2), precise)
    plain = transform(wrapped(row, n1, n2), type(to)(*(m.float() for m in to)))
    loud = max(float(part.abs().max()) for part in exact)
    errors, plain_errors = (
        max(float((a - b).abs().max()) for a, b in zip(result, exact, strict=True)) / loud
        for result in (found, plain)
    )
    quiet = [part.abs() < 1e-3 * loud for part in exact]
    in_quiet = [
        max(
            float((a - b)[mask].abs().max())
            for a, b, mask in zip(result, exact, quiet, strict=True)
        )
        / loud
        for result in (found, plain)
    ]
    assert errors < plain_errors
    # 2^-24 is half a unit in the last place of the loudest; precise is 2^-8 of that in the others.
    assert in_quiet[0] < 2.0**-30 < 2.0**-26 < in_quiet[1]


@given(samples=st.integers(1, 60000), taps=st.integers(1, 9000))
@settings(max_examples=60, deadline=None)
def test_the_chosen_lengths_cover_the_signal(samples, taps):
    n1, n2 = best_torus(samples, taps)
    assert math.gcd(n1, n2) == 1
    new = n1 * n2 - taps + 1
    assert new >= max(taps - 1, 1), "one piece only reaches into the next"
    pieces = -(-samples // new)
    assert pieces * new >= samples


def test_the_chosen_lengths_suit_the_length():
    """Short sounds do not pay for the transform of a long one."""
    short, long = math.prod(best_torus(1000, 256)), math.prod(best_torus(44100, 4096))
    assert short < 2500
    assert 8192 < long < 3 * 44100
