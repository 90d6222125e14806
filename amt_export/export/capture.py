"""One capture of a module that every exporter starts from."""

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
        Decomposed, which is the dialect that converters take, and functional: nothing is written in place.
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
        if inputs[0].shape[0] == 1:  # of which torch would make a constant
            inputs = tuple(torch.cat([value, value]) for value in inputs)
        shapes = _free(module, len(inputs))
    with torch.no_grad(), quiet_torch():
        exported = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
        exported = exported.run_decompositions({})
    # Python code that checks that all inputs have one batch: a file holds data, and a runtime says it anyway.
    exported._guards_code = []
    graph = exported.graph_module.graph
    for node in list(graph.nodes):
        # What decomposing leaves behind, and coremltools does not know.
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    exported.graph_module.recompile()
    for node in graph.nodes:
        # Where in whose source tree a node came from: not the app's business, and not reproducible.
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)
    return Program(module, inputs, input_names, output_names, exported, free_batch)


def _free(module: nn.Module, count: int) -> dict[str, Any]:
    """The shapes of so many inputs whose first size is free, as `torch.export` takes them."""
    free = {0: Dim(BATCH)}
    shapes: dict[str, Any] = {}
    for name, parameter in inspect.signature(module.forward).parameters.items():
        left = count - len(shapes)
        if left > 0:  # torch names no argument that is not given
            is_rest = parameter.kind is parameter.VAR_POSITIONAL
            shapes[name] = (free,) * left if is_rest else free
    return shapes


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Hold back what torch and the converters warn their own developers about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
