"""Compare value by value, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.errors import ArtifactError
from amt_export.lint.files import READERS
from amt_export.lint.graph import Graph, Node
from amt_export.manifest.ports import Port
from amt_export.verify.divergence.artifact_values import VALUES
from amt_export.verify.divergence.subject import DECIBEL, Subject
from amt_export.verify.divergence.torch_values import TorchValues
from amt_export.verify.parity import metric

Array = npt.NDArray[Any]

# Values that are held at the same time, three times over: 64 MB in float64 each.
CHUNK = 8_000_000
# A runtime that sums in another order may be off as far as eager torch itself, and by chance a few times that.
OWN_ROUNDING = 4.0
# More than this no rounding explains. Products that round once have values that depend on the precision: what
# is left of a float32 beside a coarse head is another number in float64. Artifact and eager torch agree there.
MOST_ROUNDING = 1e-4


@dataclass(frozen=True)
class Step:
    """One value that the artifact and eager torch both have.

    Parameters
    ----------
    name : str
        Of the value, in both.
    op, target : str
        Operator that computes it, as the format and as torch call it.
    error : float
        Largest difference between artifact and eager torch, relative to the largest magnitude.
    rounding : float
        The same between eager torch and the same graph in float64.
    beyond : bool
        Whether the error is beyond the tolerance and beyond what rounding explains.
    departs : bool
        Whether it is, and so is everything on some way from there to an output. What a sum leaves of
        two almost equal numbers may be wholly another one in another order of rounding, and no output
        is any different.
    """

    name: str
    op: str
    target: str
    error: float
    rounding: float
    beyond: bool
    departs: bool = False


@dataclass(frozen=True)
class Divergence:
    """What a comparison has found.

    Parameters
    ----------
    steps : tuple of Step
        In the order of the graph.
    first : Step or None
        The first that departs.
    computed_from : tuple of str
        What the first one is computed from: operators and values up to the last ones that were compared.
    constants : dict of float
        Weights in the artifact, and constants computed from them, that are not the module's, and by
        how much, relative to the largest.
    unmatched : int
        Values of the artifact that torch's graph has no name for.
    """

    steps: tuple[Step, ...]
    first: Step | None
    computed_from: tuple[str, ...]
    constants: dict[str, float]
    unmatched: int


def diverge(
    subject: Subject,
    signal: str,
    progress: Callable[[str, float], None] = lambda _what, _share: None,
) -> Divergence:
    """Run an artifact, eager torch and float64 on one signal and compare all they compute on the way.

    Parameters
    ----------
    subject : Subject
    signal : str
        One of the suite.
    progress : callable, optional
        Called with what is being done and the share that is done.

    Raises
    ------
    ArtifactError
        If the artifact cannot be run, or shares no value with the model's graph.
    """
    inputs = subject.inputs[signal]
    eager = TorchValues(subject.exported, tuple(subject.ports))
    truth = TorchValues(subject.exported, tuple(subject.ports), in_float64=True)
    artifact = VALUES[subject.format](subject.artifact)
    graph = READERS[subject.artifact.suffix](subject.artifact)
    producers = graph.producers()
    targets = eager.targets()
    # What a converter has computed beforehand, out of weights alone.
    folded = set(graph.constants) & set(targets)
    shared = {name: size for name, size in eager.sizes().items() if name in producers}
    steps: list[Step] = []
    for number, names in enumerate(chunks := list(_chunks(shared))):
        progress(f"{subject.name}: comparing values", number / len(chunks))
        answers = [side.run(inputs, names) for side in (artifact, eager, truth)]
        for name in (name for name in shared if name in names):
            found, expected, reference = (answer.get(name) for answer in answers)
            if (
                found is None
                or expected is None
                or reference is None
                or found.size != expected.size
            ):
                continue  # another value by the same name
            error = _difference(found, expected, subject.ports.get(name))
            rounding = relative(expected, reference)
            explained = OWN_ROUNDING * rounding if rounding < MOST_ROUNDING else 0.0
            beyond = not error <= max(subject.tolerance, explained)
            steps.append(Step(name, producers[name].op, targets[name], error, rounding, beyond))
    if not steps:
        raise ArtifactError(
            f"{subject.artifact}: shares no value with the graph of {subject.name}; was it built "
            "by another version?"
        )
    compared = {step.name: step.beyond for step in steps}
    astray = _reaching_outputs(graph, producers, compared)
    steps = [replace(step, departs=step.name in astray) for step in steps]
    first = next((step for step in steps if step.departs), None)
    return Divergence(
        tuple(steps),
        first,
        () if first is None else tuple(_upstream(first.name, graph, producers, compared.keys())),
        _differing_constants(graph, eager.constants(), 0.0)
        | _differing_constants(graph, eager.run(inputs, folded), subject.tolerance),
        len(producers.keys() - compared),
    )


def _difference(found: Array, expected: Array, port: Port | None) -> float:
    """`relative`; of an output as parity measures it, dB as the share of a magnitude that they are.

    Lists of components have slots that may hold others after a decision at the threshold: as any value.
    """
    if port is None or port.components is not None or port.kind == "frequency":
        return relative(found, expected)
    error = metric.difference(found.reshape(expected.shape), expected, port)
    return error * DECIBEL if port.kind == "db" else error


def relative(found: Array, expected: Array) -> float:
    """Largest difference relative to the largest magnitude; infinite where only one is not finite."""
    found, expected = (x.astype(np.float64).ravel() for x in (found, expected))
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    error = np.abs(np.subtract(found, expected, where=finite, out=np.zeros(finite.shape)))
    largest = float(np.max(np.abs(expected), where=finite, initial=0.0))
    worst = float(error.max(initial=0.0))
    return worst / largest if largest else (0.0 if worst == 0 else float("inf"))


def _chunks(sizes: Mapping[str, int]) -> Iterator[set[str]]:
    """Names in groups that fit in memory together."""
    names: set[str] = set()
    room = CHUNK
    for name, size in sizes.items():
        if names and size > room:
            yield names
            names, room = set(), CHUNK
        names.add(name)
        room -= size
    if names:
        yield names


def _reaching_outputs(
    graph: Graph, producers: Mapping[str, Node], compared: Mapping[str, bool]
) -> set[str]:
    """Values beyond their tolerance that lead to an output through others of that kind.

    What was not compared does not interrupt the way.
    """
    waiting = [output.name for output in graph.outputs]
    seen = set(waiting)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in producers or not compared.get(name, True):
            continue
        if name in compared:
            found.add(name)
        operands = set(producers[name].operands) - seen
        seen |= operands
        waiting += operands
    return found


def _upstream(
    name: str, graph: Graph, producers: Mapping[str, Node], compared: Collection[str]
) -> Iterator[str]:
    """Operators that a value depends on, back to the last values that were compared, and those values."""
    waiting, seen = [name], {name}
    while waiting:
        node = producers[waiting.pop(0)]
        for operand in filter(None, node.operands):
            if operand in seen:
                continue
            seen.add(operand)
            if operand in graph.constants:
                yield f"{operand} (constant)"
            elif operand in producers and operand not in compared:
                yield f"{operand} ({producers[operand].op}, not compared)"
                waiting.append(operand)
            else:
                yield operand


def _differing_constants(
    graph: Graph, weights: Mapping[str, Array], tolerance: float
) -> dict[str, float]:
    """Weights that have the same name in the artifact and in torch, but other values.

    Core ML's names have underscores where the module's have points.
    """
    by_name = {name.replace(".", "_"): value for name, value in weights.items()} | dict(weights)
    differences = {
        name: relative(array.astype(np.float64), by_name[name].astype(np.float64))
        for name, array in graph.constants.items()
        if name in by_name and array.dtype.kind == "f" and array.size == by_name[name].size
    }
    return {name: error for name, error in differences.items() if error > tolerance}
