"""The manifest's numbers for a reader."""

from __future__ import annotations

from amt_export.manifest import Manifest, ParityRow


def _amount(value: float | None, kind: str) -> str:
    if value is None:
        return "not run"
    return f"{value:.1e} dB" if kind == "db" else f"{value:.1e}"


def parity_line(row: ParityRow) -> tuple[str, ...]:
    """Cells of one row of the parity table, in the order of its header."""
    return (
        row.format if row.form == "whole" else f"{row.format}, {row.form}",
        row.output,
        _amount(row.worst, row.kind),
        row.signal or "-",
        _amount(row.tolerance, row.kind),
        row.verified_by,
    )


def _flips(row: ParityRow) -> str:
    return f"{row.flips} of {row.undecided}"


def _unit(manifest: Manifest) -> str:
    if any(port.components for port in manifest.outputs):
        return "components that are there or not, over all signals"
    return "frames of all signals in which it shows"


def parity_markdown(manifest: Manifest) -> str:
    """`parity.md` of a published folder."""
    lines = [
        f"# {manifest.name}",
        "",
        manifest.description,
        "",
        "Every artifact was opened from disk and compared with eager torch on the signal suite; the row",
        "`reference` compares eager torch in the exported dtype with float64. Relative differences are per",
        "channel, over the larger of the channel's peak and 1 % of the whole output's. A `stream` is joined",
        "from its blocks and compared like the whole form.",
        "",
        "| format | output | worst | on | allowed | verified by |",
        "|---|---|---|---|---|---|",
    ]
    decides = any(row.undecided for row in manifest.parity)
    if decides:
        lines[-2:] = [lines[-2] + " flips |", lines[-1] + "---|"]
    for row in manifest.parity:
        cells = (*parity_line(row), *((_flips(row),) if decides else ()))
        lines.append("| " + " | ".join(cells) + " |")
    if decides:
        lines += [
            "",
            "`flips`: what is too soft beside the rest is left out, and rounding may decide what lies within",
            "0.01 dB of that threshold. Of so many such decisions so many were taken otherwise:",
            f"{_unit(manifest)}. A tenth of them may be. Components are compared with",
            "themselves, whatever slot they are in; one that is missing, or too many, further from the",
            "threshold counts as infinitely wrong.",
        ]
    if any(row.verified_by == "interpreter" for row in manifest.parity):
        lines += [
            "",
            "`interpreter`: not run by Core ML, which only Apple machines have; the saved package was",
            "evaluated in numpy, as its operations are documented.",
        ]
    lines += ["", "| file | bytes | SHA-256 |", "|---|---|---|"]
    lines += [f"| {e.path} | {e.bytes} | {e.sha256} |" for e in manifest.files]
    lines += ["", "Built with " + ", ".join(f"{n} {v}" for n, v in manifest.versions.items()) + "."]
    return "\n".join(lines) + "\n"
