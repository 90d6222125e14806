"""What the page says of all models together: an overview, how to read it, and what was not run."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from amt_export.manifest import Manifest
from amt_export.manifest.phrases import size
from amt_export.report.filters import model_class
from amt_export.report.html import HEADINGS, breakable, difference, scrolling, share

READING = """\
<section aria-labelledby=reading><h2 id=reading>How to read this page</h2><dl class=words>
<dt>worst difference<dd>Each file was opened from disk and compared with the same module in eager torch on
eleven signals: noise from 20 to 120 dB SPL, a click, tones, a sweep, silence, speech; models with adaptation
loops on two more. A difference is
relative to the peak of its channel (at least 1 % of the whole output's peak), in dB for outputs that are
levels, or in model units (MU) for internal representations.
<dt>bar and %<dd>The share of the tolerance that the worst difference uses up, on a linear scale: a full bar
is all of it.
<dt>float64<dd>No file. The module in its own precision, mostly float32, is compared with the same module in
float64: what rounding costs.
<dt>stream<dd>The form that takes block after block. Its blocks are joined and compared like the whole.
<dt>interpreter<dd>Only Apple machines have Core ML. The package was evaluated in numpy instead, operation
by operation.
<dt>interface only<dd>Inputs and outputs of the file were compared with the manifest, and nothing was
executed.
</dl><p>The numbers are those of <code>manifest.json</code> in each folder. <code>amt-export check</code>
measures again.</p> </section>
"""


def overview(manifests: Sequence[Manifest]) -> str:
    """Model by format: the row that is nearest to its tolerance, and the size of the files."""
    headings = ["model", *HEADINGS.values()]
    marks = ["", *(f" data-format={name}" for name in HEADINGS)]
    rows = []
    for place, manifest in enumerate(manifests):
        name = escape(manifest.name)
        cells = "".join(f"<td data-format={kind}>{_worst_of(manifest, kind)}" for kind in HEADINGS)
        rows.append(
            f'<tr class="model {model_class(place)}"><th scope=row><a href="#{name}">'
            f"{breakable(manifest.name)}</a>"
            f"<span class=sub>{escape(manifest.module)}</span>{cells}"
        )
    table = scrolling("All models", headings, "".join(rows))
    for heading, mark in zip(headings, marks, strict=True):
        table = table.replace(f"<th scope=col>{heading}", f"<th scope=col{mark}>{heading}", 1)
    return (
        "<section aria-labelledby=overview><h2 id=overview>All models</h2>"
        "<p class=soft>Worst difference of each format over all outputs, forms and providers, its share of the "
        f"tolerance, and the size of the files.</p>{table}</section>"
    )


def _worst_of(manifest: Manifest, format: str) -> str:
    rows = [row for row in manifest.parity if row.format == format]
    if not rows:
        return "<span class=none>not published</span>"
    measured = [row for row in rows if row.worst is not None]
    sizes = [entry.bytes for entry in manifest.files if entry.format == format]
    total = f"<span class=sub>{size(sum(sizes))}</span>" if sizes else ""
    return difference(max(measured or rows, key=share)) + total


def not_run(manifests: Sequence[Manifest]) -> str:
    """Places where nothing could be measured when the models were built, each reason once; empty if none."""
    reasons: dict[str, dict[str, None]] = {}
    concerned: dict[str, set[str]] = {}
    for manifest in manifests:
        for row in manifest.parity:
            for skip in row.skipped:
                what = f"{row.format} on {skip.provider.removesuffix('ExecutionProvider')}"
                reasons.setdefault(skip.reason, {})[what] = None
                concerned.setdefault(skip.reason, set()).add(manifest.name)
    if not reasons:
        return ""
    items = "".join(
        f"<li>{escape(', '.join(what))}: {escape(reason)}{_which(concerned[reason], len(manifests))}"
        for reason, what in reasons.items()
    )
    return (
        "<section aria-labelledby=not-run><h2 id=not-run>Not run</h2>"
        "<p class=soft>Where these models were built, the following was not there.</p>"
        f"<ul>{items}</ul></section>"
    )


def _which(names: set[str], count: int) -> str:
    """The models that a reason concerns, if not all."""
    return "" if len(names) == count else f" ({escape(', '.join(sorted(names)))})"
