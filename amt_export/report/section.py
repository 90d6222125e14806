"""One model on the page: differences, pictures, what was built."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape, unescape

from amt_export.manifest import Manifest
from amt_export.manifest.json_text import one_line
from amt_export.manifest.phrases import size
from amt_export.report.html import breakable, difference, rows_of, scrolling
from amt_export.report.markdown import amount, left_out_sentence, place, version


def model_section(manifest: Manifest, pictures: Mapping[str, bytes], style: str) -> str:
    """Return the section.

    Parameters
    ----------
    manifest : Manifest
    pictures : mapping
        SVG by name.
    style : str
        Class of all that belongs to this model.
    """
    name = escape(manifest.name)
    figures = "".join(
        f"<figure>{_picture(_caption(stem, svg), svg)}</figure>" for stem, svg in pictures.items()
    )
    return (
        f'<section id="{name}" class="model {style}" aria-labelledby="h-{name}"><h2 id="h-{name}">{name}</h2>'
        f"<p>{escape(manifest.description)}</p>{_differences(manifest)}"
        f"<div class=figures>{figures}</div>"
        f"<details><summary>What was built</summary>{_facts(manifest)}{_files(manifest)}</details>"
        f"{_settings(manifest)}</section>"
    )


def _differences(manifest: Manifest) -> str:
    headings = ("format", "output", "worst difference", "on", "where", "allowed", "verified by")
    rows = "".join(
        rows_of(
            [
                breakable(version(row)),
                escape(row.output),
                difference(row),
                escape(row.signal or "-") if row.worst else "-",
                escape(place(row, manifest)),
                escape(amount(row.tolerance, row.kind)),
                escape(row.verified_by),
            ],
            row.format,
        )
        for row in manifest.parity
    )
    sentence = left_out_sentence(manifest)
    return scrolling(f"Differences of {manifest.name}", headings, rows) + (
        f"<p>{escape(sentence)}</p>" if sentence else ""
    )


def _facts(manifest: Manifest) -> str:
    parameters = ", ".join(f"{key} = {value}" for key, value in manifest.parameters.items())
    facts = {
        "module": f"{manifest.module}, {manifest.precision}",
        "parameters": parameters + (" and a checkpoint" if manifest.checkpoint else ""),
        "inputs": ", ".join(f"{p.name} {list(p.shape)} in {p.unit}" for p in manifest.inputs),
        "outputs": ", ".join(f"{p.name} {list(p.shape)} in {p.unit}" for p in manifest.outputs),
        "licence": manifest.license,
        "papers": ", ".join(manifest.references),
        "built with": ", ".join(f"{k} {v}" for k, v in manifest.versions.items()),
    }
    items = "".join(f"<dt>{escape(k)}<dd>{escape(v)}" for k, v in facts.items() if v)
    return f"<dl>{items}</dl>"


def _files(manifest: Manifest) -> str:
    rows = "".join(
        rows_of(
            [
                breakable(entry.path),
                size(entry.bytes),
                f"<code>{escape(entry.sha256[:16])}</code>",
            ],
            entry.format,
        )
        for entry in manifest.files
    )
    headings = ("file", "size", "SHA-256, first digits")
    return scrolling(f"Files of {manifest.name}", headings, rows)


def _settings(manifest: Manifest) -> str:
    rows = "".join(
        rows_of(
            [
                escape(version(row)),
                escape(row.output),
                escape(setting.name),
                str(len(setting.signals)),
                escape(amount(setting.worst, row.kind)),
                escape(setting.signal),
            ],
            row.format,
        )
        for row in manifest.parity
        for setting in row.settings
    )
    if not rows:
        return ""
    headings = ("format", "output", "setting", "signals", "worst difference", "on")
    table = scrolling(f"Settings of {manifest.name}", headings, rows)
    return f"<details data-format=onnx><summary>Settings of ONNX Runtime</summary>{table}</details>"


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
