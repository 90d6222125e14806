"""What the samples of a recording become for a model: channels, rate, unit."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from amt_export.audio.calibration import FULL_SCALE_DB, calibration, full_scale_db
from amt_export.audio.reader import AudioReader
from amt_export.errors import AudioError
from support.manifests import FS, MONO, STEREO, manifest


def sine(fs=FS, frequency=1000.0, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(fs * seconds)) / fs)


def rms(x):
    return np.sqrt(np.mean(x**2))


def db_spl(x):
    return 20 * np.log10(rms(x) / 2e-5)


@pytest.fixture
def reader(tmp_path):
    """Write channels as a file, and open it for a model."""

    def open_(channels, model=None, level=None, fs=FS, **options):
        path = tmp_path / "x.wav"
        sf.write(path, np.atleast_2d(channels).T, fs, subtype="DOUBLE")
        return AudioReader(path, model or manifest(), level, **options)

    return open_


# ---------------------------------------------------------------- rate and channels


@pytest.mark.parametrize("fs", [8000, 22050, 44100, 48000])
def test_resampling_keeps_the_tone(reader, fs):
    y = reader(sine(fs), manifest(unit="full scale"), fs=fs).read()
    assert y.shape == (1, FS)
    middle = slice(2000, -2000)  # without the onset's ringing
    np.testing.assert_allclose(y[0, middle], sine(FS)[middle], atol=1e-5)


def test_one_ear_hears_the_mean(reader):
    stereo = np.stack([sine(), sine(frequency=500)])
    heard = reader(stereo, manifest(unit="full scale")).read()
    assert heard.shape == (1, FS)
    np.testing.assert_allclose(heard[0], stereo.mean(axis=0))


def test_two_ears_hear_their_own(reader):
    stereo = np.stack([sine(), sine(frequency=500)])
    heard = reader(stereo, manifest(STEREO, "full scale")).read()
    np.testing.assert_array_equal(heard, stereo[None])


def test_resampled_stereo_keeps_its_sides(reader):
    heard = reader(np.stack([sine(48000), np.zeros(48000)]), manifest(STEREO), fs=48000).read()
    assert heard.shape == (1, 2, FS)
    assert not heard[0, 1].any()


@pytest.mark.parametrize(("channels", "words"), [(1, "1 channel,"), (3, "3 channels,")])
def test_two_ears_need_two_channels(reader, channels, words):
    with pytest.raises(AudioError, match=f"x.wav: {words} but the model has two ears"):
        reader(np.ones((channels, FS)), manifest(STEREO))


def test_one_channel_is_played_to_both_ears_on_request_only(reader):
    mono, model = 0.5 * sine(seconds=0.1), manifest(STEREO, "full scale")
    with pytest.raises(AudioError, match="two ears; give a stereo file, or --diotic"):
        reader(mono, model)
    audio = reader(mono, model, diotic=True).read()
    assert audio.shape == (1, 2, 1600)
    np.testing.assert_array_equal(audio[0], [mono, mono])
    loud = reader(mono, model, 80.0, diotic=True).read()
    assert 93.98 + 20 * np.log10(rms(loud) * 2**0.5) == pytest.approx(80.0, abs=0.01)


@pytest.mark.parametrize("diotic", [True, False])
def test_other_numbers_of_channels_are_no_two_ears(reader, diotic):
    with pytest.raises(AudioError, match=r"3 channels, but .* two ears; give a stereo file$"):
        reader(np.ones((3, 100)), manifest(STEREO, "full scale"), diotic=diotic)


@pytest.mark.parametrize(("channels", "axes"), [(2, STEREO), (1, MONO), (2, MONO)])
def test_diotic_changes_nothing_where_it_says_nothing(reader, channels, axes):
    audio = np.stack([sine(), 0.5 * sine()][:channels])
    plain = reader(audio, manifest(axes)).read()
    np.testing.assert_array_equal(reader(audio, manifest(axes), diotic=True).read(), plain)


def test_channels_above_what_a_file_can_hold_are_named(reader):
    from dataclasses import replace

    model = replace(manifest(), centre_frequencies=(500.0, 3900.0, 4100.0, 7000.0))
    assert reader(sine(), model).remarks == []
    (remark,) = reader(sine(8000), model, fs=8000).remarks
    assert remark == (
        "x.wav has 8000 Hz and nothing above 4000 Hz: 2 of 4 channels, from 4100 Hz on, hold nothing but the "
        "tails of lower frequencies"
    )


# ---------------------------------------------------------------- calibration


def test_full_scale_sine_in_pascal(reader):
    heard = reader(sine())
    assert db_spl(heard.read()) == pytest.approx(93.98, abs=1e-9)
    assert heard.calibration == "full-scale sine = 93.98 dB SPL"
    assert rms(heard.read()) == pytest.approx(1.0, abs=3e-4)  # 1 Pa


def test_full_scale_models_get_the_file_as_it_is(reader):
    np.testing.assert_array_equal(reader(sine(), manifest(unit="full scale")).read()[0], sine())


@pytest.mark.parametrize("unit", ["Pa", "full scale"])
def test_full_scale_may_have_another_level(reader, unit):
    usual = reader(sine(), manifest(unit=unit)).read()
    heard = reader(sine(), manifest(unit=unit), full_scale=FULL_SCALE_DB + 20)
    np.testing.assert_allclose(heard.read(), 10 * usual)
    assert heard.calibration == "full-scale sine = 113.98 dB SPL"


@pytest.mark.parametrize("level", [-20.0, 0.0, 65.0, 120.0])
def test_level_in_pascal(reader, level):
    heard = reader(0.01 * sine(), level=level)
    assert db_spl(heard.read()) == pytest.approx(level, abs=1e-9)
    assert heard.calibration == f"the recording has {level:g} dB SPL (RMS)"


@pytest.mark.parametrize(
    ("parameters", "db_max"),
    [({}, 93.98), ({"db_max": 100.0}, 100.0), ({"spectrum_kwargs": {"db_max": 90.0}}, 90.0)],
)
def test_level_relative_to_full_scale(reader, parameters, db_max):
    model = manifest(unit="full scale", parameters=parameters)
    assert full_scale_db(model) == db_max
    # A sine at db_max is full scale, so it has an amplitude of 1 whatever the file's own level.
    assert rms(reader(0.1 * sine(), model, db_max).read()) == pytest.approx(np.sqrt(0.5))


def test_both_conventions_mean_the_same_sound(reader):
    pascal = reader(sine(), manifest(), 70.0).read()
    relative = reader(sine(), manifest(unit="full scale"), 70.0).read()
    full_scale = np.sqrt(2) * 2e-5 * 10 ** (FULL_SCALE_DB / 20)
    np.testing.assert_allclose(pascal, full_scale * relative)


def test_silence_has_no_level(reader):
    assert not reader(np.zeros(FS)).read().any()
    with pytest.raises(
        AudioError,
        match=r"x\.wav: silence cannot be brought to 65 dB SPL; leave level out",
    ) as caught:
        reader(np.zeros(FS), level=65.0)
    assert "leave --level out, or give --full-scale instead" in caught.value.command_line


@pytest.mark.parametrize("name", ["level", "full_scale"])
@pytest.mark.parametrize("value", ["65", [65], True, 65j, np.array([65.0])])
def test_a_level_is_a_number(reader, name, value):
    words = name.replace("_", " ")
    with pytest.raises(AudioError, match=rf"^{words} is .*: give a number of dB SPL"):
        reader(sine(), **{name: value})


@pytest.mark.parametrize("value", [65, np.float32(65), np.int64(65)])
def test_a_level_may_be_any_kind_of_number(reader, value):
    assert db_spl(reader(sine(), level=value).read()) == pytest.approx(65)


def test_samples_whose_square_is_no_number_have_no_level(tmp_path):
    path = tmp_path / "x.wav"
    sf.write(path, 1e200 * sine(), FS, "DOUBLE")
    with pytest.raises(AudioError, match=r"x\.wav: its samples are too large to have a level"):
        AudioReader(path, manifest(), 65.0)
    recording = AudioReader(path, manifest())
    recording.read()
    assert recording.level is None


@pytest.mark.parametrize("level", [np.nan, np.inf, -101.0, 201.0, 5000.0])
def test_impossible_levels(reader, level):
    with pytest.raises(AudioError, match="give one from -100 to 200"):
        reader(sine(), level=level)
    with pytest.raises(AudioError, match="give one from -100 to 200"):
        reader(sine(), full_scale=level)


def test_a_model_of_velocity_refuses_pressure(reader):
    model = manifest(unit="m/s")
    for options in ({}, {"level": 60.0}, {"full_scale": 100.0}):
        with pytest.raises(
            AudioError, match=r"tiny takes m/s, .* take casp_44k, which has the ears .* --raw"
        ):
            reader(sine(), model, **options)
    raw = reader(sine(), model, raw=True)
    np.testing.assert_array_equal(raw.read()[0], sine())
    assert raw.calibration == "raw: samples as they are, in m/s"
    with pytest.raises(AudioError, match="give either raw or a level"):
        reader(sine(), model, 60.0, raw=True)


def test_a_microphone_is_calibrated_as_a_file():
    assert calibration(manifest())[0] == pytest.approx(np.sqrt(2) * 2e-5 * 10 ** (93.98 / 20))
    with pytest.raises(AudioError, match="takes m/s"):
        calibration(manifest(unit="m/s"))


def test_the_pressure_of_full_scale_and_the_level_that_was_read(reader):
    full_scale = np.sqrt(2) * 2e-5 * 10 ** (FULL_SCALE_DB / 20)
    for unit in ("Pa", "full scale"):
        heard = reader(0.1 * sine(48000), manifest(unit=unit), fs=48000)
        assert heard.pascals_per_full_scale == pytest.approx(full_scale)
        assert heard.level is None  # nobody has listened yet
        heard.read()
        assert heard.level == pytest.approx(FULL_SCALE_DB - 20, abs=1e-9)
        brought = reader(0.1 * sine(), manifest(unit=unit), 70.0)
        assert brought.level == pytest.approx(70.0)
        assert brought.pascals_per_full_scale == pytest.approx(
            2e-5 * 10**3.5 / (0.1 * np.sqrt(0.5))
        )
    one_side = reader(np.stack([sine(), np.zeros(FS)]), manifest(STEREO))
    one_side.read()
    assert one_side.level == pytest.approx(FULL_SCALE_DB - 10 * np.log10(2))
    raw = reader(sine(), manifest(), raw=True)
    assert raw.pascals_per_full_scale == 1.0


def test_silence_and_velocities_have_no_level(reader):
    silent = reader(np.zeros(FS))
    silent.read()
    assert silent.level is None
    velocity = reader(sine(), manifest(unit="m/s"), raw=True)
    velocity.read()
    assert velocity.level is None
    assert velocity.pascals_per_full_scale is None
