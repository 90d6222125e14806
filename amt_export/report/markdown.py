"""The section "Error" of a model card: difference between each artifact and eager torch, as markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from amt_export.manifest import BEYOND, Manifest, ParityRow
from amt_export.manifest.phrases import magnitude

MARKUP = re.compile(r"[\\`*{}\[\]<>|#&~]|\b_|_\b")

INTRODUCTION = """\
Each file was opened from disk and compared with the same module in eager torch, on eleven signals: noise from
20 to 120 dB SPL, a click, tones, a sweep, silence, speech; models with adaptation loops on two more. A
relative difference is per channel: the largest difference over the larger of the channel's peak and 1 % of the
whole output's; levels are compared in dB, internal representations in model units (MU). The rows `float64` are
no files: they compare the module in {precision} with itself in float64, and say what rounding costs. A `stream`
is joined from its blocks and compared like the whole form. ONNX files run on all signals as ONNX Runtime opens
them by default, and in the other settings below on {few}; `worst` is the worst of all of them.
"""

NARROW = """\
`float32`: the stream as formats without float64 have it; the others compute in float64 inside.
"""

INTERPRETER = """\
`interpreter`: not run by Core ML, which only Apple machines have; the saved package was
evaluated in numpy, as its operations are documented.
"""

LEFT_OUT = """\
{left_out} of {frames} frames of the suite are left out of the comparison: a component in them lies within
0.01 dB of the relevance threshold, where rounding may decide whether it is relevant.
"""


def error_section(manifest: Manifest, captions: Mapping[str, str] | None = None) -> list[str]:
    """Return the paragraphs, without a heading.

    Parameters
    ----------
    manifest : Manifest
    captions : mapping, optional
        Name of each picture in the folder to what is said below it.
    """
    rows = [parity_line(row, manifest) for row in manifest.parity]
    header = ["format", "output", "worst", "on", "where", "allowed", "verified by"]
    introduction = INTRODUCTION.format(few=_reduced(manifest), precision=manifest.precision)
    paragraphs = [introduction.strip(), table(header, rows)]
    if sentence := left_out_sentence(manifest):
        paragraphs.append(sentence)
    if any(row.provider == "float32" for row in manifest.parity):
        paragraphs.append(NARROW.strip())
    if any(row.verified_by == "interpreter" for row in manifest.parity):
        paragraphs.append(INTERPRETER.strip())
    paragraphs += _not_run(manifest)
    for file, caption in (captions or {}).items():
        paragraphs += [f"![{caption}]({file})", caption]
    if settings := list(_settings(manifest)):
        paragraphs.append(
            table(["format", "output", "setting", "signals", "worst", "on"], settings)
        )
    return paragraphs


def left_out_sentence(manifest: Manifest) -> str:
    """How many frames were not compared, and why; empty if all were."""
    most = max(manifest.parity, key=lambda row: row.left_out, default=None)
    if most is None or not most.left_out:
        return ""
    return LEFT_OUT.format(left_out=most.left_out, frames=most.frames).strip()


def parity_line(row: ParityRow, manifest: Manifest) -> list[str]:
    """Cells of one row of the parity table, in the order of its header."""
    return [
        version(row),
        row.output,
        amount(row.worst, row.kind),
        (row.signal or "-") if row.worst else "-",
        place(row, manifest),
        amount(row.tolerance, row.kind),
        row.verified_by,
    ]


def version(row: ParityRow) -> str:
    """What was run, and where, unless that is the place where its format always runs first."""
    words = [row.format if row.form == "whole" else f"{row.format}, {row.form}"]
    if row.provider not in ("torch", "numpy", "CPU_ONLY", "none"):
        words.append(f"({row.provider.removesuffix('ExecutionProvider')})")
    return " ".join(words)


def amount(value: float | None, kind: str) -> str:
    """A difference with its unit."""
    if value is None:
        return "not run"
    if value >= BEYOND:
        return "infinite"
    return magnitude(value, kind)


def place(row: ParityRow, manifest: Manifest) -> str:
    """The channel with the worst difference, and its centre frequency if it has one."""
    if row.channel is None or row.worst == 0:
        return "-"
    port = next((port for port in manifest.outputs if port.name == row.output), None)
    centre = manifest.centre_frequencies
    if port is not None and port.components is None and len(centre) in port.shape[1:]:
        return f"channel {row.channel}, {centre[row.channel]:.0f} Hz"
    kind = "slot" if port is not None and port.components is not None else "channel"
    if port is not None and "bin" in port.axes:
        kind = "bin"
    return f"{kind} {row.channel}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table of plain texts."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    escaped = (map(plain, cells) for cells in rows)
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in escaped])


def plain(text: str) -> str:
    """A text in which nothing is markup, neither of markdown nor of HTML."""
    return MARKUP.sub(r"\\\g<0>", text)


def _reduced(manifest: Manifest) -> str:
    """The signals of the other settings."""
    signals = [
        ", ".join(setting.signals) for row in manifest.parity for setting in row.settings[1:]
    ]
    return signals[0] if signals else "fewer signals"


def _settings(manifest: Manifest) -> Iterator[list[str]]:
    for row in manifest.parity:
        for setting in row.settings:
            yield [
                version(row),
                row.output,
                setting.name,
                str(len(setting.signals)),
                amount(setting.worst, row.kind),
                setting.signal,
            ]


def _not_run(manifest: Manifest) -> list[str]:
    """Places that could not be measured, one item a reason."""
    reasons: dict[str, dict[str, None]] = {}
    for row in manifest.parity:
        for skip in row.skipped:
            provider = skip.provider.removesuffix("ExecutionProvider")
            reasons.setdefault(skip.reason, {})[f"{row.format} on {provider}"] = None
    lines = [f"- {plain(', '.join(what))}: {plain(reason)}" for reason, what in reasons.items()]
    return ["Not run when this was built:\n\n" + "\n".join(lines)] if lines else []
