"""Options, and numbers with their units, stay on one line; browsers break after hyphens and at spaces."""

from __future__ import annotations

import re

TOGETHER = re.compile(
    r"(?<![\w-])--?[a-zA-Z][\w-]*"  # --level, -o
    r"|(?<![\w-])amt-export(?![\w-])"
    r"|(?<![\w.-])[-+]?\d[\d.,]*(?:e-\d+)?(?: (?:dB|MU|Hz|kHz|ms|MB|kB|GB|MHz|Pa|%)(?![\w/]))"
    r"|(?<![\w.-])\d[\d.]*e-\d+"
)

# Elements in which a line break means nothing, or in which no element may stand.
SKIPPED = ("pre", "script", "style", "svg", "math", "title", "textarea", "template", "option")


def keep_together(html: str) -> str:
    """Wrap what belongs on one line, in the text of a whole page."""
    head, body, rest = html.partition("<body")
    skipping = ""
    pieces = []
    for piece in re.split(r"(<[^>]*>)", body + rest):
        tag = re.match(r"<(/?)([a-z]+)", piece)
        if not piece.startswith("<") and not skipping:
            piece = TOGETHER.sub(r'<span class="one-line">\g<0></span>', piece)
        elif tag and not skipping and not tag[1] and tag[2] in SKIPPED:
            skipping = tag[2]
        elif tag and tag[1] and tag[2] == skipping:
            skipping = ""
        pieces.append(piece)
    return head + "".join(pieces)
