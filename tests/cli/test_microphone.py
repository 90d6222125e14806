"""What `live` hears of a microphone, and of one that is too fast or does not open."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from amt_export.cli.sources import Microphone
from amt_export.errors import AudioError
from amt_export.manifest import load_manifest
from support.loudness import publish_loudness

FULL_SCALE = 2e-5 * 10 ** (93.98 / 20) * np.sqrt(2)


class Device:
    """A sound device that records how it is opened, in a thread of its own."""

    def __init__(self, callback, channels, samplerate, **_options):
        self.callback, self.channels = callback, channels
        self.thread = threading.Thread(target=self.record)

    def record(self):
        for k in range(3):
            frames = np.full((160, self.channels), k + 1.0, np.float32)
            self.callback(frames, 160, None, "overflow" if k == 1 else "")
            frames[:] = 99.0  # the library uses its buffer again

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()


class Fast(Device):
    """Two seconds are there before anybody asks."""

    def __enter__(self):
        for k in range(200):
            self.callback(np.full((160, self.channels), float(k), np.float32), 160, None, "")

    def __exit__(self, *_):
        pass


@pytest.fixture
def sounddevice(monkeypatch):
    module = type(sys)("sounddevice")
    module.InputStream, module.PortAudioError = Device, OSError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_the_microphone_gives_what_was_recorded_in_the_unit_of_the_model(small_stream, sounddevice):
    manifest = load_manifest(small_stream)
    microphone = Microphone(None, manifest)
    heard = np.zeros((1, 0))
    with microphone.opened() as pieces:
        while heard.shape[1] < 480:
            heard = np.concatenate([heard, next(pieces)], axis=1)
    expected = np.repeat([1.0, 2.0, 3.0], 160) * FULL_SCALE
    np.testing.assert_allclose(heard[0], expected, rtol=1e-6)
    assert microphone.lost == 1


def test_a_model_that_cannot_keep_up_hears_what_is_now(small_stream, sounddevice):
    sounddevice.InputStream = Fast
    microphone = Microphone(None, load_manifest(small_stream))
    with microphone.opened() as pieces:
        piece = next(pieces)
    np.testing.assert_allclose(piece, np.full((1, 160), 199.0 * FULL_SCALE), rtol=1e-6)
    assert microphone.lost == 1


def test_a_microphone_that_does_not_open_is_one_line(small_stream, sounddevice):
    def refuse(**_options):
        raise OSError("Invalid sample rate")

    sounddevice.InputStream = refuse
    with (
        pytest.raises(AudioError, match=r"Invalid sample rate \(at 16000 Hz\); --device chooses"),
        Microphone("3", load_manifest(small_stream)).opened(),
    ):
        pass


def test_one_microphone_is_given_to_both_ears_on_request(tmp_path, sounddevice):
    manifest = load_manifest(publish_loudness(tmp_path / "tiny"))
    two = Microphone(None, manifest)
    one = Microphone(None, manifest, diotic=True, full_scale=113.98)
    heard = []
    for microphone in (two, one):
        with microphone.opened() as pieces:
            heard.append(next(pieces)[:, :, :160])
    np.testing.assert_allclose(heard[0], np.full((1, 2, 160), FULL_SCALE), rtol=1e-6)
    np.testing.assert_allclose(heard[1], np.full((1, 2, 160), 10.0 * FULL_SCALE), rtol=1e-6)
