"""Build, prove and publish one model: a complete folder appears at once, or nothing changes."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import torch

from amt_export import __version__
from amt_export.build import DTYPES, build_module, input_length
from amt_export.errors import PublishError, SpecError
from amt_export.export import FORMATS, Program, capture
from amt_export.manifest import (
    MANIFEST_NAME,
    METADATA_KEY,
    Checkpoint,
    FileEntry,
    Manifest,
    ParityRow,
    Port,
    bytes_of,
    sha256_of,
)
from amt_export.modules.base import AuditoryModule
from amt_export.parity.cases import cases_of, eager_runner, suite_inputs
from amt_export.parity.compare import failing, parity_error
from amt_export.parity.eager import prove_eager
from amt_export.parity.prove import Expected, prove
from amt_export.parity.vectors import VECTORS, save_vectors
from amt_export.report import parity_markdown
from amt_export.spec import ModelSpec

Progress = Callable[[str, float], None]
VERSIONED = ("torch", "onnx", "onnxruntime", "coremltools", "numpy")


@dataclass(frozen=True)
class _Forms:
    """A model as built, and frozen: as exported, and in float64."""

    module: AuditoryModule
    exported: AuditoryModule
    reference: AuditoryModule


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
        See `amt_export.build.build_module`.
    progress : callable, optional
        Told what is being done and the share that is done.

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
    PublishError
        If `out` cannot be written; what was published before stays.
    """
    chosen = tuple(spec.formats if formats is None else formats)
    if spec.dtype != "float32" and "coreml" in chosen:
        raise SpecError(f"{spec.path}: [export] dtype is {spec.dtype}; Core ML computes in float32")
    with _staging(out, spec.name) as folder:
        progress(f"{spec.name}: designing filters", 0.0)
        samples = input_length(spec)
        module = build_module(spec, None, checkpoint, checkpoint_prefix)
        # The same values in float64, with what rounding took from those that were not loaded.
        double = copy.deepcopy(module).to(torch.float64)
        forms = _Forms(module, module.frozen(samples), double.frozen(samples))
        program = _capture(spec, forms.exported)
        manifest = _describe(spec, forms, program)
        if checkpoint is not None:
            values = Checkpoint(sha256_of(checkpoint), checkpoint_prefix)
            manifest = replace(manifest, checkpoint=values)
        steps = len(chosen) + 2
        files = []
        for step, name in enumerate(chosen):
            progress(f"{spec.name}: exporting {name}", (1 + step) / (2 * steps))
            files.append(_export(name, program, manifest, folder))
        manifest = replace(manifest, files=tuple(files))
        manifest = replace(manifest, parity=_prove(spec, forms, manifest, folder, progress))
        if failing(manifest.parity):
            raise parity_error(spec.name, manifest.parity)
        (folder / "parity.md").write_text(parity_markdown(manifest), encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        _swap(folder, out / spec.name)
    progress(spec.name, 1.0)
    return manifest


def _capture(spec: ModelSpec, module: AuditoryModule) -> Program:
    inputs = tuple(torch.zeros(shape, dtype=DTYPES[spec.dtype]) for shape in spec.inputs.values())
    try:
        return capture(
            module, inputs, tuple(spec.inputs), tuple(p.name for p in module.output_ports)
        )
    except ValueError as error:
        # The module refuses the shapes, e.g. audio shorter than a frame.
        raise SpecError(f"{spec.path}: [inputs]: {error}") from error


def _describe(spec: ModelSpec, forms: _Forms, program: Program) -> Manifest:
    module = forms.module
    with torch.no_grad():
        result = forms.exported(*program.inputs)
    results = (result,) if isinstance(result, torch.Tensor) else result
    taken = [port for port in module.input_ports if port.name in spec.inputs]
    return Manifest(
        name=spec.name,
        module=spec.module,
        description=spec.description,
        parameters=spec.raw_parameters,
        dtype=spec.dtype,
        sampling_rate=getattr(module, "fs", None),
        centre_frequencies=tuple(module.centre_frequencies() or ()),
        warm_up=module.warm_up(),
        look_ahead=module.look_ahead(),
        padding=module.padding(),
        hop=module.hop(),
        frame_length=module.frame_length(),
        inputs=tuple(
            Port(p.name, tuple(spec.inputs[p.name]), spec.dtype, p.unit, p.axes, p.floor)
            for p in taken
        ),
        outputs=tuple(
            Port(p.name, tuple(value.shape), spec.dtype, p.unit, p.axes, p.floor)
            for p, value in zip(module.output_ports, results, strict=True)
        ),
        versions={"amt_export": __version__} | {name: metadata.version(name) for name in VERSIONED},
    )


def _export(name: str, program: Program, manifest: Manifest, folder: Path) -> FileEntry:
    kind = FORMATS[name]
    path = folder / (manifest.name + kind.suffix)
    kind.export(program, path, {METADATA_KEY: manifest.embedded_json()})
    return FileEntry(path.name, name, "whole", bytes_of(path), sha256_of(path), kind.reproducible)


def _prove(
    spec: ModelSpec, forms: _Forms, manifest: Manifest, folder: Path, progress: Progress
) -> tuple[ParityRow, ...]:
    """Eager float32 against float64, then every file, opened from disk, against eager float32."""
    ports = forms.exported.output_ports
    names = [port.name for port in ports]
    steps = len(manifest.files) + 1

    def tolerance(key: str) -> dict[str, float]:
        return {"relative": spec.parity[key], "db": spec.parity_db[key], "frequency": 0.0}

    progress(f"{spec.name}: running eager torch", 0.5)
    inputs = suite_inputs(forms.exported, spec.inputs)
    reference = [
        replace(case, inputs={n: a.astype(spec.dtype) for n, a in case.inputs.items()})
        for case in cases_of(inputs, eager_runner(forms.reference, names), "float64")
    ]
    save_vectors(folder / VECTORS, reference)
    rows = list(
        prove_eager(forms.exported, Expected(reference, ports, tolerance("reference"))).rows
    )
    cases = cases_of(inputs, eager_runner(forms.exported, names), spec.dtype)
    for step, entry in enumerate(manifest.files):
        progress(f"{spec.name}: checking {entry.format}", 0.5 + 0.5 * (1 + step) / (1 + steps))
        expected = Expected(cases, ports, tolerance(entry.format))
        rows += prove(folder, manifest, entry, expected).rows
    return tuple(rows)


@contextmanager
def _staging(out: Path, name: str) -> Iterator[Path]:
    """A hidden folder beside the published ones (so renaming is atomic), gone in the end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=out))
    except OSError as error:
        raise PublishError(
            f"{out}: cannot be written ({error.strerror}); choose another --out"
        ) from error
    try:
        folder = staging / name
        folder.mkdir()
        yield folder
    except OSError as error:
        raise PublishError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(folder: Path, target: Path) -> None:
    """Put `folder` in the place of `target`; on failure put the old one back."""
    old = folder.with_name("old")
    if target.exists():
        target.replace(old)
    try:
        folder.replace(target)
    except BaseException:
        if old.exists():
            old.replace(target)
        raise
