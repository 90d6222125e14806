"""Build, prove and publish one model: a complete folder appears at once, or nothing changes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from amt_export.errors import LintError, SpecError
from amt_export.export import FORMATS, Program, capture
from amt_export.lint import READERS, errors_of, lint
from amt_export.manifest import (
    MANIFEST_NAME,
    METADATA_KEY,
    Checkpoint,
    FileEntry,
    Manifest,
    bytes_of,
    describe_others,
    sha256_of,
)
from amt_export.manifest.exchange import put_in_place
from amt_export.model_file import ModelSpec
from amt_export.model_file.building import build_module, build_stream, input_length
from amt_export.modules.forms import WholeForm
from amt_export.publish.describe import describe
from amt_export.publish.folder import hidden_folder
from amt_export.report import Pictures, draw, measure_response, model_card
from amt_export.verify.contraction import check_contraction
from amt_export.verify.independent import check_filters
from amt_export.verify.parity.compare import failing, parity_error
from amt_export.verify.parity.load import open_artifact
from amt_export.verify.parity.model import Forms, Progress, Proof, prove_model


def publish(
    spec: ModelSpec,
    out: Path,
    *,
    formats: Sequence[str] | None = None,
    checkpoint: Path | None = None,
    checkpoint_prefix: str = "",
    progress: Progress = lambda _what, _share: None,
) -> Manifest:
    """Export a model, compare every artifact with eager torch, and publish `out/<name>/`.

    Parameters
    ----------
    spec : ModelSpec
    out : Path
        Made if it does not exist.
    formats : sequence of str, optional
        Instead of those of the model file.
    checkpoint, checkpoint_prefix
        See `amt_export.model_file.building.build_module`.
    progress : callable, optional
        Called with what is being done and the share that is done; what it raises ends the build, and nothing
        is published.

    Returns
    -------
    Manifest
        Of the published folder.

    Raises
    ------
    SpecError, CheckpointError
        If the model cannot be built.
    ParityError
        If an artifact differs by more than its tolerance; nothing is published.
    LintError
        If a graph holds a known trap; nothing is published.
    PublishError
        If `out` cannot be written; what was published before stays.
    """
    chosen = tuple(spec.formats if formats is None else formats)
    if spec.precision == "float64" and "coreml" in chosen:
        raise SpecError(
            f'{spec.path}: [export] precision is "float64" and Core ML has none; '
            "leave coreml out of formats, or take float32"
        )
    with hidden_folder(out, spec.name) as folder:
        progress(f"{spec.name}: designing filters", 0.0)
        samples = input_length(spec)
        module = build_module(spec, None, checkpoint, checkpoint_prefix)
        # The same values in float64, with what rounding took from those that were not loaded.
        double = copy.deepcopy(module).to(torch.float64)
        frozen, reference = module.freeze(samples), double.freeze(samples)
        whole = WholeForm(frozen) if spec.precision == "float64" else frozen
        stream = build_stream(spec, module)
        forms = Forms(module, double, frozen, reference, whole, stream)
        check_filters(double, reference, samples, str(checkpoint or spec.path))
        check_contraction(double, str(spec.path))
        programs = _capture(spec, forms)
        manifest = describe(spec, forms)
        if checkpoint is not None:
            values = Checkpoint(sha256_of(checkpoint), checkpoint_prefix, module.learnable)
            # Whose values they are is not known, nor under which licence.
            manifest = replace(manifest, checkpoint=values, license="")
        steps = len(programs) * len(chosen) + 2
        files: list[FileEntry] = []
        for form in programs:
            for name in chosen:
                progress(f"{spec.name}: exporting {name}", (1 + len(files)) / (2 * steps))
                free = spec.batch == "dynamic" and FORMATS[name].free_batch
                program = programs[form](free)
                files.append(_export(name, form, program, manifest.of(form), folder))
        _inspect(spec.name, folder)
        manifest = replace(manifest, files=tuple(files))
        proof = prove_model(spec, forms, manifest, folder, progress)
        manifest = replace(manifest, parity=proof.rows)
        if failing(manifest.parity):
            raise parity_error(spec.name, manifest.parity)
        text = model_card(manifest, _picture(forms, manifest, folder, proof).captions)
        (folder / "README.md").write_text(text, encoding="utf-8")
        manifest = replace(manifest, other_files=describe_others(folder, manifest.files))
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        progress(spec.name, 1.0)
        put_in_place(folder, out / spec.name)
    return manifest


def _capture(spec: ModelSpec, forms: Forms) -> dict[str, Callable[[bool], Program]]:
    """Programs of the whole form, and of the streaming one if there is one, with a free batch or not."""
    silence = tuple(torch.zeros(shape) for shape in spec.inputs.values())
    outputs = tuple(port.name for port in forms.module.output_ports)

    @functools.cache
    def whole(free_batch: bool) -> Program:
        try:
            names = (tuple(spec.inputs), outputs)
            return capture(forms.whole, silence, *names, free_batch=free_batch)
        except ValueError as error:
            # The module refuses the shapes, e.g. audio shorter than a frame.
            raise SpecError(f"{spec.path}: [inputs]: {error}") from error

    programs: dict[str, Callable[[bool], Program]] = {"whole": whole}
    if (form := forms.stream) is not None:
        names = (form.input_names, form.output_names)
        programs["stream"] = functools.cache(
            lambda free_batch: capture(form, form.silence(), *names, free_batch=free_batch)
        )
    return programs


def _export(name: str, form: str, program: Program, manifest: Manifest, folder: Path) -> FileEntry:
    kind = FORMATS[name]
    infix = "" if form == "whole" else f".{form}"
    path = folder / (manifest.name + infix + kind.suffix)
    kind.export(program, path, {METADATA_KEY: manifest.embedded_json()})
    return FileEntry(path.name, name, form, bytes_of(path), sha256_of(path), kind.reproducible)


def _inspect(name: str, folder: Path) -> None:
    """Look for known traps in what was exported, before any time is spent on running it."""
    if not any(path.suffix in READERS for path in folder.iterdir()):
        return
    if errors := errors_of(lint(folder)):
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise LintError(f"{name}: {first.file}: {first.op} {first.node}: {first.message}{more}")


def _picture(forms: Forms, manifest: Manifest, folder: Path, proof: Proof) -> Pictures:
    """Write the pictures into the folder."""
    whole = [entry for entry in manifest.files if entry.form == "whole"]
    # Any of them: they are equal to the tolerance, which is nothing beside a line.
    entry = next((e for e in whole if e.format == "onnx"), whole[0])
    run, _ = open_artifact(folder, manifest, entry)
    pictures = draw(manifest, proof.worst, measure_response(forms.double, manifest, run))
    for name, text in pictures.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return pictures
