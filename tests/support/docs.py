"""Code blocks of README and of the documentation, and a folder in which they run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from support.filters import ROOT

DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<title>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$(?P<after>.*)",
    re.MULTILINE | re.DOTALL,
)
# What a page says below a block that no test runs: in italics, or in a comment.
MARK = re.compile(r"\s*(?:\*|<!-- )Not run by the tests[^:]*: (?P<reason>[^*>]+)\.(?:\*| -->)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, line, language, title, text, and why it is not run."""

    page: Path
    line: int
    language: str
    title: str
    code: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found, start = [], 0
    while match := FENCE.search(text, start):
        indent = match["indent"]
        code = "\n".join(line.removeprefix(indent) for line in match["code"].splitlines())
        mark = MARK.match(match["after"])
        title = re.search(r'title="([^"]*)"', match["title"])
        found.append(
            Block(
                page,
                text.count("\n", 0, match.start()) + 1,
                match["language"],
                title[1] if title else "",
                code + "\n",
                mark["reason"] if mark else None,
            )
        )
        start = match.end("code") + len(indent) + 3
    return found


def speech() -> tuple[np.ndarray, int]:
    """The sample recording."""
    return soundfile.read(ROOT / "tests" / "data" / "speech_22k.wav")


def write_recordings(folder: Path) -> None:
    """Short recordings under the names that the pages use."""
    samples, fs = speech()
    short = samples[fs : fs + fs // 4]
    for name in ("speech.wav", "calibrator.wav", "night.flac"):
        soundfile.write(folder / name, short, fs)
    soundfile.write(folder / "street.wav", np.stack([short, 0.5 * short], axis=1), fs)
    # None lies in recordings/ itself: results have the folders of their recordings.
    for name in ("recordings/day1/one.wav", "recordings/day2/two.wav", "extra/three.flac"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, short, fs)
