"""Checks of a ``.pt2`` file before torch loads it.

`torch.export.load` runs code that a file brings along, in more than one way: it unpickles members without
``weights_only``, evaluates the text of symbolic sizes and guards, looks operators up by name below `torch`,
and writes names into Python source. None of these is needed for a graph of aten operators with a fixed
layout, which is what this package exports. So everything else is refused; and torch is given a new archive of
the members that were looked at, as no two readers of zip archives agree on a damaged one.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError, CheckpointError
from amt_export.manifest.safe_files import open_archive
from amt_export.model_file.stored_tensors import check_stored

# Members of an archive, below its root folder. Weights and constants are raw bytes; pickled objects, compiled
# code and the pickled layouts of older versions of torch are not among them.
PROGRAM = "models/model.json"
EXAMPLE = "data/sample_inputs/model.pt"
CONFIGS = (
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)
MARKS = (
    "archive_format",
    "archive_version",
    "byteorder",
    ".data/version",
    ".data/serialization_id",
)
TENSOR = re.compile(r"data/(weights/weight|constants/tensor)_[0-9]+|extra/[\w.]+", re.ASCII)

# aten computes; its `from_file` maps a file. Sizes of a free batch are computed in Python's integers.
OPERATOR = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b)\w+\.\w+"
    r"|_operator\.(add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge|getitem)",
    re.ASCII,
)
DOTTED = re.compile(r"[\w.]*", re.ASCII)
# The sizes that a free batch leads to, as sympy writes them: no attributes, no names but these.
EXPRESSION = re.compile(
    r"(?:\b(?:Symbol|Integer|Add|Mul|Max|Min|FloorDiv|CeilDiv|CleanDiv|PythonMod|Mod)\("
    r"|'[su][0-9]+'|\b[su][0-9]{1,9}\b|\b(?:integer|positive|nonnegative)=(?:True|False)"
    r"|-?\b[0-9]{1,18}\b|[(), ])*",
    re.ASCII,
)
TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict")


def checked_archive(path: Path) -> io.BytesIO:
    """Read a ``.pt2`` file whose loading runs no code of its own.

    Parameters
    ----------
    path : Path

    Returns
    -------
    BytesIO
        An archive of the same members, for `torch.export.load`.

    Raises
    ------
    ArtifactError
        If it is damaged or holds anything but a graph of aten operators, tensors and plain data.
    """
    with open_archive(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    root = next(iter(members), "").partition("/")[0]
    content = {}
    for name, data in members.items():
        top, _, inner = name.partition("/")
        known = inner in (PROGRAM, EXAMPLE, *CONFIGS, *MARKS) or TENSOR.fullmatch(inner)
        if top != root or not known:
            raise _refused(path, name, "is no part of a graph and its tensors")
        content[inner] = data
    for needed in (PROGRAM, EXAMPLE, *CONFIGS):
        if needed not in content:
            raise ArtifactError(f"{path}: {needed} is missing in it; build the model again")
    _check_program(path, _json(path, PROGRAM, content))
    for config in CONFIGS:
        _check_config(path, config, _json(path, config, content))
    try:
        check_stored(path, content[EXAMPLE])
    except CheckpointError as error:
        raise _refused(path, EXAMPLE, "holds more than tensors, or is damaged") from error
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
        for inner, data in content.items():
            archive.writestr(f"program/{inner}", data)
    copy.seek(0)
    return copy


def _refused(path: Path, member: str, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path}: {member[:80]!r} {reason}; loading it could run code, so it was not opened; "
        "build the model again"
    )


def _json(path: Path, member: str, content: dict[str, bytes]) -> Any:
    try:
        return json.loads(content[member])
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: {member} is not JSON that can be read; build it again"
        ) from error


def _check_program(path: Path, program: Any) -> None:
    """Every text of the graph: sizes, guards, argument layouts, operators, and names."""
    for where, text in _texts(program):
        if where == "expr_str":
            good = EXPRESSION.fullmatch(text) is not None and len(text) < 1000
        elif where in ("in_spec", "out_spec"):
            good = _plain_tree(text)
        elif where == "target":
            good = OPERATOR.fullmatch(text) is not None
        elif where == "torch_version":
            good = True  # compared, not evaluated
        else:
            good = DOTTED.fullmatch(text) is not None
        if not good:
            raise _refused(path, PROGRAM, f"has {where} {text[:60]!r}")


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text in parsed JSON with the key it belongs to; keys themselves belong to "key"."""
    waiting = [("", value)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                yield "key", key
                waiting.append((key, item))
        elif isinstance(value, list):
            waiting += [(where, item) for item in value]
        elif isinstance(value, str):
            yield where, value


def _plain_tree(text: str) -> bool:
    """Whether a tree of arguments is one of tuples, lists and dicts, whose keys are names."""
    try:
        _, waiting = json.loads(text)
        trees = [waiting]
        while trees:
            tree = trees.pop()
            if tree["type"] not in TREE_TYPES or not isinstance(tree["context"], str | None):
                return False
            keys = json.loads(tree["context"] or "null")
            if keys is not None and not all(
                isinstance(key, str) and DOTTED.fullmatch(key) for key in keys
            ):
                return False
            trees += tree["children_spec"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


def _check_config(path: Path, member: str, config: Any) -> None:
    """Weights and constants are raw bytes: `use_pickle` is how torch is made to unpickle them."""
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise ArtifactError(f"{path}: {member} describes no tensors; build the model again")
    prefix = "weight_" if "weights" in member else "tensor_"
    for name, entry in entries.items():
        raw = isinstance(entry, dict) and entry.get("use_pickle") is False
        if not raw or not str(entry.get("path_name")).startswith(prefix):
            raise _refused(path, member, f"says that {name[:60]!r} is pickled")
