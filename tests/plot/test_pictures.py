"""Pictures: the right thing at the right place; no pixel is compared."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from amt_export.errors import InputError, MissingDependencyError, PublishError
from amt_export.manifest import Port
from amt_export.plot import (
    DYNAMIC_RANGE,
    TICKS,
    cams,
    cochleagram,
    level_range,
    panels,
    picture,
    save,
)
from amt_export.plot.columns import gathered
from support.plot import FC, FRAMES, FS, SAMPLES, SECONDS, SUBBANDS, image_of, manifest, ridge, tone


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 4000.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_ridge_lies_at_the_tone(frequency, reverse):
    fc = FC[::-1] if reverse else FC
    model = manifest(("subbands", "Pa", SAMPLES), fc=fc)
    image = image_of(cochleagram({"subbands": ridge(frequency, fc=fc)}, model, FS, "tone"))
    levels = np.asarray(image.get_array())
    left, right, low, high = image.get_extent()
    assert (left, right) == (0.0, SECONDS)
    row = levels[:, levels.shape[1] // 2].argmax()
    place = low + (row + 0.5) / len(levels) * (high - low)
    assert place == pytest.approx(cams(frequency), abs=0.6)  # within half a channel


def test_ticks_are_frequencies_at_their_places():
    axes = cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["100", "200", "500", "1k", "2k", "4k", "8k"]
    np.testing.assert_allclose(axes.get_yticks(), cams([100, 200, 500, 1000, 2000, 4000, 8000]))
    assert axes.get_ylabel() == "frequency (Hz)"
    assert axes.get_xlim() == (0, SECONDS)


def test_cams_is_the_scale_of_the_filterbanks():
    torch = pytest.importorskip("torch")
    from amt_export.erb import fc2erb

    hz = torch.tensor(TICKS, dtype=torch.float64)
    np.testing.assert_allclose(cams(TICKS), fc2erb(hz).numpy())


def test_pressure_reads_in_db_spl():
    (panel,) = panels({"subbands": ridge(FC[10], amplitude=np.sqrt(2))}, SUBBANDS, FS)
    assert panel.unit == "dB SPL"
    steady = panel.levels[10, 20:-20]  # 1 Pa RMS
    np.testing.assert_allclose(steady, 93.98, atol=0.1)


def test_a_velocity_has_an_absolute_level():
    model = manifest(("velocity", "m/s", SAMPLES))
    for amplitude in (1e-7, 1e-5):
        (panel,) = panels({"velocity": amplitude * ridge(FC[10])}, model, FS)
        assert panel.unit == "dB re 1 m/s"
        expected = 20 * np.log10(amplitude / np.sqrt(2))
        np.testing.assert_allclose(panel.levels[10, 20:-20], expected, atol=0.1)


def test_energy_survives_blocks_of_any_number():
    """A constant has one level throughout, also in the last, shorter block and at the ends."""
    for samples in (1, 31, 32, 33, 1000, 100_001):
        (panel,) = panels({"subbands": np.ones((1, 30, samples))}, SUBBANDS, FS)
        np.testing.assert_allclose(panel.levels, 20 * np.log10(1 / 2e-5))


def test_an_event_stays_where_it_happens():
    x = np.zeros((1, 30, 16000))
    x[..., 8000] = 1
    (panel,) = panels({"subbands": x}, SUBBANDS, FS)
    columns = panel.levels.shape[1]
    assert panel.levels[0].argmax() == pytest.approx(columns / 2, abs=1)


@pytest.mark.parametrize("unit", ["Pa", "m/s", "dB SPL"])
@pytest.mark.parametrize("audio", [None, np.zeros(999)])
def test_silence_is_black_and_named(unit, audio):
    axes = FRAMES if unit == "dB SPL" else SAMPLES
    silent = np.full((1, 999, 30), -60.0) if unit == "dB SPL" else np.zeros((1, 30, 999))
    if unit == "dB SPL" and audio is None:
        pytest.skip("a level alone may be that of a very soft sound")
    figure = cochleagram({"x": silent}, manifest(("x", unit, axes)), FS, "", audio)
    image = image_of(figure)
    np.testing.assert_allclose(image.norm(image.get_array()), 0.0, atol=1e-9)  # the darkest colour
    assert np.isfinite(image.get_clim()).all()
    assert [text.get_text() for text in figure.axes[0].texts] == ["silence"]


def test_the_peak_of_silence_lies_inside_the_picture():
    ears = Port("audio", ("batch", "ear", "time"), "full scale", shape=(1, 2, FS))
    model = replace(manifest(("velocity", "m/s", SAMPLES)), inputs=(ears,))
    figure = cochleagram({"velocity": np.zeros((1, 30, 999))}, model, FS, "", np.zeros(999))
    figure.draw_without_rendering()
    (peak,) = [text for ax in figure.axes for text in ax.texts if "peak" in text.get_text()]
    assert peak.get_window_extent().x1 <= figure.bbox.x1


def test_a_soft_sound_is_no_silence():
    figure = cochleagram({"subbands": 1e-6 * ridge()}, SUBBANDS, FS, "", 1e-6 * tone())
    assert not figure.axes[0].texts
    assert image_of(figure).norm(image_of(figure).get_array()).max() == pytest.approx(1.0, abs=0.01)


def test_pictures_with_the_same_limits_compare():
    images = [
        image_of(cochleagram({"subbands": a * ridge()}, SUBBANDS, FS, "", None, (20.0, 80.0)))
        for a in (1e-3, 1.0)
    ]
    assert {image.get_clim() for image in images} == {(20.0, 80.0)}
    bars = [image.colorbar.extend for image in images]
    assert bars == ["min", "both"]  # the second tone, of 91 dB SPL, is louder than the scale


def test_colours_span_the_dynamic_range():
    image = image_of(cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone"))
    low, high = image.get_clim()
    assert high - low == pytest.approx(DYNAMIC_RANGE)
    assert image.get_cmap().name == "magma"


def test_one_channel_and_no_batch_axis():
    model = manifest(("subbands", "Pa", SAMPLES), fc=[1000.0])
    figure = cochleagram({"subbands": tone()[None]}, model, FS, "tone", tone())
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1k"]


def test_frames_lie_at_the_middle_of_their_samples():
    model = manifest(
        ("excitation_left", "dB SPL", FRAMES),
        ("excitation_right", "dB SPL", FRAMES),
        hop=32,
        look_ahead=2047,
    )
    loud, soft = np.full((1, 100, 30), 60.0), np.full((1, 100, 30), 40.0)
    outputs = {"excitation_left": loud, "excitation_right": soft}
    left, right = panels(outputs, model, FS)
    assert (left.name, right.name) == ("excitation_left", "excitation_right")
    assert left.times == pytest.approx(((1023.5 - 16) / FS, (1023.5 - 16 + 3200) / FS))
    assert left.levels.shape == (30, 100)
    figure = cochleagram(outputs, model, FS, "two ears")
    assert [ax.get_title("left") for ax in figure.axes[:2]] == [
        "excitation left",
        "excitation right",
    ]
    clims = {ax.get_images()[0].get_clim() for ax in figure.axes[:2]}
    assert clims == {(60 - DYNAMIC_RANGE, 60.0)}  # one scale, so that sides compare


def test_centred_frames_begin_half_a_hop_early():
    model = manifest(("e", "dB SPL", FRAMES), hop=1024, warm_up=1024, look_ahead=1024)
    (panel,) = panels({"e": np.zeros((1, 4, 30))}, model, FS)
    assert panel.times == pytest.approx((-512 / FS, 3.5 * 1024 / FS))


def test_a_density_is_an_image_in_db():
    bins = tuple(np.linspace(0.0, FS / 2, 129))
    model = manifest(("psd", "Pa^2/Hz", ("batch", "frame", "frequency")), fc=bins, hop=1024)
    density = np.full((1, 6, 129), 4e-10)
    density[0, 2, 32] = 4e-4
    (panel,) = panels({"psd": density}, model, FS)
    assert panel.unit == "dB SPL in 1 Hz"
    assert panel.levels.shape == (129, 6)
    assert panel.levels[32, 2] == pytest.approx(60.0)
    assert panel.levels[31, 2] == pytest.approx(0.0)
    figure = cochleagram({"psd": density, "freqs": np.array(bins)}, model, FS, "line")
    levels = np.asarray(image_of(figure).get_array())
    low, high = image_of(figure).get_extent()[2:]
    place = low + (levels[:, 2].argmax() + 0.5) / len(levels) * (high - low)
    assert place == pytest.approx(cams(2000.0), abs=0.1)


def test_densities_are_averaged_as_power():
    bins = tuple(np.linspace(0.0, FS / 2, 9))
    model = manifest(("psd", "Pa^2/Hz", ("batch", "frame", "frequency")), fc=bins)
    density = np.zeros((1, 2 * 2400, 9))
    density[0, ::2] = 8e-10
    (panel,) = panels({"psd": density}, model, FS)
    np.testing.assert_allclose(panel.levels, 0.0, atol=1e-9)


def test_the_place_on_the_cochlea_is_on_the_right():
    axes = cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone").axes[0]
    (numbers,) = axes.child_axes
    assert numbers.get_ylabel() == "ERB number (Cam)"
    np.testing.assert_array_equal(numbers.get_yticks(), np.arange(5, 34, 5))


def test_labels_do_not_touch():
    bins = tuple(np.linspace(0.0, 16000.0, 129))
    model = manifest(("psd", "Pa^2/Hz", ("batch", "frame", "frequency")), fc=bins)
    axes = cochleagram({"psd": np.ones((1, 6, 129))}, model, FS, "flat").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["50", "100", "200", "500", "1k", "2k", "4k", "8k", "16k"]


def test_nothing_to_draw():
    model = manifest(("freqs", "Hz", ("channel",)))
    with pytest.raises(InputError, match="tiny: no output over time and frequency"):
        panels({"freqs": np.zeros(30)}, model, FS)
    with pytest.raises(InputError, match="no output"):
        panels({}, SUBBANDS, FS)


def test_saved_picture_is_a_png(tmp_path):
    path = tmp_path / "picture.png"
    figure = cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone", tone())
    save(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(PublishError, match="No such file or directory; give another place"):
        save(figure, tmp_path / "nowhere" / "picture.png")


def test_text_of_a_title_is_text():
    """A file name may hold what matplotlib would take for mathematics."""
    figure = cochleagram({"subbands": ridge()}, SUBBANDS, FS, "a_$\\frac{$.wav", tone())
    figure.draw_without_rendering()


def test_matplotlib_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'amt_export\[plot\]'"):
        cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone")


def test_imports_without_matplotlib():
    code = "import sys, amt_export.plot, amt_export.audio.calibration; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_suffix_says_the_format_and_equal_pictures_are_equal_files(suffix, begin, tmp_path):
    contents = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}{suffix}"
        save(cochleagram({"subbands": ridge()}, SUBBANDS, FS, "tone"), path)
        contents.append(path.read_bytes())
    assert contents[0].startswith(begin)
    assert contents[0] == contents[1]


def test_the_range_of_levels_is_that_of_the_colours():
    columns = gathered({"subbands": ridge()}, SUBBANDS, FS, np.ones(1600))
    image = image_of(picture(columns, FS, "tone"))
    assert level_range(columns) == pytest.approx(image.get_clim())
    assert level_range(columns, (-20.0, 40.0)) == (-20.0, 40.0)


def test_silence_has_no_range_of_levels():
    columns = gathered({"subbands": 0 * ridge()}, SUBBANDS, FS, np.zeros(1600))
    assert level_range(columns) is None
