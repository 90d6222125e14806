"""A captured program in the dialect of converters, by rewriting its graph.

`ExportedProgram.run_decompositions` runs a program anew, operation by operation, which takes nearly as long as
capturing it. Programs that write nothing in place, as ours, are functional as captured: some operations have
other names among converters, and what is there twice or for nothing goes.
"""

from __future__ import annotations

import copy
import operator

import torch
from torch import fx
from torch._export.verifier import Verifier
from torch._ops import OpOverload
from torch.export import ExportedProgram

aten = torch.ops.aten


def functional(exported: ExportedProgram) -> ExportedProgram:
    """The same program in another dialect.

    Parameters
    ----------
    exported : ExportedProgram
        In the dialect "TRAINING", as `torch.export.export` returns it; used up.

    Returns
    -------
    ExportedProgram
        In the dialect "ATEN".
    """
    if not all(_is_simple(node) for node in exported.graph.nodes):
        decomposed: ExportedProgram = exported.run_decompositions({})
        return decomposed
    module, signature = exported.graph_module, copy.deepcopy(exported.graph_signature)
    with module._set_replace_hook(signature.get_replace_hook()):
        module.graph.eliminate_dead_code()  # nothing that stays is to stand where only this wanted it
        for node in list(module.graph.nodes):
            _rename(node)
        _merge_equal(module.graph)
        module.graph.eliminate_dead_code()
    module.recompile()
    return ExportedProgram(
        root=module,
        graph=module.graph,
        graph_signature=signature,
        state_dict=exported.state_dict,
        range_constraints=exported.range_constraints,
        module_call_graph=exported.module_call_graph,
        example_inputs=exported.example_inputs,
        constants=exported.constants,
        verifiers=[Verifier],
    )


def _is_simple(node: fx.Node) -> bool:
    """Whether a node is functional, and converters know it by this name or by one that `_rename` gives it."""
    target = node.target
    if node.op in ("placeholder", "output") or target is operator.getitem:
        return True
    if not isinstance(target, OpOverload) or target._schema.is_mutable:
        return False
    if torch.Tag.nondeterministic_seeded in target.tags:
        return False
    if target is aten.reshape.default:
        return True
    if target is aten.to.dtype:
        return len(node.args) == 2 and not node.kwargs
    # Of those that are made of others, torch decomposes the ones that may return their argument.
    aliasing = any(argument.alias_info is not None for argument in target._schema.arguments)
    return not (aliasing and target.has_kernel_for_dispatch_key(_MADE_OF_OTHERS))


_MADE_OF_OTHERS = torch._C.DispatchKey.CompositeImplicitAutograd


def _is_view(node: fx.Node) -> bool:
    """Whether a reshape copies nothing."""
    given: torch.Tensor = node.args[0].meta["val"]  # type: ignore[union-attr]
    if given.is_contiguous():
        return True
    try:
        given.view(node.meta["val"].shape)
    except (RuntimeError, ValueError):  # as torch says it, and as its stand-in for tensors does
        return False
    return True


def _rename(node: fx.Node) -> None:
    if node.target is aten.reshape.default:
        if not _is_view(node):
            node.args = (_laid_out(node.args[0]), *node.args[1:])  # type: ignore[arg-type]
        node.target = aten.view.default
    elif node.target is aten.to.dtype:
        (given, dtype) = node.args
        if given.meta["val"].dtype == dtype:  # type: ignore[union-attr]
            node.replace_all_uses_with(given)  # type: ignore[arg-type]
        else:
            node.target, node.args, node.kwargs = aten._to_copy.default, (given,), {"dtype": dtype}


def _laid_out(given: fx.Node) -> fx.Node:
    """A copy of what a node gives, without gaps: what a reshape that is no view makes first."""
    with given.graph.inserting_after(given):
        copied = given.graph.call_function(
            aten.clone.default, (given,), {"memory_format": torch.contiguous_format}
        )
    copied.meta["val"] = given.meta["val"].clone(memory_format=torch.contiguous_format)
    return copied


def _merge_equal(graph: fx.Graph) -> None:
    """Let one node stand for all that do the same with the same."""
    first: dict[str, fx.Node] = {}
    for node in graph.nodes:
        if node.op == "call_function":
            done = repr((node.target, node.args, node.kwargs))  # nodes by their names
            if done in first:
                node.replace_all_uses_with(first[done])
            else:
                first[done] = node
