"""Docstrings as the API reference shows them: what numpydoc has and mkdocstrings does not know."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

# Several parameters under one description: "f_min, f_max : float" and the indented lines below.
SHARED = re.compile(r"^((?:\w+, )+\w+)( : .*\n)((?: {4}.*\n|\n(?= {4}))*)", re.MULTILINE)
FOOTNOTE = re.compile(r"^\.\. \[(\d+)\] ", re.MULTILINE)


class Docstrings(Extension):
    """Rewrites docstrings on the way from the source to the page."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of one function, class or module."""
        if obj.docstring is None:
            return
        if obj.is_module:  # the pages have introductions of their own
            obj.docstring = None
            return
        # One entry for each name, or all would have the default of the first.
        text = SHARED.sub(
            lambda found: "".join(f"{name}{found[2]}{found[3]}" for name in found[1].split(", ")),
            obj.docstring.value + "\n",
        )
        if FOOTNOTE.search(text):
            # Markdown wants the lines of a list's entry four columns in, and a blank line above the list.
            text = re.sub(r"^ {3}(?=\S)", "    ", FOOTNOTE.sub(r"\1. ", text), flags=re.MULTILINE)
            text = re.sub(r"^(References\n-+\n)", r"\1\n", text, flags=re.MULTILINE)
        text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)  # roles of Sphinx
        obj.docstring.value = re.sub(r" \[(\d+)\]_", r" [\1]", text)
