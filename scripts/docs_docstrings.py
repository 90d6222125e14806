"""Docstrings as the API reference shows them: what numpydoc has and mkdocstrings does not know."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

FOOTNOTE = re.compile(r"^\.\. \[(\d+)\] ", re.MULTILINE)


class Docstrings(Extension):
    """Rewrites docstrings on the way from the source to the page."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of one function, class or module."""
        if obj.docstring is None:
            return
        text: str = obj.docstring.value
        if FOOTNOTE.search(text):
            # Markdown wants the lines of a list's entry four columns in, and a blank line above the list.
            text = re.sub(r"^ {3}(?=\S)", "    ", FOOTNOTE.sub(r"\1. ", text), flags=re.MULTILINE)
            text = re.sub(r"^(References\n-+\n)", r"\1\n", text, flags=re.MULTILINE)
        text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)  # roles of Sphinx
        obj.docstring.value = re.sub(r" \[(\d+)\]_", r" [\1]", text)
