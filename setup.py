"""What pyproject.toml cannot say: a README whose links also work outside of the repository, as on PyPI."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent

# Markdown: [text](target) and ![alternative text](target).
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def absolute(text: str, source: str) -> str:
    """Return a page whose relative links point into the repository at `source`."""

    def replaced(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        kind = "raw" if mark else "blob"  # a picture, not the page that shows it
        return f"{mark}[{words}]({source}/{kind}/main/{target.removeprefix('./')})"

    return LINK.sub(replaced, text)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    setup(
        long_description=absolute(
            (ROOT / "README.md").read_text(encoding="utf-8"), project["urls"]["Source"]
        ),
        long_description_content_type="text/markdown",
    )
