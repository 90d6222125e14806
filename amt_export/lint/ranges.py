"""Bounds of every value of a graph, by going through it once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from amt_export.lint import bounds as of
from amt_export.lint.bounds import ANYTHING, NOT_NEGATIVE, UNDERFLOW, Bounds
from amt_export.lint.graph import Graph, Node

# What they give is among what they are given first.
MOVERS = frozenset(
    (
        *("identity", "reshape", "transpose", "slice", "squeeze", "unsqueeze", "flatten", "expand"),
        *("tile", "gather", "gatherelements", "gathernd", "split", "reverse", "castlike", "topk"),
        *("reducemax", "reducemin", "reducemean", "maxpool", "globalmaxpool", "sort", "dropout"),
        *("reversesequence", "depthtospace", "spacetodepth", "trilu", "bandpart", "compress"),
    )
)
ROUNDINGS: dict[str, Callable[[float], float]] = {
    "floor": lambda x: math.floor(x) if math.isfinite(x) else x,
    "ceil": lambda x: math.ceil(x) if math.isfinite(x) else x,
    "round": lambda x: round(x) if math.isfinite(x) else x,
}
FIXED = {
    **dict.fromkeys(("sigmoid", "softmax"), Bounds(UNDERFLOW, 1.0)),
    **dict.fromkeys(("hardsigmoid", "sigmoidhard"), Bounds(0.0, 1.0)),
    **dict.fromkeys(("tanh", "sin", "cos", "erf", "softsign", "sign"), Bounds(-1.0, 1.0)),
    **dict.fromkeys(("softplus",), Bounds(UNDERFLOW, math.inf)),
    **dict.fromkeys(("reducesumsquare", "reducel1", "reducel2"), NOT_NEGATIVE),
    **dict.fromkeys(
        ("greater", "greaterorequal", "greaterequal", "less", "lessorequal", "lessequal", "equal",
         "notequal", "and", "or", "not", "xor", "logicaland", "logicalor", "logicalnot", "isnan",
         "isinf"),
        Bounds(0.0, 1.0),
    ),
    **dict.fromkeys(("shape", "size", "onehot"), NOT_NEGATIVE),
}  # fmt: skip
GREATER = ("greater", "greaterorequal", "greaterequal")
LESS = ("less", "lessorequal", "lessequal")


def ranges(graph: Graph) -> dict[str, Bounds]:
    """Bounds of every value; inputs, and what comes from operators not known here, may be anything."""
    known = {name: of.of_constant(array) for name, array in graph.constants.items()}
    walk = _Walk(graph.producers(), known)
    for node in graph.nodes:
        found = walk.result(node)
        for name in node.outputs:
            known[name] = found
    return known


@dataclass
class _Walk:
    """What is known so far."""

    producers: Mapping[str, Node]
    known: dict[str, Bounds]

    def of(self, name: str) -> Bounds:
        return self.known.get(name, ANYTHING)

    def result(self, node: Node) -> Bounds:
        if node.domain or not node.operands:
            return self._made(node)
        if node.kind in MOVERS:
            return self.of(node.operands[0])
        if node.kind in FIXED:
            return FIXED[node.kind]
        function = RULES.get(node.kind)
        return ANYTHING if function is None else function(self, node)

    def _made(self, node: Node) -> Bounds:
        """Of an operator without operands."""
        if node.kind in ("constantofshape", "fill"):
            value = node.options.get("value", 0.0)
            return of.of_constant(np.asarray(value)) if value is not None else ANYTHING
        return ANYTHING

    def add(self, node: Node) -> Bounds:
        return of.add(*self._two(node))

    def sub(self, node: Node) -> Bounds:
        a, b = self._two(node)
        return of.add(a, of.negative(b))

    def mul(self, node: Node) -> Bounds:
        a, b = self._two(node)
        return of.square(a) if node.operands[0] == node.operands[1] else of.multiply(a, b)

    def div(self, node: Node) -> Bounds:
        return of.divide(*self._two(node))

    def inverse(self, node: Node) -> Bounds:
        return of.divide(Bounds(1.0, 1.0), self._shifted(node))

    def rsqrt(self, node: Node) -> Bounds:
        return of.divide(Bounds(1.0, 1.0), of.root(self._shifted(node)))

    def log(self, node: Node) -> Bounds:
        return of.logarithm(self._shifted(node))

    def power(self, node: Node) -> Bounds:
        base, exponent = self._two(node)
        if exponent.low == exponent.high and exponent.low % 2 == 0:
            return of.square(base) if exponent.low == 2 else NOT_NEGATIVE
        if base.low > 0:
            return Bounds(UNDERFLOW, math.inf)
        return NOT_NEGATIVE if base.low >= 0 else ANYTHING

    def product_sum(self, node: Node) -> Bounds:
        """Of matmul, conv and linear: sums of products, and a bias."""
        a, b = self._two(node)
        summed = of.total(of.multiply(a, b))
        # A product of many elements is anything as soon as signs mix; zero is always near.
        summed = Bounds(min(summed.low, 0.0), summed.high)
        return of.add(summed, self.of(node.operands[2])) if len(node.operands) > 2 else summed

    def extreme(self, node: Node) -> Bounds:
        function = of.at_least if node.kind == "max" else of.at_most
        first, *others = map(self.of, node.operands)
        for other in others:
            first = function(first, other)
        return first

    def clip(self, node: Node) -> Bounds:
        value = self.of(node.operands[0])
        limits = [*node.operands[1:3], "", ""][:2]
        if limits[0] or "min" in node.options:  # options: opsets before 11
            value = of.at_least(value, self._limit(limits[0], node.options.get("min")))
        if limits[1] or "max" in node.options:
            value = of.at_most(value, self._limit(limits[1], node.options.get("max")))
        return value

    def _limit(self, name: str, option: object) -> Bounds:
        return self.of(name) if name else of.of_constant(np.asarray(option, np.float32))

    def select(self, node: Node) -> Bounds:
        condition, *branches = node.operands
        test = self.producers.get(condition)
        found = [
            self._where(test, name, first)
            for name, first in zip(branches, (True, False), strict=True)
        ]
        return found[0].united(found[1])

    def _where(self, test: Node | None, name: str, holds: bool) -> Bounds:
        """Bounds of a branch, which is taken only where a comparison of itself holds (or does not)."""
        value = self.of(name)
        if test is None or len(test.operands) != 2 or test.operands[0] != name:
            return value
        limit = self.of(test.operands[1])
        if limit.low != limit.high:
            return value
        if test.kind in (GREATER if holds else LESS):
            return of.at_least(value, limit)
        if test.kind in (LESS if holds else GREATER):
            return of.at_most(value, limit)
        if test.kind == "equal" and not holds and value.low == limit.low == 0:
            return Bounds(UNDERFLOW, value.high)
        return value

    def rounded(self, node: Node) -> Bounds:
        return of.monotone(ROUNDINGS[node.kind], self.of(node.operands[0]))

    def joined(self, node: Node) -> Bounds:
        """Of concat, stack, scatter: any of what is given."""
        first, *others = map(self.of, node.operands)
        for other in others:
            first = first.united(other)
        return first

    def pad(self, node: Node) -> Bounds:
        value = self.of(node.operands[0])
        if "constant" not in str(node.options.get("mode", "constant")):
            return value
        if len(node.operands) > 2 and node.operands[2]:
            return value.united(self.of(node.operands[2]))
        filler = node.options.get("constant_val", node.options.get("value", 0.0))
        return value.united(of.of_constant(np.asarray(filler, np.float32)))

    def _two(self, node: Node) -> tuple[Bounds, Bounds]:
        a, b = (*node.operands, "", "")[:2]
        return self.of(a), self.of(b)

    def _shifted(self, node: Node) -> Bounds:
        """The argument with the epsilon that Core ML adds."""
        epsilon = epsilon_of(node)
        return of.add(self.of(node.operands[0]), Bounds(epsilon, epsilon))


def epsilon_of(node: Node) -> float:
    """What the operator adds to its argument: 0 if it counts as that. ONNX's have no such parameter."""
    value = float(np.asarray(node.options.get("epsilon", 0.0)).item())
    return value if abs(value) >= of.TINY else 0.0


RULES: dict[str, Callable[[_Walk, Node], Bounds]] = {
    "add": _Walk.add,
    "sub": _Walk.sub,
    "mul": _Walk.mul,
    "div": _Walk.div,
    "inverse": _Walk.inverse,
    "rsqrt": _Walk.rsqrt,
    "log": _Walk.log,
    "pow": _Walk.power,
    "sqrt": lambda walk, node: of.root(walk.of(node.operands[0])),
    "square": lambda walk, node: of.square(walk.of(node.operands[0])),
    "neg": lambda walk, node: of.negative(walk.of(node.operands[0])),
    "abs": lambda walk, node: of.absolute(walk.of(node.operands[0])),
    "relu": lambda walk, node: of.at_least(walk.of(node.operands[0]), Bounds(0.0, 0.0)),
    "exp": lambda walk, node: of.exponential(walk.of(node.operands[0])),
    "exp2": lambda walk, node: of.exponential(walk.of(node.operands[0])),
    "cast": lambda walk, node: walk.of(node.operands[0]),
    "reducesum": lambda walk, node: of.total(walk.of(node.operands[0])),
    "reduceprod": lambda walk, node: (
        NOT_NEGATIVE if walk.of(node.operands[0]).low >= 0 else ANYTHING
    ),
    "cumsum": lambda walk, node: of.total(walk.of(node.operands[0]).united(Bounds(0.0, 0.0))),
    **dict.fromkeys(("matmul", "linear", "conv"), _Walk.product_sum),
    **dict.fromkeys(("max", "min"), _Walk.extreme),
    **dict.fromkeys(("concat", "stack", "scatter", "scatterelements", "scatternd"), _Walk.joined),
    **dict.fromkeys(ROUNDINGS, _Walk.rounded),
    "clip": _Walk.clip,
    "select": _Walk.select,
    "pad": _Walk.pad,
}
