"""What the tests of cards and pages share: rows of every kind, and a page whose tags are checked."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from amt_export.manifest import BEYOND, ParityRow
from amt_export.manifest.parity_row import Setting, Skip
from amt_export.report.origin import Origin


def rows_of(manifest) -> list[ParityRow]:
    row = manifest.parity[0]
    cuda = replace(row, format="onnx", provider="CUDAExecutionProvider", worst=3e-3, channel=1)
    return [
        replace(cuda, tolerance=1e-6),
        replace(
            cuda, worst=None, signal=None, channel=None, provider="none", verified_by="interface"
        ),
        replace(cuda, worst=BEYOND, form="stream"),
        replace(cuda, worst=0.0, skipped=(Skip("cuda", "no <CUDA> & so"),)),
        replace(
            cuda,
            worst=1e-8,
            settings=(Setting("basic optimization, 1 thread", ("a", "b"), 1e-8, "a"),),
        ),
        replace(cuda, worst=1e-4, kind="db", tolerance=1e-3, left_out=3, frames=70),
    ]


class Page(HTMLParser):
    """Tags, links and texts, with a check that tags close."""

    VOID = ("meta", "link", "img", "br", "wbr")
    OPTIONAL = ("th", "td", "tr", "li", "dt", "dd", "tbody", "thead", "option")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for key, value in attributes:
            if key in ("src", "href", "srcset", "data", "action"):
                self.references.append(value)
            if key == "id":
                self.ids.append(value)
        if tag not in self.VOID + self.OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data.split()


WRITTEN = Origin("2026-01-02 03:04 UTC", "1.2.3, commit <abc>", "Linux & 2 cores")
