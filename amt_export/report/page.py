"""`parity.html`: all published models on one page that needs nothing else, not even a connection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from amt_export.manifest import MANIFEST_NAME, Manifest, load_manifest, verify_files
from amt_export.manifest.phrases import count
from amt_export.manifest.safe_files import member, read_file
from amt_export.report.filters import filter_form, filter_style, model_class
from amt_export.report.origin import Origin, origin
from amt_export.report.section import model_section
from amt_export.report.style import PAGE_STYLE
from amt_export.report.summary import READING, not_run, overview

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


def parity_page(models: Sequence[Published], written: Origin) -> str:
    """The page.

    Parameters
    ----------
    models : sequence of Published
    written : Origin
        When and where, for the top of the page.

    Returns
    -------
    str
        HTML.
    """
    manifests = [model.manifest for model in models]
    names = [manifest.name for manifest in manifests]
    missing = not_run(manifests)
    body = [
        f"<header>{_head(manifests, written)}</header>",
        f"<div class=columns><aside>{filter_form(names)}{_contents(names, bool(missing))}</aside><main>",
        overview(manifests),
        READING,
        *(
            model_section(model.manifest, model.pictures, model_class(place))
            for place, model in enumerate(models)
        ),
        missing,
        "</main></div>",
    ]
    style = f"{PAGE_STYLE}{filter_style(len(models))}"
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Parity: {count(len(models), 'model')}</title><style>{style}</style></head>\n"
        f"<body>{chr(10).join(body)}</body></html>\n"
    )


def _head(manifests: Sequence[Manifest], written: Origin) -> str:
    """Title, verdict, and where the page comes from."""
    measured = [row for m in manifests for row in m.parity if row.worst is not None]
    failed = [row for row in measured if not row.within]
    artifacts = sum(len(manifest.files) for manifest in manifests)
    verdict = f"{len(failed)} beyond their tolerance" if failed else "all within their tolerances"
    return (
        "<h1>Parity of the published artifacts</h1>"
        f"<p class=soft>Written {escape(written.date)} by amt_export {escape(written.version)}, on "
        f"{escape(written.machine)}.</p>"
        f"<p class=lead>{count(len(manifests), 'model')}, {count(artifacts, 'artifact')}, "
        f"{count(len(measured), 'comparison')}: <strong>{verdict}</strong>.</p>"
    )


def _contents(names: Sequence[str], missing: bool) -> str:
    """Links to all sections."""
    entries = ["<li><a href=#overview>All models</a>", "<li><a href=#reading>How to read</a>"]
    entries += [
        f'<li class="model {model_class(place)}"><a href="#{escape(name)}">{escape(name)}</a>'
        for place, name in enumerate(names)
    ]
    if missing:
        entries.append("<li><a href=#not-run>Not run</a>")
    return f"<nav aria-label=Contents><ul>{''.join(entries)}</ul></nav>"


def write_page(out: Path, models: Iterable[Published]) -> None:
    """Write the page, as a whole or not at all."""
    temporary = out.with_name(f".{out.name}.part")
    temporary.write_text(parity_page(list(models), origin()), encoding="utf-8")
    temporary.replace(out)
