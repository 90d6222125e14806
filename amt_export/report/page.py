"""`parity.html`: all published models on one page that needs nothing else, not even a connection."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from amt_export.manifest import MANIFEST_NAME, Manifest, ParityRow, load_manifest, verify_files
from amt_export.manifest.json_text import one_line
from amt_export.manifest.safe_files import member, read_file
from amt_export.report.markdown import amount, left_out_sentence, place, version
from amt_export.report.style import PAGE_STYLE

# Ours have 30 kB, and a folder has three of them.
PICTURE_BYTES = 2**20
PICTURES = 20


@dataclass(frozen=True)
class Published:
    """A published folder: its manifest, and its pictures as SVG by name."""

    manifest: Manifest
    pictures: Mapping[str, bytes]


def read_published(folder: Path) -> Published:
    """Read what a page shows of a folder.

    Raises
    ------
    ArtifactError
        If it is none, or its files are not those that were published: then its numbers are not theirs.
    """
    manifest = load_manifest(folder)
    verify_files(folder, manifest.files)
    # A folder of schema 1 says nothing of its pictures.
    others = {entry.path: entry for entry in getattr(manifest, "other_files", ())}
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ".svg")
    if others:
        names = [name for name in names if name in others]
        verify_files(folder, [others[name] for name in names])
    pictures = {
        member(folder, name).stem: read_file(member(folder, name), PICTURE_BYTES)
        for name in names[:PICTURES]
    }
    return Published(manifest, pictures)


def published_folders(out: Path) -> list[Path]:
    """The published folders in a folder, by name."""
    # Also one whose manifest is a link to nowhere: whoever reads it says so.
    entries = out.iterdir() if out.is_dir() else ()
    return sorted(path for path in entries if os.path.lexists(path / MANIFEST_NAME))


def parity_page(models: Sequence[Published]) -> str:
    """The page.

    Parameters
    ----------
    models : sequence of Published

    Returns
    -------
    str
        HTML.
    """
    rows = [row for model in models for row in model.manifest.parity]
    measured = [row for row in rows if row.worst is not None]
    failed = [row for row in measured if not row.within]
    artifacts = sum(len(model.manifest.files) for model in models)
    verdict = f"{len(failed)} beyond their tolerance" if failed else "all within their tolerances"
    head = (
        f"<p class=lead>{_count(len(models), 'model')}, {_count(artifacts, 'artifact')}, "
        f"{_count(len(measured), 'comparison')}: <strong>{verdict}</strong>.</p>"
    )
    body = [
        "<header><h1>Parity of the published artifacts</h1>",
        head,
        INTRODUCTION,
        "</header><main>",
        _overview(models),
        *(_model(model) for model in models),
        "</main>",
    ]
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Parity: {_count(len(models), 'model')}</title><style>{PAGE_STYLE}</style></head>\n"
        f"<body>{chr(10).join(body)}</body></html>\n"
    )


INTRODUCTION = """\
<p>Each artifact was opened from disk and compared with eager torch on eleven signals: noise from 20 to
120 dB SPL, a click, tones, a sweep, silence, speech. A bar shows how much of what is allowed the worst
difference uses up, on a logarithmic scale: full at the tolerance, half at a hundredth of it. This page repeats
what <code>manifest.json</code> in each folder says; <code>amt-export check</code> measures again.</p>"""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


FORMATS = ("float64", "torchscript", "exported_program", "onnx", "coreml")
HEADINGS = {
    "float64": "eager against float64",
    "torchscript": "TorchScript",
    "exported_program": "Exported&shy;Program",
    "onnx": "ONNX",
    "coreml": "Core ML",
}


def _overview(models: Sequence[Published]) -> str:
    """Model by format: the row that is nearest to its tolerance."""
    header = "".join(f"<th scope=col>{HEADINGS[name]}" for name in FORMATS)
    lines = []
    for model in models:
        manifest = model.manifest
        cells = "".join(_summary(manifest, name) for name in FORMATS)
        lines.append(
            f'<tr><th scope=row><a href="#{escape(manifest.name)}">{escape(manifest.name)}</a>'
            f"<span class=sub>{escape(manifest.module)}</span>{cells}"
        )
    return (
        "<section aria-labelledby=overview><h2 id=overview>All models</h2>"
        "<p class=notrun>Worst difference of each format over all outputs, forms and providers; below it "
        "the size of its files.</p>"
        + _scrolling(
            "All models",
            "<table><caption class=hidden>Worst difference of each format</caption>"
            f"<thead><tr><th scope=col>model{header}"
            f"</thead><tbody>{''.join(lines)}</tbody></table>",
        )
        + "</section>"
    )


def _summary(manifest: Manifest, name: str) -> str:
    rows = [row for row in manifest.parity if row.format == name]
    if not rows:
        return "<td class=none>not published"
    measured = [row for row in rows if row.worst is not None]
    if not measured:
        return "<td class=none>not run"
    row = max(measured, key=_share)
    sizes = [entry.bytes for entry in manifest.files if entry.format == name]
    size = f"<span class=sub>{size_of(sum(sizes))}</span>" if sizes else ""
    return f"<td>{_worst(row)}{size}"


def _share(row: ParityRow) -> float:
    """How much of what is allowed is used up."""
    if row.worst is None or row.worst == 0:
        return 0.0
    return row.worst / row.tolerance if row.tolerance else float("inf")


def _worst(row: ParityRow) -> str:
    """The number, a verdict in words for those who see no colours, and a bar."""
    good = row.within
    share = _share(row)
    # Four decades: a thousandth of what is allowed is a short bar, all of it a full one.
    width = 0 if share == 0 else max(2, min(100, round(100 * (1 + _log10(share) / 4))))
    verdict = "" if good else " <strong class=bad>too much</strong>"
    return (
        f"<span class=num>{escape(amount(row.worst, row.kind))}</span>{verdict}"
        f'<span class="bar {"good" if good else "wrong"}" aria-hidden=true>'
        f"<i style=width:{width}%></i></span>"
    )


def _log10(value: float) -> float:
    from math import inf, log10

    return 0.0 if value == inf else log10(value)


def _model(model: Published) -> str:
    manifest = model.manifest
    name = escape(manifest.name)
    pictures = "".join(
        f"<figure>{_picture(_caption(stem, svg), svg)}</figure>"
        for stem, svg in model.pictures.items()
    )
    inputs = ", ".join(f"{p.name} {list(p.shape)}" for p in manifest.inputs)
    outputs = ", ".join(f"{p.name} {list(p.shape)}" for p in manifest.outputs)
    parameters = ", ".join(f"{key} = {value}" for key, value in manifest.parameters.items())
    facts = {
        "module": f"{manifest.module}, {manifest.precision}",
        "parameters": parameters + (" and a checkpoint" if manifest.checkpoint else ""),
        "inputs": inputs,
        "outputs": outputs,
        "built with": ", ".join(f"{k} {v}" for k, v in manifest.versions.items()),
    }
    described = "".join(f"<dt>{escape(k)}<dd>{escape(v)}" for k, v in facts.items() if v)
    return (
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{name}</h2>'
        f"<p>{escape(manifest.description)}</p>{_rows(manifest)}{_skipped(manifest)}"
        f"<div class=figures>{pictures}</div>"
        f"<details><summary>What was built</summary><dl>{described}</dl>{_files(manifest)}</details>"
        f"{_settings(manifest)}</section>"
    )


def _rows(manifest: Manifest) -> str:
    header = ("format, provider", "output", "worst", "on", "where", "allowed", "verified by")
    lines = []
    for row in manifest.parity:
        worst = "not run" if row.worst is None else _worst(row)
        cells = [
            escape(row.output),
            worst,
            escape(row.signal or "-") if row.worst else "-",
            escape(place(row, manifest)),
            escape(amount(row.tolerance, row.kind)),
            escape(row.verified_by),
        ]
        lines.append(
            f"<tr><th scope=row>{escape(version(row))}" + "".join(f"<td>{cell}" for cell in cells)
        )
    headings = "".join(f"<th scope=col>{h}" for h in header)
    return _scrolling(
        f"Differences of {manifest.name}",
        f"<table><caption class=hidden>Differences of {escape(manifest.name)}</caption>"
        f"<thead><tr>{headings}</thead><tbody>{''.join(lines)}</tbody></table>",
    ) + (f"<p>{escape(sentence)}</p>" if (sentence := left_out_sentence(manifest)) else "")


def _picture(caption: str, svg: bytes) -> str:
    """An image, in which a browser runs no script and opens no link, unlike in SVG that is part of the page."""
    data = base64.b64encode(svg).decode()
    return (
        f'<img alt="{escape(caption)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption>"
    )


def _caption(stem: str, svg: bytes) -> str:
    if stem == "response":  # the picture says to itself what there is to see
        text = svg.decode(errors="replace")
        return one_line(
            unescape(text.partition("<desc")[2].partition(">")[2].partition("</desc>")[0])
        )
    output = stem.removeprefix("error").removeprefix("_")
    return f"Largest difference over all signals{f' of {output}' if output else ''}."


def _skipped(manifest: Manifest) -> str:
    reasons: dict[str, dict[str, None]] = {}
    for row in manifest.parity:
        for skip in row.skipped:
            what = f"{row.format} on {skip.provider.removesuffix('ExecutionProvider')}"
            reasons.setdefault(skip.reason, {})[what] = None
    if not reasons:
        return ""
    items = "".join(
        f"<li>{escape(', '.join(what))}: {escape(reason)}" for reason, what in reasons.items()
    )
    return f"<p class=notrun>Not run when this was built:</p><ul class=notrun>{items}</ul>"


def _files(manifest: Manifest) -> str:
    lines = "".join(
        f"<tr><th scope=row>{escape(entry.path)}<td class=num>{size_of(entry.bytes)}"
        f"<td><code>{escape(entry.sha256[:16])}</code>"
        for entry in manifest.files
    )
    return _scrolling(
        f"Files of {manifest.name}",
        "<table><thead><tr><th scope=col>file<th scope=col>size<th scope=col>SHA-256, first digits"
        f"</thead><tbody>{lines}</tbody></table>",
    )


def _settings(manifest: Manifest) -> str:
    lines = "".join(
        f"<tr><th scope=row>{escape(version(row))}<td>{escape(row.output)}<td>{escape(s.name)}"
        f"<td class=num>{len(s.signals)}<td class=num>{escape(amount(s.worst, row.kind))}"
        f"<td>{escape(s.signal)}"
        for row in manifest.parity
        for s in row.settings
    )
    if not lines:
        return ""
    headings = ("format", "output", "setting", "signals", "worst", "on")
    return (
        "<details><summary>Settings of ONNX Runtime</summary>"
        + _scrolling(
            f"Settings of {manifest.name}",
            f"<table><thead><tr>{''.join(f'<th scope=col>{h}' for h in headings)}</thead>"
            f"<tbody>{lines}</tbody></table>",
        )
        + "</details>"
    )


def _scrolling(label: str, table: str) -> str:
    """A table that scrolls by itself on a narrow screen, with keys too."""
    return f'<div class=scroll role=region tabindex=0 aria-label="{escape(label)}">{table}</div>'


def size_of(amount: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def write_page(out: Path, models: Iterable[Published]) -> None:
    """Write the page, as a whole or not at all."""
    temporary = out.with_name(f".{out.name}.part")
    temporary.write_text(parity_page(list(models)), encoding="utf-8")
    temporary.replace(out)
