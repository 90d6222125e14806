"""NaN, infinity and audio with its time first: errors that say where, instead of wrong numbers."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import BackendError, InputError
from support.runtime import LENGTH, fir, noise, publish_ears, publish_fir

BIG = np.float32(3e38)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_audio_that_is_not_finite_is_named_by_its_place(fir_model, bad):
    audio = noise(2, 300)
    audio[1, 123] = bad
    with pytest.raises(InputError, match=f"audio: {bad} at batch 1, time 123; mend it, or pass"):
        fir_model.process(audio)
    with pytest.raises(InputError, match=f"audio: {bad} at time 123; mend it"):
        fir_model.process(audio[1])
    found = fir_model.process(audio, on_nonfinite="pass")["subbands"]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(fir(audio)))


def test_a_call_names_the_place_too(fir_model, sum_model):
    audio = noise(1, LENGTH)
    audio[0, 7] = np.nan
    with pytest.raises(InputError, match="audio: nan at batch 0, time 7; mend it"):
        fir_model(audio)
    assert np.isnan(fir_model(audio, on_nonfinite="pass")["subbands"]).any()
    freqs, levels = noise(2, 4), noise(2, 4)
    levels[1, 2] = -np.inf
    with pytest.raises(InputError, match="levels: -inf at frame 1, component 2"):
        sum_model(freqs=freqs, levels=levels)


def test_finite_audio_that_is_too_large_is_no_silent_infinity(fir_model):
    audio = np.full((1, LENGTH), BIG)
    place = r"subbands: -?inf at batch 0, channel \d, time \d+, though the input is finite: it is too large"
    with pytest.raises(InputError, match=place):
        fir_model(audio)
    with pytest.raises(InputError, match=place):
        fir_model.process(audio)
    assert not np.isfinite(fir_model.process(audio, on_nonfinite="pass")["subbands"]).all()


def test_numbers_just_below_the_largest_are_fine(fir_model):
    audio = np.zeros((1, LENGTH), np.float32)
    audio[0, :2] = BIG / 100, -BIG / 100
    assert np.isfinite(fir_model(audio)["subbands"]).all()


def test_a_sample_that_float32_does_not_hold(fir_model):
    with pytest.raises(InputError, match="audio: inf at batch 0, time 0"):
        fir_model.process(np.full((1, 50), 1e300))


def test_an_unknown_choice(fir_model):
    for call in (fir_model, fir_model.process):
        with pytest.raises(BackendError, match="on_nonfinite is 'reset'; one of error, pass"):
            call(noise(1, LENGTH), on_nonfinite="reset")


# ---------------------------------------------------------------- axes that a shape cannot tell apart


@pytest.mark.parametrize("shape", [(2000, 1), (2000, 2), (101, 100)])
def test_time_first_is_no_batch(fir_model, shape):
    rows, samples = shape
    with pytest.raises(
        InputError, match=rf"would be {rows} signals of {samples} samples?; .* transpose it"
    ):
        fir_model.process(noise(*shape))


def test_a_batch_of_signals_that_are_over_before_the_warm_up(tmp_path):
    model = runtime.load(publish_fir(tmp_path, warm_up=40))
    with pytest.raises(InputError, match="transpose it"):
        model.process(noise(4, 30))  # (T, channels) of a very short recording, or nonsense
    assert model.process(noise(1, 30))["subbands"].shape == (1, 3, 30)
    assert model.process(noise(4, 50))["subbands"].shape == (4, 3, 50)


def test_two_ears_with_time_first(tmp_path):
    model = runtime.load(publish_ears(tmp_path))
    with pytest.raises(InputError, match="transpose it"):
        model.process(noise(500, 2, 1))
    with pytest.raises(InputError, match="needs shape"):
        model.process(noise(500, 2))


def test_a_batch_of_short_sounds_for_two_ears(tmp_path):
    model = runtime.load(publish_ears(tmp_path))  # warm_up is 9
    assert model.process(noise(7, 2, 8))["heard"].shape == (7, 2, 8)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((100,), r"got \(100,\); np\.stack\(\[audio, audio\]\) gives the same sound to both ears"),
        ((100, 2), r"got \(100, 2\); time is the last axis: transpose it \(audio\.T\)"),
    ],
)
def test_one_channel_and_time_first_say_how_they_become_two_ears(shape, hint, tmp_path):
    with pytest.raises(InputError, match=hint):
        runtime.load(publish_ears(tmp_path)).process(noise(*shape))
