"""Measure what `reference` changes, in dB at named channels, and write the tables of docs/references.md.

    python scripts/measure_references.py             the forms of this package: a minute
    python scripts/measure_references.py --peer DIR  and torch_amt (pip install --no-deps -t DIR torch_amt)
    python scripts/measure_references.py --print     show the tables, write nothing

Everything is computed in float64, except torch_amt, which is run as it is. Without --peer the tables that need
it keep the figures that the page has.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from types import ModuleType

from reference_tables import TABLES, Differences, Table

from amt_export.cli.peer import TORCHAUDIO, find_peer

PAGE = Path(__file__).parents[1] / "docs" / "references.md"


def markdown(table: Table) -> str:
    """A table in markdown, the first row as its head."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def place(name: str) -> re.Pattern[str]:
    """Where a table stands in the page."""
    return re.compile(rf"(?<=<!-- measured: {name} -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def torch_amt(folder: Path | None) -> ModuleType | None:
    """torch_amt, if its folder is given."""
    if folder is None:
        return None
    find_peer(folder)
    # Imported by torch_amt at its top, used by none of these modules.
    sys.modules |= {name: ModuleType(name) for name in TORCHAUDIO}
    import torch_amt as peer

    return peer


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, metavar="DIR", help="folder with torch_amt")
    parser.add_argument("--print", action="store_true", dest="show", help="write nothing")
    options = parser.parse_args(arguments)
    peer = torch_amt(options.peer)
    page = PAGE.read_text(encoding="utf-8")
    differences: Differences = []
    tables = {name: measure(peer, differences) for name, measure in TABLES.items()}
    if peer is not None:
        head = ["torch_amt itself", "against `reference`", "largest difference in these tables"]
        rows = [[name, f"`{form}`", f"{apart:.3f} dB"] for name, form, apart in differences]
        tables["peer"] = [head, *rows]
    for name, table in tables.items():
        if table is None:
            continue
        text = markdown(table)
        print(f"{name}\n\n{text}\n", flush=True)
        page = place(name).sub(text.replace("\\", r"\\"), page)
    if not options.show:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
