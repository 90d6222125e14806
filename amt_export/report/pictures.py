"""The pictures of a published folder: error over frequency, and response beside the analytic filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amt_export.manifest import Manifest, Port
from amt_export.report.chart import Axis, Chart, decade_axis, frequency_axis
from amt_export.report.response import BAND_DB, Response
from amt_export.verify.parity.compare import Worst

Array = npt.NDArray[np.float64]

# Colour and dashes of each version; the dashes tell them apart without colours.
STYLES = {
    "float64": ("c0", ""),
    "torchscript": ("c1", "2 3"),
    "exported_program": ("c2", "8 4"),
    "onnx": ("c3", ""),
    "coreml": ("c4", "8 3 2 3"),
}
NAMES = {"float64": "eager, float32 against float64"}
# Differences below this are drawn there: it is a thousandth of a float32's last digit.
SMALLEST = 1e-10
# More points than this are a line without dots; and more than so many columns are thinned out to them.
MOST_DOTS = 64
COLUMNS = 200
# Channels of the response that are drawn, evenly spaced; all would be a hedge.
CHANNELS = 8
LOWEST_DB = -90.0


@dataclass(frozen=True)
class Pictures:
    """SVG texts by file name, and what there is to say below each."""

    files: dict[str, str]
    captions: dict[str, str]


def draw(
    manifest: Manifest, worst: Mapping[str, Mapping[str, Worst]], response: Response | None
) -> Pictures:
    """Draw what was measured.

    Parameters
    ----------
    manifest : Manifest
    worst : mapping
        Format (or "float64") to output to what was measured.
    response : Response or None

    Returns
    -------
    Pictures
    """
    files, captions = {}, {}
    shown = [port for port in manifest.outputs if port.kind != "frequency"]
    for port in shown:
        file = "error.svg" if len(shown) == 1 else f"error_{port.name}.svg"
        files[file] = _errors(manifest, port, {f: w[port.name] for f, w in worst.items()})
        captions[file] = (
            f"Largest difference of `{port.name}` over all signals, by "
            f"{'frequency' if _frequencies(manifest, port) is not None else port.axes[-1]}."
        )
    if response is not None:
        files["response.svg"] = _responses(manifest, response)
        captions["response.svg"] = _about(manifest, response)
    return Pictures(files, captions)


def _frequencies(manifest: Manifest, port: Port) -> Array | None:
    """What the channels of an output stand for, in Hz; None where slots are filled as they come."""
    if port.components is not None:
        return None
    axis = port.axes.index("bin") if "bin" in port.axes else len(port.axes) - 1
    if "channel" in port.axes:
        axis = port.axes.index("channel")
    size = port.sized()[axis]
    if size == len(manifest.centre_frequencies):
        return np.asarray(manifest.centre_frequencies, np.float64)
    if "bin" in port.axes and manifest.sampling_rate is not None:
        return np.linspace(0.0, manifest.sampling_rate / 2.0, size)
    return None


def _errors(manifest: Manifest, port: Port, worst: Mapping[str, Worst]) -> str:
    kind = port.kind
    tolerances = {row.format: row.tolerance for row in manifest.parity if row.output == port.name}
    frequencies = _frequencies(manifest, port)
    size = next(iter(worst.values())).channels.size
    places = np.arange(size, dtype=np.float64) if frequencies is None else frequencies
    unit = " (dB)" if kind == "db" else ", relative"
    seen = np.concatenate([w.channels[w.channels > 0] for w in worst.values()] + [[1.0]])
    limit = max(tolerances.values())
    # An infinite difference is drawn at the upper edge.
    top = min(max(limit, *(float(w.channels.max()) for w in worst.values())), 1e3 * limit)
    low = max(SMALLEST, float(seen.min()), top * 1e-6)
    chart = Chart(
        f"{manifest.name}-{port.name}-error".replace("_", "-").replace(".", "-"),
        f"{manifest.name}: error of {port.name}",
        f"Largest difference of each channel over all signals. {_words(worst, kind)}",
        _places_axis(frequencies, size),
        decade_axis(low, top, f"largest difference{unit}"),
    )
    for place, tolerance in enumerate(sorted(set(tolerances.values()))):
        chart.limit(tolerance, "" if place else f"allowed: {_amounts(tolerances)}")
    for name, (style, dash) in STYLES.items():
        if name not in worst:
            continue
        label = NAMES.get(name, name)
        errors: Array = worst[name].channels.astype(np.float64)
        if not errors.any():
            chart.line([], [], style, f"{label}: no difference", dash)
            continue
        xs, ys = _thinned(places, errors)
        ys = np.where(ys >= low, ys, np.nan)
        chart.line(xs, ys, style, label, dash, label)
        if xs.size <= MOST_DOTS:
            where = [f"{x:.0f}" + (" Hz" if frequencies is not None else "") for x in xs]
            hints = [f"{label}: {y:.1e} at {x}" for x, y in zip(where, ys, strict=True)]
            chart.dots(xs, ys, style, hints)
    return chart.svg()


def _words(worst: Mapping[str, Worst], kind: str) -> str:
    unit = " dB" if kind == "db" else ""
    return "; ".join(
        f"{NAMES.get(name, name)}: at most {w.value:.1e}{unit} on {w.signal}"
        for name, w in worst.items()
    )


def _amounts(tolerances: Mapping[str, float]) -> str:
    """Each tolerance once."""
    values = sorted(set(tolerances.values()))
    return ", ".join(f"{value:.0e}".replace("e-0", "e-") for value in values)


def _places_axis(frequencies: Array | None, size: int) -> Axis:
    if frequencies is None or not frequencies.any():
        step = max(1, 10 ** (len(str(size)) - 1) // 2)
        ticks = [(float(k), str(k)) for k in range(0, size, step)]
        return Axis(0.0, max(size - 1.0, 1.0), "slot", ticks)
    positive = frequencies[frequencies > 0]
    return frequency_axis(min(float(positive.min()), 100.0), float(frequencies.max()) * 1.02)


def _thinned(places: Array, errors: Array) -> tuple[Array, Array]:
    """The largest error of each column, where there are more points than can be seen."""
    if places.size <= COLUMNS:
        return places, errors
    places, errors = places[1:], errors[1:]  # 0 Hz has no place on a logarithmic axis
    edges = np.geomspace(places[0], places[-1], COLUMNS + 1)
    column = np.clip(np.searchsorted(edges, places, "right") - 1, 0, COLUMNS - 1)
    filled = np.unique(column)
    return (
        np.array([places[column == k].mean() for k in filled]),
        np.array([errors[column == k].max() for k in filled]),
    )


def _about(manifest: Manifest, response: Response) -> str:
    """What the picture of the response shows."""
    channels = len(response.found)
    return (
        f"Frequency response of {min(CHANNELS, channels)} of {channels} channels of {manifest.name} for "
        f"soft sounds (thin), on that of the analytic filter (wide). Within {BAND_DB:.0f} dB of its peak "
        f"no channel is more than {_plain(response.deviation.max())} dB off."
    )


def _plain(value: float) -> str:
    """One digit, as people write it: 0.002, 6e-6."""
    return f"{value:.1g}".replace("e-0", "e-")


def _responses(manifest: Manifest, response: Response) -> str:
    channels = len(response.found)
    drawn = np.unique(np.linspace(0, channels - 1, min(CHANNELS, channels)).round().astype(int))
    grid = np.geomspace(30.0, response.frequencies[-1], 2 * COLUMNS)
    last = response.frequencies.size - 1
    columns = np.unique(np.searchsorted(response.frequencies, grid).clip(1, last))
    x = response.frequencies[columns]
    with np.errstate(divide="ignore"):
        found, analytic = (
            20.0 * np.log10(np.abs(h[np.ix_(drawn, columns)]))
            for h in (response.found, response.analytic)
        )
    top = 10.0 * np.ceil(float(analytic.max()) / 10.0)
    floor = top + LOWEST_DB
    found, analytic = (np.where(h < floor, np.nan, h) for h in (found, analytic))
    ticks = [(top - k, f"{top - k:.0f}") for k in range(0, int(-LOWEST_DB) + 1, 20)]
    chart = Chart(
        f"{manifest.name}-response".replace("_", "-").replace(".", "-"),
        f"{manifest.name}: frequency response",
        _about(manifest, response),
        frequency_axis(30.0, float(response.frequencies[-1])),
        Axis(floor, top, "level (dB)", ticks),
    )
    for place, (channel, fine, wide) in enumerate(zip(drawn, found, analytic, strict=True)):
        first = place == 0
        frequency = manifest.centre_frequencies[channel]
        hint = f"channel {channel}, {frequency:.0f} Hz: {_plain(response.deviation[channel])} dB off at most"
        chart.line(x, wide, "wide", "analytic filter" if first else "")
        chart.line(x, fine, "c3", "artifact" if first else "", hint=hint)
    return chart.svg()
