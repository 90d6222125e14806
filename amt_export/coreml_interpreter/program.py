"""Evaluation of the program of a Core ML package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# Importing these registers their operations.
from amt_export.coreml_interpreter import (  # noqa: F401
    constexpr,
    elementwise,
    indexing,
    products,
    shapes,
)
from amt_export.coreml_interpreter.package import TensorType, open_package
from amt_export.coreml_interpreter.signature import OPERATIONS, Array, MismatchError, Operation
from amt_export.errors import ArtifactError, InputError

MAX_RANK = 5
"""Largest number of dimensions: Core ML refuses a model with a tensor of more when it loads it."""

Observer = Callable[[str, str, Array], None]


@dataclass
class Step:
    """One operation of a program, ready to run.

    Parameters
    ----------
    kind : str
        Type of the operation.
    fixed : dict
        Arguments that are constants.
    variable : dict
        Parameter to the names of the values it is given.
    outputs : dict
        Name to declared type of each result.
    finished : list of str
        Values that no later step needs.
    """

    kind: str
    operation: Operation
    fixed: dict[str, Any]
    variable: dict[str, tuple[str, ...]]
    outputs: dict[str, TensorType]
    finished: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind} {next(iter(self.outputs), '')}"


class Interpreter:
    """A saved package as a function from arrays to arrays.

    Parameters
    ----------
    path : Path
        The ``.mlpackage`` folder.

    Raises
    ------
    ArtifactError
        If it cannot be read, or holds an operation, parameter or type that is not known here.
    """

    def __init__(self, path: Path) -> None:
        self._package = open_package(path)
        function, block = self._package.function(), self._package.block()
        self.inputs = {
            value.name: self._package.tensor_type(value.type, f"input {value.name}")
            for value in function.inputs
        }
        self._constants: dict[str, Array] = {}
        self._defined = set(self.inputs)
        self._steps: list[Step] = []
        for operation in block.operations:
            self._add(operation)
        self.outputs = tuple(block.outputs)
        self._require(self.outputs, "the program")
        self._check_interface()
        self._find_last_uses()

    def run(self, inputs: Mapping[str, Array], observe: Observer | None = None) -> dict[str, Array]:
        """Evaluate the program once.

        Parameters
        ----------
        inputs : mapping
            Input name to array of the declared type.
        observe : callable, optional
            Called with the name, operation and value of every result.

        Returns
        -------
        dict
            Output name to array.

        Raises
        ------
        InputError
            If the inputs are not those of the program.
        ArtifactError
            If an operation cannot be evaluated, or its result is not what the program declares.
        """
        self._check_inputs(inputs)
        values = {**self._constants, **inputs}
        with np.errstate(all="ignore"):
            for step in self._steps:
                for name, value in self._evaluate(step, values).items():
                    values[name] = value
                    if observe is not None:
                        observe(name, step.kind, value)
                for name in step.finished:
                    del values[name]
        return {name: values[name] for name in self.outputs}

    def _check_interface(self) -> None:
        """Check that the interface of the package is that of its program."""
        description = self._package.model.description
        described = ({f.name for f in description.input}, {f.name for f in description.output})
        if described != (set(self.inputs), set(self.outputs)):
            raise self._refuse("the program", "has other inputs or outputs than the package says")

    def _check_inputs(self, inputs: Mapping[str, Array]) -> None:
        if set(inputs) != set(self.inputs):
            raise InputError(
                f"{self._package.path}: takes {', '.join(self.inputs)}, not {', '.join(inputs)}"
            )
        for name, declared in self.inputs.items():
            if not declared.admits(inputs[name]):
                found = f"{inputs[name].dtype}{list(inputs[name].shape)}"
                raise InputError(f"{self._package.path}: {name} is {declared}, not {found}")

    def _add(self, spec: Any) -> None:
        """Read one operation of the specification: keep a constant, or add a step."""
        outputs = {}
        for value in spec.outputs:
            where = f"{spec.type} {value.name}"
            outputs[value.name] = self._package.tensor_type(value.type, where)
            if len(outputs[value.name].shape) > MAX_RANK:
                raise self._refuse(where, f"has more than {MAX_RANK} dimensions")
            if value.name in self._defined:
                raise self._refuse(where, "is defined twice")
        where = f"{spec.type} {next(iter(outputs), '')}"
        if spec.type == "const":
            results = (self._attribute(spec, "val", where),)
            self._store(where, results, outputs, self._constants)
        elif spec.type not in OPERATIONS or spec.blocks:
            raise self._refuse(where, "is not known here")
        else:
            step = self._step(spec, where, outputs)
            if spec.type.startswith("constexpr_"):
                self._constants.update(self._evaluate(step, self._constants))
            else:
                self._steps.append(step)
        self._defined |= outputs.keys()

    def _attribute(self, spec: Any, name: str, where: str) -> Array:
        if name not in spec.attributes:
            raise self._refuse(where, "has no value")
        return self._package.value(spec.attributes[name], where)

    def _step(self, spec: Any, where: str, outputs: dict[str, TensorType]) -> Step:
        """Bind the arguments of an operation: constants now, other values when the operation runs."""
        operation = OPERATIONS[spec.type]
        fixed: dict[str, Any] = {}
        variable: dict[str, tuple[str, ...]] = {}
        # Operations on compressed weights have attributes instead; every operation has a name among them.
        attributes = {name: [value] for name, value in spec.attributes.items() if name != "name"}
        try:
            operation.check_names([*spec.inputs, *attributes])
            for parameter, values in attributes.items():
                arrays = [self._package.value(value, where) for value in values]
                fixed[parameter] = operation.convert(parameter, arrays)
            for parameter, argument in spec.inputs.items():
                names = tuple(self._name(binding, where) for binding in argument.arguments)
                self._require(names, where)
                if all(name in self._constants for name in names):
                    arrays = [self._constants[name] for name in names]
                    fixed[parameter] = operation.convert(parameter, arrays)
                else:
                    variable[parameter] = names
        except MismatchError as error:
            raise self._refuse(where, str(error)) from error
        if operation.takes_constants is not None:
            fixed[operation.takes_constants] = frozenset(fixed)
        return Step(spec.type, operation, fixed, variable, outputs)

    def _name(self, binding: Any, where: str) -> str:
        """Name of an argument. A value that stands in its place becomes a constant with a new name."""
        if binding.WhichOneof("binding") == "name":
            return str(binding.name)
        name = f"{where} #{len(self._constants)}"
        self._constants[name] = self._package.value(binding.value, where)
        self._defined.add(name)
        return name

    def _evaluate(self, step: Step, values: Mapping[str, Array]) -> dict[str, Array]:
        operation = step.operation
        try:
            arguments = step.fixed | {
                parameter: operation.convert(parameter, [values[name] for name in names])
                for parameter, names in step.variable.items()
            }
            operation.check_types(arguments)
            result = operation.function(**arguments)
        except Exception as error:  # numpy raises it for shapes that do not broadcast
            reason = str(error).strip() or type(error).__name__
            raise self._refuse(str(step), reason.splitlines()[0]) from error
        results = tuple(result) if isinstance(result, list | tuple) else (result,)
        found: dict[str, Array] = {}
        self._store(str(step), results, step.outputs, found)
        return found

    def _store(
        self,
        where: str,
        results: tuple[Any, ...],
        outputs: dict[str, TensorType],
        into: dict[str, Array],
    ) -> None:
        if len(results) != len(outputs):
            raise self._refuse(where, f"has {len(results)} results, not {len(outputs)}")
        for (name, declared), result in zip(outputs.items(), results, strict=True):
            value = np.asarray(result)
            if not declared.admits(value):
                found = f"{value.dtype}{list(value.shape)}"
                raise self._refuse(where, f"gives {found}, the program declares {declared}")
            into[name] = value

    def _require(self, names: tuple[str, ...], where: str) -> None:
        for name in names:
            if name not in self._defined:
                raise self._refuse(where, f"needs {name}, which nothing defines")

    def _find_last_uses(self) -> None:
        """Free every value after its last use: otherwise one second of 50 channels would need gigabytes."""
        kept = set(self.outputs)
        for step in reversed(self._steps):
            used = {name for names in step.variable.values() for name in names} - kept
            step.finished = sorted(used | (step.outputs.keys() - kept))
            kept |= used

    def _refuse(self, where: str, reason: str) -> ArtifactError:
        return ArtifactError(f"{self._package.path}: {where}: {reason}; build the model again")
