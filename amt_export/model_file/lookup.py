"""Where model files are: `models/` in the working directory, then those that come with this package."""

from __future__ import annotations

from pathlib import Path

from amt_export.errors import SpecError
from amt_export.model_file.section import choices

OWN = Path("models")
# In a checkout a link to models/, in a wheel the files. Where git makes no links it is a file, not a folder.
PACKAGED = next(
    (
        folder
        for folder in (Path(__file__).parents[1] / "models", Path(__file__).parents[2] / "models")
        if folder.is_dir()
    ),
    OWN,
)


def model_files(models_dir: str | Path | None = None) -> list[Path]:
    """Return the model files of a folder, sorted by name.

    Parameters
    ----------
    models_dir : str or Path, optional
        By default ``models`` in the working directory, or else those that come with this package.
    """
    if models_dir is None:
        models_dir = OWN if OWN.is_dir() else PACKAGED
    return sorted(Path(models_dir).glob("*.toml"))


def named_model_files() -> list[Path]:
    """Return every model file that a name can mean: own ones, then those of this package with other names."""
    own = model_files()
    names = {path.stem for path in own}
    return [*own, *(path for path in model_files(PACKAGED) if path.stem not in names)]


def find_model_file(path_or_name: str | Path, models_dir: str | Path | None = None) -> Path:
    """The model file that a path or a name stands for.

    Parameters
    ----------
    path_or_name : str or Path
        A path ending in ``.toml``, which need not exist, or the name of a model.
    models_dir : str or Path, optional
        Look for names in this folder only.

    Raises
    ------
    SpecError
        If no model file has this name; the message has the closest one.
    """
    if Path(path_or_name).suffix == ".toml":
        return Path(path_or_name)
    known = named_model_files() if models_dir is None else model_files(models_dir)
    for path in known:
        if path.stem == str(path_or_name):
            return path
    where = "" if models_dir is None else f" in {models_dir}"
    names = choices(path_or_name, (path.stem for path in known))
    raise SpecError(f"{path_or_name}: no such model{where}; {names}")
