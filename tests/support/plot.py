"""What the tests of pictures share: a model of thirty channels, and the ridge of a tone in them."""

from __future__ import annotations

import numpy as np

from amt_export.manifest import Manifest, Port
from amt_export.plot import cams

FS = 16000
SECONDS = 0.5
PLACES = np.linspace(cams(100), cams(7900), 30)
FC = tuple(float(hz) for hz in (np.exp(PLACES / 9.2645) - 1) / 0.00437)
SAMPLES = ("batch", "channel", "time")
FRAMES = ("batch", "frame", "channel")


def manifest(*outputs, fc=FC, **fields) -> Manifest:
    return Manifest(
        name="tiny",
        module="Tiny",
        description="thirty channels",
        parameters={},
        sampling_rate=FS,
        centre_frequencies=tuple(fc),
        inputs=(Port("audio", ("batch", "time"), "Pa", shape=(1, FS)),),
        outputs=tuple(Port(name, axes, unit, shape=(1, 1, 1)) for name, unit, axes in outputs),
        versions={},
        **{"warm_up": 0, "hop": 1, "frame_length": 1, **fields},
    )


SUBBANDS = manifest(("subbands", "Pa", SAMPLES))


def tone(frequency=1000.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(FS * SECONDS)) / FS)


def ridge(frequency=1000.0, amplitude=1.0, fc=FC):
    """Subbands (1, F, T) of a tone that falls by 10 dB a Cam from its channel."""
    distance = np.abs(cams(np.array(fc)) - cams(frequency))
    return amplitude * 10 ** (-distance / 2)[None, :, None] * tone(frequency)


def image_of(figure):
    (image,) = figure.axes[0].get_images()
    return image
