"""One capture of a module that every exporter starts from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram


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
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    exported: ExportedProgram


def capture(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
) -> Program:
    """Capture a frozen module for the shapes of `inputs`."""
    with torch.no_grad(), quiet_torch():
        exported = torch.export.export(module, inputs, strict=False).run_decompositions({})
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
    return Program(module, inputs, input_names, output_names, exported)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Hold back what torch and the converters warn their own developers about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
