"""``amt-export list``: the models there are, and which formats of each are published."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amt_export.cli.arguments import Parser, add_json, add_out
from amt_export.cli.terminal.console import Text
from amt_export.cli.terminal.tables import count, json_text, output, plain_rows, plain_table, shape
from amt_export.errors import AmtExportError
from amt_export.manifest import Manifest, load_manifest
from amt_export.manifest.exchange import repair
from amt_export.model_file import FORMATS, Outline, named_model_files, read_outline
from amt_export.runtime.lookup import MODELS_PACKAGE, installed_models, published_names

HELP = "models, their shapes and formats, and what is published"

DESCRIPTION = """\
List all models: those of models/, those that come with this package, and
published ones, and which formats of each are published. Torch is not needed.
"""

EPILOG = f"""\
for each format: yes  published
                 old  published, but the model file says something else by now
                 pip  in the installed package {MODELS_PACKAGE}
                 no   not published yet (amt-export build MODEL)
                 -    not asked for by the model file

examples:
  amt-export list
  amt-export list -o /data/artifacts
  amt-export list --quiet | grep casp
"""

HEADERS = dict(zip(FORMATS, ("torch\nscript", "torch\nexport", "onnx", "core\nml"), strict=True))
"""By format, narrow enough for a line of 80."""


@dataclass(frozen=True)
class Listed:
    """One model: what it is, where it is, and the state of each format."""

    name: str
    module: str
    description: str
    inputs: dict[str, tuple[int | None, ...]]
    formats: dict[str, str]
    model_file: str | None
    folder: str | None


def add(parser: Parser) -> None:
    """Add the arguments."""
    add_out(parser)
    parser.add_argument(
        "-q", "--quiet", dest="names_only", action="store_true", help="print names only"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the table.

    Raises
    ------
    AmtExportError
        The first of the model files and folders that are not valid, after the table of the valid ones.
    """
    repair(arguments.out)
    listed: list[Listed] = []
    failed: list[AmtExportError] = []
    for entry in _entries(arguments.out):
        if isinstance(entry, Listed):
            listed.append(entry)
        else:
            failed.append(entry)
    if arguments.names_only:
        for model in listed:
            print(model.name)  # noqa: T201
    elif arguments.json:
        print(json_text(tuple(listed)))  # noqa: T201
    else:
        _print(listed, arguments.out)
    if failed:
        raise failed[0]
    return 0


def _entries(out: Path) -> Iterator[Listed | AmtExportError]:
    """Every model, own model files first; what cannot be read is an error in its place."""
    files = {path.stem: path for path in named_model_files()}
    installed = installed_models()
    places = [out] if installed is None else [out, installed]
    for name in dict.fromkeys([*files, *(n for place in places for n in published_names(place))]):
        try:
            outline = read_outline(files[name]) if name in files else None
            folders = [place / name for place in places if name in published_names(place)]
            yield _listed(name, outline, folders, out)
        except AmtExportError as error:
            yield error


def _listed(name: str, outline: Outline | None, folders: list[Path], out: Path) -> Listed:
    """Put together what is known of a model: its file, and the folders in which it is published."""
    manifests = [load_manifest(folder) for folder in folders]
    source = outline or manifests[0]  # a name comes from one of them
    inputs: dict[str, tuple[int | None, ...]] = (
        {**outline.inputs} if outline else {port.name: port.shape for port in manifests[0].inputs}
    )
    return Listed(
        name,
        source.module,
        source.description,
        inputs,
        {
            kind: _state(kind, outline, zip(folders, manifests, strict=True), out)
            for kind in FORMATS
        },
        str(outline.path) if outline else None,
        str(folders[0]) if folders else None,
    )


def _state(
    kind: str, outline: Outline | None, published: Iterable[tuple[Path, Manifest]], out: Path
) -> str:
    """Return whether and where one format is published."""
    for folder, manifest in published:
        if kind in {entry.format for entry in manifest.files}:
            if folder.parent != out:
                return "pip"
            return "yes" if outline is None or _same(outline, manifest) else "old"
    return "no" if outline and kind in outline.formats else "-"


def _same(outline: Outline, manifest: Manifest) -> bool:
    """Whether a published folder was built from what the model file says now."""
    block = manifest.stream.block if manifest.stream else None
    inputs = {port.name: port.sized() for port in manifest.inputs}
    return (outline.module, outline.precision, outline.parameters, outline.stream_block) == (
        manifest.module,
        manifest.precision,
        manifest.parameters,
        block,
    ) and outline.inputs == inputs


def _print(listed: list[Listed], out: Path) -> None:
    console = output()
    if console.is_terminal:
        table = plain_table("", ("model, module", "inputs", *HEADERS.values()))
        for model in listed:
            table.add_row(
                Text.assemble(model.name, "\n", (model.module, "dim")),
                "\n".join(f"{name} {shape(sizes)}" for name, sizes in model.inputs.items()),
                *(Text(s, style="green" if s == "yes" else "") for s in model.formats.values()),
            )
        console.print(table)
    else:  # one line a model, for grep and awk
        rows = [
            (
                model.name,
                model.module,
                " ".join(f"{n}{shape(s)}".replace(" ", "") for n, s in model.inputs.items()),
                *model.formats.values(),
            )
            for model in listed
        ]
        print(plain_rows(("model", "module", "inputs", *FORMATS), rows))  # noqa: T201
    published = sum(not {"yes", "old"}.isdisjoint(model.formats.values()) for model in listed)
    installed = len(published_names(installed_models()))
    line = f"{count(len(listed), 'model')}, {published} published in {out}"
    console.print(f"{line}, {installed} in {MODELS_PACKAGE}" if installed else line)
    if not published and not installed:
        console.print(f"to get models: pip install {MODELS_PACKAGE}, or make artifacts")
