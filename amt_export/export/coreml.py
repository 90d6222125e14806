"""Core ML: ML Program in float32, converted on Linux or macOS from the ExportedProgram."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

import torch

from amt_export.export.capture import Program, quiet_torch

# Of the hundred passes of this version of coremltools, those that change anything in our programs, in its own
# order. The others look for convolutions, quantized weights and activations of networks, and take half of a
# conversion: 28 s of the 200 s of processor time that a build of all models takes.
PASSES_OF = "9.0"
PASSES = (
    "update_output_dtypes",
    "cast_optimization",
    "noop_elimination",
    "const_elimination",
    "sanitize_input_output_names",
    "divide_to_multiply",
    "const_elimination",
    "const_deduplication",
    "noop_elimination",
    "merge_consecutive_reshapes",
    "expand_high_rank_reshape_and_transpose",  # Core ML has at most five dimensions
    "remove_redundant_ops",
    "dedup_op_and_var_names",
    "const_elimination",
    "dead_code_elimination",
    "cast_optimization",
    "dead_code_elimination",
    "const_elimination",
    "const_deduplication",
    "noop_elimination",
    "dedup_op_and_var_names",
    "remove_redundant_ops",
    "topological_reorder",
    "dead_code_elimination",
)


def export_coreml(program: Program, path: Path, metadata: dict[str, str]) -> None:
    """Write the folder `path` (.mlpackage); `metadata` becomes its user-defined metadata.

    Converted for iOS 16 / macOS 13, with float32 weights and arithmetic (coremltools' default is
    float16).

    Raises
    ------
    ValueError
        For a module that is not float32: Core ML has no float64.
    """
    for example in program.inputs:
        if example.dtype != torch.float32:
            raise ValueError(f"Core ML computes in float32, the module in {example.dtype}")
    logging.getLogger("coremltools").setLevel(logging.CRITICAL)
    # coremltools writes a progress bar to stderr, and a warning that Linux cannot predict.
    with quiet_torch(), torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        import coremltools as ct

        converted = ct.convert(
            program.exported,
            inputs=[
                ct.TensorType(name=name, shape=tuple(example.shape))
                for name, example in zip(program.input_names, program.inputs, strict=True)
            ],
            outputs=[ct.TensorType(name=name) for name in program.output_names],
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
            pass_pipeline=_pipeline(),
        )
        # The entries of the converter hold the date of conversion.
        converted.user_defined_metadata.clear()
        converted.user_defined_metadata.update(dict(sorted(metadata.items())))
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / path.name
            converted.save(str(package))
            _name_items_by_path(package / "Manifest.json")
            _rewrite_specification(package / "Data" / "com.apple.CoreML" / "model.mlmodel")
            _copy_contents(package, path)


def _pipeline() -> Any:
    """The passes above for the converter version that they were chosen for, all passes for any other."""
    import coremltools as ct

    if ct.__version__ != PASSES_OF:
        return ct.PassPipeline.DEFAULT
    return ct.PassPipeline([f"common::{name}" for name in PASSES])


def _copy_contents(package: Path, path: Path) -> None:
    """Copy a folder with default permissions: coremltools makes files that only their owner can read."""
    path.mkdir()
    for item in sorted(package.rglob("*")):
        copied = path / item.relative_to(package)
        if item.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(item, copied)


def _name_items_by_path(manifest: Path) -> None:
    """Replace the random identifiers in a package's own manifest by names that follow from what they name.

    coremltools draws them at random; any unique name serves.
    """
    content = json.loads(manifest.read_text(encoding="utf-8"))
    entries = content["itemInfoEntries"]
    names = {
        old: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"])).upper()
        for old, entry in entries.items()
    }
    content["itemInfoEntries"] = dict(sorted((names[old], entry) for old, entry in entries.items()))
    content["rootModelIdentifier"] = names[content["rootModelIdentifier"]]
    manifest.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def _rewrite_specification(path: Path) -> None:
    """Rewrite a model specification, so that no output is a constant and equal models give equal bytes."""
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    for function in model.mlProgram.functions.values():
        for block in function.block_specializations.values():
            _compute_outputs(block)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _compute_outputs(block: Any) -> None:
    """Insert an identity before every output that is a constant. The constant gets another name."""
    constants = {op.outputs[0].name: op for op in block.operations if op.type == "const"}
    for output in block.outputs:
        if output not in constants:
            continue
        value, renamed = constants[output].outputs[0], f"{output}_constant"
        arguments = [
            argument
            for operation in block.operations
            for given in operation.inputs.values()
            for argument in given.arguments
        ]
        for argument in arguments:
            if argument.name == output:
                argument.name = renamed
        value.name = renamed
        identity = block.operations.add(type="identity")
        identity.inputs["x"].arguments.add(name=renamed)
        identity.outputs.add(name=output, type=value.type)
        identity.attributes["name"].CopyFrom(constants[output].attributes["name"])
        identity.attributes["name"].immediateValue.tensor.strings.values[:] = [output]
