"""References of the pages, from amt_export/report/references.bib."""

from __future__ import annotations

import re
from pathlib import Path

BIBLIOGRAPHY = Path(__file__).resolve().parents[1] / "amt_export" / "report" / "references.bib"


def indented(text: str) -> str:
    """A text four columns to the right."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def bibliography() -> dict[str, str]:
    """The entries of amt_export/report/references.bib by key."""
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{([\w:-]+),.*?^\}", text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^@\w+\{.*?^\}", text, re.DOTALL | re.MULTILINE)
    return dict(zip(entries, blocks, strict=True))


def field(entry: str, name: str) -> str:
    """A field of a BibTeX entry, each on a line of its own."""
    found = re.search(rf"^\s*{name}\s*=\s*\{{(.*)\}},?$", entry, re.MULTILINE)
    return found[1] if found else ""


def reference(entry: str) -> str:
    """One entry as a sentence with a link."""
    authors = [" ".join(reversed(a.split(", "))) for a in field(entry, "author").split(" and ")]
    names = ", ".join(authors[:-1]) + " and " + authors[-1] if len(authors) > 1 else authors[0]
    where = field(entry, "journal") or field(entry, "booktitle") or field(entry, "institution")
    volume, pages = field(entry, "volume"), field(entry, "pages").replace("--", "\N{EN DASH}")
    place = ", ".join(part for part in (f"*{where}* {volume}".strip(), pages) if part)
    said = f"{names} ({field(entry, 'year')}). {field(entry, 'title')}. {place}."
    if doi := field(entry, "doi"):
        said += f" [doi:{doi}](https://doi.org/{doi})"
    elif url := field(entry, "url"):
        said += f" <{url}>"
    return said.replace("{", "").replace("}", "").replace(" -- ", " \N{EN DASH} ")


def cite(keys: list[str]) -> str:
    """References with DOI, and their BibTeX."""
    entries = [bibliography()[key] for key in keys]
    listed = "\n".join(f"- {reference(entry)}" for entry in entries)
    bibtex = indented("\n\n".join(entries))
    return f'{listed}\n\n??? quote "BibTeX"\n\n    ```bibtex\n{bibtex}\n    ```\n'
