"""Pictures of a folder: responses and errors of all sizes."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from amt_export.manifest import load_manifest
from amt_export.report import draw
from amt_export.verify.parity.compare import Worst
from support.filters import noise


def test_pictures_of_a_folder(published):
    for name in ("gammatone", "drnl", "fast_drnl"):
        folder = published(name)
        assert {p.name for p in folder.glob("*.svg")} == {"error.svg", "response.svg"}
        text = (folder / "README.md").read_text()
        for picture in folder.glob("*.svg"):
            svg = picture.read_text()
            ET.fromstring(svg)
            assert f"]({picture.name})" in text
            assert not re.search(r'="[^"]*(nan|inf)[^"]*"', svg)
        assert "dB off" in text
    off = float(re.search(r"more than (\S+) dB off", text).group(1))
    assert off < 1.0


def worst(value: float, channels: np.ndarray) -> Worst:
    return Worst(value, "click", int(channels.argmax()), channels)


@pytest.mark.parametrize("size", [1, 3, 150, 1025])
@pytest.mark.parametrize("level", [0.0, 1e-7, 1.0])
def test_error_pictures_of_all_sizes(size, level, published):
    """Also of infinite and of no differences, of bins from 0 Hz, and of slots without frequency."""
    manifest = load_manifest(published("gammatone"))
    errors = level * np.abs(noise(size).numpy())
    errors[0] = math.inf if level == 1.0 else errors[0]
    found = {"float64": {"y": worst(level, errors)}, "onnx": {"y": worst(0.0, np.zeros(size))}}
    (out,) = manifest.outputs
    for axes, components in (
        (("batch", "frame", "bin"), None),
        (("batch", "frame", "component"), "left"),
    ):
        port = replace(out, name="y", shape=(1, 4, size), axes=axes, components=components)
        rows = tuple(replace(row, output="y") for row in manifest.parity)
        pictures = draw(replace(manifest, outputs=(port,), parity=rows), found, None)
        (svg,) = pictures.files.values()
        ET.fromstring(svg)
        assert not re.search(r'="[^"]*(nan|inf)[^"]*"', svg)
        assert ("frequency (Hz)" in svg) == (components is None and size > 1)
        assert "onnx: no difference" in svg
