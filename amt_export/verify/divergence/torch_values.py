"""Intermediate values of eager torch, node by node, in the exported dtype and in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Interpreter, Node
from torch.utils import _pytree as pytree

from amt_export.export.capture import quiet_torch

Array = npt.NDArray[Any]


class TorchValues:
    """An ExportedProgram that tells what is in it.

    Parameters
    ----------
    exported : ExportedProgram
    output_names : tuple of str
        Published names of its outputs, in order.
    in_float64 : bool, optional
        Compute in float64 what it computes in float32.
    """

    def __init__(
        self, exported: ExportedProgram, output_names: tuple[str, ...], in_float64: bool = False
    ) -> None:
        self._exported = exported
        self._in_float64 = in_float64
        graph = exported.graph_module.graph
        (last,) = (node for node in graph.nodes if node.op == "output")
        self.nodes = [node for node in graph.nodes if node.op == "call_function"]
        # Outputs go by their published names, everything else by that of its node.
        self.names = {node.name: node.name for node in self.nodes}
        self.names |= dict(zip((node.name for node in last.args[0]), output_names, strict=True))

    def sizes(self) -> dict[str, int]:
        """Elements of every value that is one tensor, by name, in the order of the graph."""
        return {
            self.names[node.name]: node.meta["val"].numel()
            for node in self.nodes
            if isinstance(node.meta.get("val"), Tensor)
        }

    def targets(self) -> dict[str, str]:
        """Operator of every value, as torch calls it."""
        return {self.names[n.name]: str(n.target).removeprefix("aten.") for n in self.nodes}

    def constants(self) -> dict[str, Array]:
        """Weights by their names in the module."""
        stored = {**self._exported.state_dict, **self._exported.constants}
        return {n: v.detach().numpy() for n, v in stored.items() if isinstance(v, Tensor)}

    def run(self, inputs: Mapping[str, Array], wanted: set[str]) -> dict[str, Array]:
        """Run the program and keep the values of these names."""
        recorder = _Recorder(self._exported.graph_module, self._in_float64, self.names, wanted)
        with torch.no_grad(), quiet_torch():
            recorder.run(*self._arguments(inputs))
        return recorder.kept

    def _arguments(self, inputs: Mapping[str, Array]) -> list[Any]:
        """Weights and inputs in the order that the graph takes them."""
        stored = {**self._exported.state_dict, **self._exported.constants}
        given = iter(inputs.values())
        arguments: list[Any] = []
        for spec in self._exported.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                arguments.append(torch.from_numpy(np.ascontiguousarray(next(given))))
            else:
                arguments.append(stored[str(spec.target)])
        return [_wide(a) for a in arguments] if self._in_float64 else arguments


class _Recorder(Interpreter):
    """Runs a graph node by node, in another precision if need be."""

    def __init__(
        self,
        module: torch.fx.GraphModule,
        in_float64: bool,
        names: Mapping[str, str],
        wanted: set[str],
    ) -> None:
        super().__init__(module)
        self._in_float64 = in_float64
        self._names = names
        self._wanted = wanted
        self.kept: dict[str, Array] = {}

    def run_node(self, n: Node) -> Any:
        """Run one node and keep its value if it is wanted."""
        value = super().run_node(n)
        name = self._names.get(n.name)
        if name in self._wanted and isinstance(value, Tensor):
            self.kept[str(name)] = value.detach().numpy()
        return value

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator; an argument that asks for float32 asks for the dtype of the computation instead."""
        if self._in_float64:
            args, kwargs = pytree.tree_map(_widened, (args, kwargs))
        return super().call_function(target, args, kwargs)


def _widened(argument: Any) -> Any:
    return torch.float64 if argument is torch.float32 else argument


def _wide(argument: Any) -> Any:
    return (
        argument.double()
        if isinstance(argument, Tensor) and argument.is_floating_point()
        else argument
    )
