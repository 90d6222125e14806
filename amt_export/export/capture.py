"""Capture of a module as an ExportedProgram, which every exporter starts from."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

BATCH = "batch"
"""Name of a free batch in ONNX files and programs."""


@dataclass(frozen=True)
class Program:
    """A frozen module with its static inputs, captured by `torch.export`.

    Parameters
    ----------
    module : nn.Module
        In eval mode, without parameters.
    inputs : tuple of Tensor
        Example inputs; only their shapes and dtype matter.
    input_names, output_names : tuple of str
        Published names, in order.
    exported : ExportedProgram
        Decomposed and functional, which converters need: no operation writes in place.
    free_batch : bool
        Whether the first size of all inputs is free.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    exported: ExportedProgram
    free_batch: bool = False


def capture(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    *,
    free_batch: bool = False,
) -> Program:
    """Capture a form for the shapes of `inputs`, for any batch if it is to be free.

    Parameters
    ----------
    module : nn.Module
        A frozen module, a `WholeForm` or a `StreamForm`.
    inputs, input_names, output_names, free_batch
        See `Program`.
    """
    shapes = None
    if free_batch:
        if inputs[0].shape[0] == 1:  # torch would make a constant of a size of 1
            inputs = tuple(torch.cat([value, value]) for value in inputs)
        shapes = _free(module, len(inputs))
    with torch.no_grad(), quiet_torch():
        exported = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
        exported = exported.run_decompositions({})
    # Drop torch's Python guards for equal batch sizes; runtimes check shapes.
    exported._guards_code = []
    graph = exported.graph_module.graph
    for node in list(graph.nodes):
        # Decomposition leaves these, and coremltools does not know them.
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    exported.graph_module.recompile()
    for node in graph.nodes:
        # Paths and lines of source code: no use to an app, and not reproducible.
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)
    return Program(module, inputs, input_names, output_names, exported, free_batch)


def _free(module: nn.Module, count: int) -> dict[str, Any]:
    """Dynamic shapes for `torch.export`: the first size of `count` inputs is free."""
    free = {0: Dim(BATCH)}
    shapes: dict[str, Any] = {}
    for name, parameter in inspect.signature(module.forward).parameters.items():
        left = count - len(shapes)
        if left > 0:  # torch wants only the arguments that are given
            is_rest = parameter.kind is parameter.VAR_POSITIONAL
            shapes[name] = (free,) * left if is_rest else free
    return shapes


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Suppress warnings of torch and the converters that are meant for their developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
