"""Pictures of internal representations."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.manifest import Manifest, Port
from amt_export.manifest.validation import implausible
from amt_export.plot import cochleagram
from amt_export.plot.columns import panels
from amt_export.plot.representation import Representation

pytest.importorskip("matplotlib")
FRAMES, HOP, FS = 2500, 4, 8000
MFC = (0.0, 5.0, 10.0, 16.7, 27.8, 46.3, 77.2)


def manifest(**changed) -> Manifest:
    said = {
        "name": "small",
        "module": "Paulick2024",
        "description": "A model of three channels",
        "parameters": {},
        "sampling_rate": float(FS),
        "centre_frequencies": (250.0, 500.0, 1000.0),
        "mfc": MFC,
        "counts": (5, 6, 7),
        "warm_up": 200_000,
        "hop": HOP,
        "frame_length": HOP,
        "inputs": (Port("audio", ("batch", "time"), "Pa", shape=(1, FRAMES * HOP)),),
        "outputs": (
            Port(
                "representation",
                ("batch", "channel", "modulation", "frame"),
                "model units",
                shape=(1, 3, len(MFC), FRAMES),
            ),
        ),
        "versions": {},
    }
    return Manifest(**(said | changed))


def outputs() -> dict[str, np.ndarray]:
    """In channel f and filter m the magnitude 10 f + m, with changing signs; twice that in the second half."""
    size = 10.0 * np.arange(3)[:, None, None] + np.arange(len(MFC))[None, :, None]
    sign = np.where(np.arange(FRAMES) % 2, -1.0, 1.0) * np.where(
        np.arange(FRAMES) < FRAMES // 2, 1, 2
    )
    return {"representation": (size * sign)[None].astype(np.float32)}


def test_panels_are_a_mean_and_some_modulation_filters():
    spectrum, *images = panels(outputs(), manifest(), FS)
    expected = 1.5 * (10.0 * np.arange(3)[:, None] + np.arange(len(MFC)))
    absent = np.arange(len(MFC)) >= np.array([5, 6, 7])[:, None]
    np.testing.assert_allclose(spectrum.means[~absent], expected[~absent])
    assert np.isnan(spectrum.means[absent]).all()
    assert [image.name for image in images] == [
        "below 2.5 Hz",
        "modulation at 5 Hz",
        "modulation at 16.7 Hz",
        "modulation at 77.2 Hz",
    ]
    assert all(image.times == (0.0, FRAMES * HOP / FS) for image in images)
    np.testing.assert_allclose(images[1].levels[2, [0, -1]], [21.0, 42.0])


def test_pieces_make_the_same_panels():
    whole = outputs()["representation"]
    gatherer = Representation.of(manifest(), {"representation": FRAMES}, FS)
    for start in range(0, FRAMES, 333):
        gatherer.add({"representation": whole[..., start : start + 333]})
    for one, other in zip(
        gatherer.panels(), panels({"representation": whole}, manifest(), FS), strict=True
    ):
        for name in ("levels", "means"):
            if hasattr(one, name):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


def test_it_is_drawn(tmp_path):
    figure = cochleagram(outputs(), manifest(), FS, "noise.wav", np.zeros(FRAMES * HOP))
    figure.savefig(tmp_path / "a.png", dpi=50)
    texts = [text.get_text() for ax in figure.axes for text in (ax.xaxis.label, ax.yaxis.label)]
    assert "time (s)" in texts
    assert {"mean magnitude (model units)", "mean over time (model units)"} <= set(texts)


@pytest.mark.parametrize("changed", [{"counts": ()}, {"mfc": MFC[:-1], "counts": (5, 6, 6)}])
def test_a_manifest_that_does_not_describe_it_has_no_picture(changed):
    assert Representation.of(manifest(**changed), {"representation": FRAMES}, FS) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mfc": (0.0, -5.0), "counts": (2, 2, 2)}, "mfc holds"),
        ({"counts": (5, 6, 8)}, "counts holds"),
        ({"counts": (5, 6)}, "counts has 2"),
    ],
)
def test_impossible_modulation_filters_are_found(changed, message):
    assert implausible(manifest(**changed)).startswith(message)
    assert implausible(manifest()) is None
