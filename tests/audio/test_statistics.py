"""What a pass over a recording tells: level without a DC offset, channels that cancel, clipped samples."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from amt_export.audio.reader import AudioReader
from amt_export.audio.statistics import Moments
from amt_export.errors import AudioError
from support.manifests import FS, STEREO, manifest

TONE = 0.01 * np.sin(2 * np.pi * 1000 * np.arange(FS) / FS)


@pytest.fixture
def reader(tmp_path):
    """Write channels as a file, and open it for a model."""

    def open_(channels, model=None, level=None, subtype="DOUBLE", **options):
        path = tmp_path / "x.wav"
        sf.write(path, np.atleast_2d(channels).T, FS, subtype=subtype)
        return AudioReader(path, model or manifest(), level, **options)

    return open_


def db_spl(x):
    return 20 * np.log10(np.sqrt(np.mean(x**2)) / 2e-5)


# ---------------------------------------------------------------- DC offset


@pytest.mark.parametrize("offset", [0.1, -0.9])
def test_a_level_leaves_a_dc_offset_out(reader, offset):
    plain = reader(TONE, level=60.0)
    expected = plain.read()
    moved = reader(TONE + offset, level=60.0)
    heard = moved.read()
    np.testing.assert_allclose(heard - heard.mean(), expected, atol=1e-9)
    assert db_spl(heard - heard.mean()) == pytest.approx(60.0, abs=1e-6)
    assert moved.level == pytest.approx(60.0)
    assert moved.pascals_per_full_scale == pytest.approx(plain.pascals_per_full_scale)
    (remark,) = moved.remarks
    assert remark == (
        f"x.wav has a DC offset of {offset} of full scale, and the model hears it; "
        "--remove-dc (remove_dc=True) removes it"
    )
    assert plain.remarks == []


def test_each_ear_has_an_offset_of_its_own(reader):
    ears = reader(np.stack([TONE + 0.3, TONE - 0.2]), manifest(STEREO), 60.0)
    heard = ears.read()
    assert db_spl(heard - heard.mean(axis=-1, keepdims=True)) == pytest.approx(60.0, abs=1e-6)


def test_without_a_level_an_offset_is_found_while_reading(reader):
    heard = reader(TONE + 0.1, full_scale=120.0)
    assert heard.remarks == []
    heard.read()
    heard.read()
    assert len(heard.remarks) == 1
    assert heard.level == pytest.approx(120.0 - 40.0, abs=1e-6)  # of an amplitude of 0.01


def test_an_offset_far_below_the_sound_is_not_worth_a_word(reader):
    """From 20 dB below it on it is: then it shows in the pauses of a recording."""
    assert reader(TONE + 0.0005, level=60.0).remarks == []
    assert len(reader(TONE + 0.001, level=60.0).remarks) == 1


@pytest.mark.parametrize("calibrated", [{"level": 60.0}, {"full_scale": 120.0}])
def test_a_dc_offset_can_be_removed(reader, calibrated):
    expected = reader(TONE, **calibrated).read()
    clean = reader(TONE + 0.1, remove_dc=True, **calibrated)
    np.testing.assert_allclose(clean.read(), expected, atol=1e-9)
    assert clean.remarks == []


def test_each_ear_loses_its_own_offset(reader):
    moved = np.stack([TONE + 0.3, TONE - 0.2])
    heard = reader(moved, manifest(STEREO), 60.0, remove_dc=True).read()
    expected = reader(np.stack([TONE, TONE]), manifest(STEREO), 60.0).read()
    np.testing.assert_allclose(heard, expected, atol=1e-9)


def test_an_offset_is_removed_before_the_rate_changes(reader):
    """In pieces too: the mean is that of the whole file, not of a piece."""
    clean = reader(TONE + 0.1, manifest(fs=FS // 2), 60.0, remove_dc=True)
    pieces = list(clean.pieces(100))
    assert len(pieces) > 10
    heard = np.concatenate(pieces, axis=-1)
    assert np.abs(heard.mean()) < 1e-5 * np.abs(heard).max()


@pytest.mark.parametrize(
    ("calibrated", "level"), [({"level": 165.0}, 165), ({"full_scale": 1.0}, -39)]
)
def test_a_level_that_no_recording_has_is_worth_a_word(reader, calibrated, level):
    odd = reader(TONE, **calibrated)
    odd.read()
    odd.read()
    assert odd.remarks == [
        f"x.wav has {level} dB SPL with this calibration; check --level or --full-scale"
    ]
    assert reader(TONE, level=130.0).remarks == []


def test_a_constant_is_silent(reader):
    with pytest.raises(AudioError, match="silence cannot"):
        reader(np.full(FS, 0.1), level=60.0)


def test_moments_of_pieces_are_those_of_the_whole():
    x = 3.0 + np.random.default_rng(0).standard_normal((2, 1000))
    moments = Moments()
    for start, stop in ((0, 1), (1, 700), (700, 1000)):
        moments.add(x[:, start:stop])
    np.testing.assert_allclose(moments.means(), x.mean(axis=1))
    assert moments.rms() == pytest.approx(np.sqrt(x.var(axis=1).mean()))


# ---------------------------------------------------------------- averaged channels


@pytest.mark.parametrize("level", [None, 60.0])
@pytest.mark.parametrize("subtype", ["DOUBLE", "PCM_24"])
def test_channels_of_opposite_sign_are_refused(reader, level, subtype):
    noise = 0.1 * np.random.default_rng(0).standard_normal(FS)
    with pytest.raises(AudioError, match=r"x\.wav: its 2 channels cancel when they are averaged"):
        reader(np.stack([noise, -noise]), level=level, subtype=subtype).read()


def test_channels_that_cancel_in_part_are_warned_of(reader):
    (remark,) = reader(np.stack([TONE, -0.8 * TONE]), level=60.0).remarks
    assert remark.startswith("x.wav: its 2 channels cancel in part: their average is 19 dB below")


@pytest.mark.parametrize("channels", [2, 6, 16])
def test_uncorrelated_channels_may_be_averaged(reader, channels):
    noise = 0.1 * np.random.default_rng(0).standard_normal((channels, FS))
    heard = reader(noise, level=60.0)
    assert heard.remarks == []
    assert heard.averaged


def test_two_ears_are_not_averaged(reader):
    heard = reader(np.stack([TONE, -TONE]), manifest(STEREO), 60.0)
    assert heard.remarks == []
    assert not heard.averaged


# ---------------------------------------------------------------- clipping


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_clipped_samples_are_warned_of(reader, subtype):
    clipped = np.clip(120 * TONE, -1, 1)  # about a fifth of a period on each side
    heard = reader(clipped, subtype=subtype)
    heard.read()
    (remark,) = heard.remarks
    share = float(remark.split(":")[1].split("%")[0])
    assert share == pytest.approx(100 * np.mean(np.abs(clipped) == 1.0), abs=1)
    assert "of its samples are at full scale" in remark


def test_a_full_scale_tone_is_not_clipped(reader):
    for frequency in (100, 1000):
        tone = np.sin(2 * np.pi * frequency * np.arange(FS) / FS)
        heard = reader(tone, subtype="PCM_16", level=80.0)
        assert heard.remarks == []


def test_floats_above_full_scale_are_not_clipped(reader):
    heard = reader(300 * TONE, level=80.0)
    assert heard.remarks == []
