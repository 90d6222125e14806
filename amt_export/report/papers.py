"""The papers and standards that models implement: the one list that model cards and documentation cite.

It is a BibTeX file, ``references.bib``, so that a reader can copy an entry as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REFERENCES = Path(__file__).with_name("references.bib")

ENTRY = re.compile(r"^@(\w+)\{([\w-]+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},$", re.MULTILINE)
VENUES = ("journal", "booktitle", "institution")


@dataclass(frozen=True)
class Paper:
    """A paper, a chapter or a standard.

    Parameters
    ----------
    key : str
        In ``references.bib``.
    authors : tuple of str
        ``"First Last"``.
    title, venue : str
        The venue with volume and pages.
    year : str
    doi : str
        Empty where there is none.
    bibtex : str
        The entry as it stands in the file.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: str
    doi: str
    bibtex: str

    @property
    def citation(self) -> str:
        """One line: authors, title, venue and year.

        Examples
        --------
        >>> print(papers()["lopezpoveda2001"].citation)
        Enrique A. Lopez-Poveda and Ray Meddis, "A human nonlinear cochlear filterbank", Journal of the
        Acoustical Society of America 110, 3107-3118 (2001)
        """
        *first, last = self.authors
        names = f"{', '.join(first)} and {last}" if first else last
        return f'{names}, "{self.title}", {self.venue} ({self.year})'


@cache
def papers() -> dict[str, Paper]:
    """Return all papers of ``references.bib`` by key."""
    text = REFERENCES.read_text(encoding="utf-8")
    return {match[2]: _paper(match) for match in ENTRY.finditer(text)}


def _paper(match: re.Match[str]) -> Paper:
    fields = {name: _plain(value) for name, value in FIELD.findall(match[3])}
    venue = next((fields[name] for name in VENUES if name in fields), "")
    numbers = ", ".join(fields[name] for name in ("volume", "pages") if name in fields)
    return Paper(
        key=match[2],
        authors=tuple(_name(author) for author in fields["author"].split(" and ")),
        title=fields["title"],
        venue=f"{venue} {numbers}".strip(),
        year=fields["year"],
        doi=fields.get("doi", ""),
        bibtex=match[0],
    )


def _plain(text: str) -> str:
    """Return a value of BibTeX without its markup."""
    return text.replace("--", "-").replace("{", "").replace("}", "")


def _name(author: str) -> str:
    last, _, first = author.partition(", ")
    return f"{first} {last}".strip()
