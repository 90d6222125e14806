"""ONNX: opset 18, one file, named inputs and outputs, plain operators only."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from amt_export.export.capture import Program, quiet_torch

OPSET = 18
# The version of the file format that opset 18 came with. torch writes a newer one, of which nothing is used and
# which onnxruntime reads from 1.18 on only.
IR_VERSION = 8
# Results of up to this many bytes are folded into the file. What is left (tables that are gathered from their
# distinct columns) is small in the file and folded by ONNX Runtime when it loads.
FOLD_LIMIT = 4096
# torch's exporter of this version decomposes a program by running all of it again, also where nothing in it is
# left to decompose: 29 of the 200 s of processor time that a build of all models takes.
DECOMPOSES_OF = "2.13."


def named_program(program: Program) -> ExportedProgram:
    """The graph whose node names are the names of values in the ONNX file."""
    found: ExportedProgram = _translated(program).exported_program
    return found


def _ready(program: Program) -> ExportedProgram:
    """A copy for torch's exporter, which modifies it. Decomposition is skipped where it would change nothing.

    The files are the same but for names of values inside. Other versions of torch get a plain copy.
    """
    exported = copy.deepcopy(program.exported)
    if not torch.__version__.startswith(DECOMPOSES_OF):
        return exported
    decompose = exported.run_decompositions

    def decomposed(
        decomp_table: Mapping[Any, Any] | None = None, **options: Any
    ) -> ExportedProgram:
        used = {node.target for node in exported.graph.nodes}
        if decomp_table is not None and not options and used.isdisjoint(decomp_table):
            return exported
        found: ExportedProgram = decompose(decomp_table, **options)
        return found

    exported.run_decompositions = decomposed
    return exported


def _subtract_from(x: Any, number: Any, alpha: Any = 1.0) -> Any:
    """`number - x`, which torch's exporter knows by decomposing all of a program again."""
    from onnxscript import opset18 as op

    scaled = x if alpha == 1.0 else op.Mul(x, op.CastLike(alpha, x))
    return op.Sub(op.CastLike(number, x), scaled)


def _translated(program: Program) -> Any:
    """Convert a program with torch's exporter; returns its ONNXProgram."""
    for chatty in ("torch.onnx", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    silent = contextlib.redirect_stdout(io.StringIO())
    with quiet_torch(), torch.no_grad(), silent:
        exported = torch.onnx.export(
            _ready(program),
            (),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(program.input_names),
            output_names=list(program.output_names),
            external_data=False,
            optimize=False,
            verbose=False,
            custom_translation_table={torch.ops.aten.rsub.Scalar: _subtract_from},
        )
    if exported is None:  # torch returns None where it writes a file itself
        raise RuntimeError("torch.onnx.export returned no program")
    return exported


def export_onnx(program: Program, path: Path, metadata: dict[str, str]) -> None:
    """Write `path`.

    Parameters
    ----------
    program : Program
    path : Path
        Ends in .onnx.
    metadata : dict of str
        Becomes the model's `metadata_props`.

    Notes
    -----
    The exporter's own optimizer is off: one of its rules drops `+ eps` for eps up to 1e-8. Folding constants
    alone changes no number. Pads and fills are folded here because they come as CastLike, which
    ONNX Runtime does not fold.
    """
    import onnx
    import onnx_ir as ir
    import onnx_ir.passes.common as passes
    from onnxscript import optimizer

    from amt_export.export.onnx_passes import (
        compute_outputs,
        count_axes_from_front,
        drop_allowzero,
        drop_idle_casts,
        name_batch,
        pool_maxima,
        select_truth_values,
        slice_splits,
        write_out_fills,
    )

    model = _translated(program).model
    with quiet_torch():
        optimizer.fold_constants(model, input_size_limit=FOLD_LIMIT, output_size_limit=FOLD_LIMIT)
        slice_splits(model)
        drop_idle_casts(model)
        select_truth_values(model)
        pool_maxima(model)
        for tidy in (
            passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
            passes.IdentityEliminationPass(),
            passes.CommonSubexpressionEliminationPass(),
            passes.DeduplicateInitializersPass(),
            passes.RemoveUnusedNodesPass(),
            passes.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call]
            passes.RemoveUnusedOpsetsPass(),
            passes.AddDefaultAttributesPass(),
            passes.ClearMetadataAndDocStringPass(),
            passes.TopologicalSortPass(),
        ):
            tidy(model)
        for rewrite in (
            write_out_fills,
            count_axes_from_front,
            drop_allowzero,
            compute_outputs,
        ):
            rewrite(model)
        model.producer_name = "amt_export"
        model.producer_version = ""
        model.ir_version = IR_VERSION
        proto = ir.to_proto(model)
    graph = proto.graph
    if program.free_batch:
        name_batch(graph)
    for described in (
        *(proto, graph, *graph.node, *graph.initializer),
        *(*graph.input, *graph.output, *graph.value_info),
    ):
        del described.metadata_props[:]  # where in the torch program it came from
    onnx.helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
