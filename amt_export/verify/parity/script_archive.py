"""Check of the code in a TorchScript file: it may compute, but not write or map files."""

from __future__ import annotations

import re
from pathlib import Path

from amt_export.errors import ArtifactError
from amt_export.manifest.safe_files import open_archive

# aten::save and aten::from_file in any spelling, operators of other libraries, and objects written in C++. The
# language has no other names for them, and no way to put a name together.
FORBIDDEN = re.compile(
    r"\.(save|from_file)\b|\bops\.(?!prim\.|aten\.)|\btorch\.classes\b", re.ASCII
)


def check_script(path: Path) -> None:
    """Check the code of a TorchScript file before it is loaded, which runs a part of it.

    Raises
    ------
    ArtifactError
        If the archive is damaged, or the code uses files, other libraries or foreign objects.
    """
    with open_archive(path) as archive:
        for name in archive.namelist():
            if "/code/" not in name:
                continue
            # White space may stand around a point.
            code = re.sub(rb"[\s\\]*\.[\s\\]*", b".", archive.read(name)).decode("latin-1")
            if found := FORBIDDEN.search(code):
                raise ArtifactError(
                    f"{path}: its code uses {found.group()!r}, which a model does not need, so it was not "
                    "opened; build the model again"
                )
