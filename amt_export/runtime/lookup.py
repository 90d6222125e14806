"""Where published models are found by their names.

A name means `artifacts/<name>` in the working directory, or else the model of this name in the installed
package `amt_export_models`: what you build yourself comes before what was installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from os import PathLike
from pathlib import Path

from amt_export.errors import ArtifactError
from amt_export.manifest import MANIFEST_NAME
from amt_export.manifest.safe_files import is_safe_name

ARTIFACTS = Path("artifacts")
"""Where `amt-export build` publishes by default, relative to the working directory."""

MODELS_PACKAGE = "amt_export_models"
"""The wheel that holds published models as files; it has no code."""


def models() -> list[str]:
    """Names that :func:`amt_export.runtime.load` takes here.

    Returns
    -------
    list of str
        Of the folders in `artifacts/` and of the installed `amt_export_models`, sorted, each once.

    Examples
    --------
    >>> from amt_export import runtime
    >>> names = runtime.models()   # ['casp_44k', 'casp_48k', ...] with amt_export_models installed
    """
    return sorted({*published_names(ARTIFACTS), *published_names(installed_models())})


def find_model(name_or_folder: str | Path) -> Path:
    """The published folder that a name or a path stands for.

    Parameters
    ----------
    name_or_folder : str or Path
        Path of a published folder, or the name of a model: `artifacts/<name>` comes before the installed
        `amt_export_models`.

    Returns
    -------
    Path
        A folder that exists; whether it is complete is for its reader to say.

    Raises
    ------
    ArtifactError
        If there is no such folder and no model of this name; the message has the closest names.

    Examples
    --------
    >>> from amt_export import runtime
    >>> folder = runtime.find_model("gammatone_speech_16k")                 # doctest: +SKIP
    >>> onnx_file = folder / "gammatone_speech_16k.onnx"                    # doctest: +SKIP
    """
    if not isinstance(name_or_folder, str | PathLike) or not str(name_or_folder):
        raise ArtifactError(
            f"{name_or_folder!r}: no model; give the name of one, or the path of a published folder"
        )
    path = Path(name_or_folder)
    if _is_published(path):
        return path
    if is_safe_name(str(name_or_folder)):
        for folder in model_folders():
            if _is_published(folder / path):
                return folder / path
    if _true(path.is_dir):  # its manifest is missing, which whoever reads it explains
        return path
    raise ArtifactError(_not_found(path))


def model_folders(out: Path = ARTIFACTS) -> list[Path]:
    """Folders that hold published models, in the order in which a name is looked up.

    Parameters
    ----------
    out : Path, optional
        Where own models are published.
    """
    installed = installed_models()
    return [out] if installed is None else [out, installed]


def published_names(folder: Path | None) -> list[str]:
    """Names of the published models in a folder, sorted; none without the folder."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if is_safe_name(path.name) and _is_published(path)
    )


def installed_models() -> Path | None:
    """The folder of the installed package `amt_export_models`; None where it is not installed."""
    try:
        found = importlib.util.find_spec(MODELS_PACKAGE)
    except (ImportError, ValueError):  # half removed
        return None
    locations = (found and found.submodule_search_locations) or ()
    return next((Path(location) for location in locations if Path(location).is_dir()), None)


def _is_published(folder: Path) -> bool:
    return _true((folder / MANIFEST_NAME).is_file)


def _true(question: Callable[[], bool]) -> bool:
    """Ask about a path; no for a name that no file can have."""
    try:
        return question()
    except (OSError, ValueError):
        return False


def _not_found(path: Path) -> str:
    """Say what is missing, what was probably meant, and what to do."""
    if _true(path.is_file):
        return f"{path}: is a file; give the name of a model or a published folder"
    if path.parent != Path():  # a path: its neighbours are what was probably meant
        near = _closest(path.name, published_names(path.parent))
        by_name = (
            f"; the model {path.name} is found by its name alone" if path.name in models() else ""
        )
        hint = f"; did you mean {str(path.parent / near)!r}?" if near else by_name
        return f"{path}: no such folder{hint or '; amt-export list shows what there is'}"
    names = models()
    if near := _meant(path.name, names):
        return f"{path}: no such model; did you mean {near}? amt-export list shows all"
    if names:
        return f"{path}: no such model, nor a published folder; amt-export list shows all"
    return (
        f"{path}: no such model, nor a published folder; pip install {MODELS_PACKAGE}, or build it: "
        f"amt-export build {path}"
    )


def _meant(name: str, names: Sequence[str]) -> str:
    """Return what was probably meant: all names that begin like this, or the closest one."""
    begin = [known for known in names if name and known.lower().startswith(name.lower())]
    near = _closest(name, names)
    several = begin or ([near] if near else [])
    return " or ".join(filter(None, (", ".join(map(repr, several[:-1])), *map(repr, several[-1:]))))


def _closest(name: str, names: Iterable[str]) -> str | None:
    lower = {known.lower(): known for known in names}  # a wrong case is the smallest mistake
    return next((lower[near] for near in get_close_matches(name.lower(), lower, n=1)), None)
