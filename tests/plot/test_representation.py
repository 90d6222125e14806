"""Pictures of internal representations."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.manifest import Manifest, Port
from amt_export.manifest.validation import invalid_value
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
    """In channel f and filter m the magnitude 10 (f + 1) + m; twice that in the second half.

    Filters up to 10 Hz change their sign from frame to frame, as signals do; the others are envelopes.
    """
    size = 10.0 * np.arange(1, 4)[:, None, None] + np.arange(len(MFC))[None, :, None]
    sign = np.where(np.arange(FRAMES) % 2, -1.0, 1.0) * (np.array(MFC) <= 10)[:, None]
    sign += (np.array(MFC) > 10)[:, None]
    half = np.where(np.arange(FRAMES) < FRAMES // 2, 1, 2)
    return {"representation": (size * sign * half)[None].astype(np.float32)}


def test_panels_are_a_mean_and_some_modulation_filters():
    spectrum, *images = panels(outputs(), manifest(), FS)
    expected = 1.5 * (10.0 * np.arange(1, 4)[:, None] + np.arange(len(MFC)))
    absent = np.arange(len(MFC)) >= np.array([5, 6, 7])[:, None]
    np.testing.assert_allclose(spectrum.means[~absent], expected[~absent])
    assert np.isnan(spectrum.means[absent]).all()
    assert [(image.name, image.signed) for image in images] == [
        ("modulation below 2.5 Hz", True),
        ("modulation at 5 Hz", True),
        ("modulation at 16.7 Hz, envelope", False),
        ("modulation at 77.2 Hz, envelope", False),
    ]
    assert all(image.times == (0.0, FRAMES * HOP / FS) for image in images)
    np.testing.assert_allclose(images[2].levels[2, [0, -1]], [33.0, 66.0])
    # Channels without a filter have no value there, rather than 0.
    np.testing.assert_array_equal(np.isnan(images[3].levels[:, 0]), [True, True, False])


def test_a_signal_does_not_cancel_in_a_wide_column():
    """Two frames of opposite sign in each column: the one of larger magnitude, with its sign, remains."""
    _, lowest, *_ = panels(outputs(), manifest(), FS)
    assert lowest.levels.shape[1] == FRAMES // 2
    np.testing.assert_allclose(np.abs(lowest.levels[0, [0, -1]]), [10.0, 20.0])


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
    assert "mean magnitude (model units)" in texts
    assert texts.count("model units") == 4  # a scale for each filter
    (inner,) = figure.axes[0].child_axes
    assert inner.get_xlabel() == "modulation frequency (Hz)"
    assert [label.get_text() for label in inner.get_xticklabels()][:2] == ["< 2.5", "5"]
    signed, envelope = (figure.axes[k].get_images()[0] for k in (2, 3))
    assert signed.get_clim()[0] == -signed.get_clim()[1]  # white is zero
    assert signed.get_cmap().name != envelope.get_cmap().name
    assert envelope.get_clim()[0] == 0.0


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
    assert invalid_value(manifest(**changed)).startswith(message)
    assert invalid_value(manifest()) is None
