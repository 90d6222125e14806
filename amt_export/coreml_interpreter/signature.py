"""The table of operations, and how a Python function says what its operation takes.

An operation is a function whose parameters have the names of the operation's own; their annotations
say what they may be, defaults are those of the documentation. So one definition is the table entry,
the check of the arguments, and the computation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Result = Any  # an array, a numpy scalar, or a list of arrays

# What parameters may be. `Data` is the documentation's T: one of the operation's types, the same for all.
Data = Annotated[Array, "T"]
Other = Annotated[Array, "any type"]
Mask = Annotated[Array, "bool"]
Indices = Annotated[Array, "integers"]
Values = Annotated[list[Array], "tuple of T"]
Ints = tuple[int, ...]
Flags = tuple[bool, ...]
# No parameter of an operation: the function is given the names of the arguments that are constants.
Constants = Annotated[frozenset[str], "names"]

FLOATS = frozenset(map(np.dtype, (np.float16, np.float32)))
NUMBERS = FLOATS | {np.dtype(np.int32)}
ANY = NUMBERS | {np.dtype(np.bool_)}

Function = TypeVar("Function", bound=Callable[..., Any])


class MismatchError(ValueError):
    """An argument is not what the operation takes. The caller puts the operation before the message."""


@dataclass(frozen=True)
class Operation:
    """An entry of the table.

    Parameters
    ----------
    function : callable
    types : frozenset of dtype
        What `Data` and `Values` may be.
    hints : dict
        Parameter to annotation, without the None of an optional one.
    required : frozenset of str
    takes_constants : str or None
        Name of the parameter that is annotated with `Constants`.
    """

    function: Callable[..., Any]
    types: frozenset[np.dtype[Any]]
    hints: dict[str, Any]
    required: frozenset[str]
    takes_constants: str | None

    def check_names(self, given: Iterable[str]) -> None:
        """Raise MismatchError unless these are parameters, and all the required ones."""
        names = set(given)
        if unknown := sorted(names - self.hints.keys()):
            raise MismatchError(f"has a parameter {unknown[0]} that is not known here")
        if missing := sorted(self.required - names):
            raise MismatchError(f"lacks its parameter {missing[0]}")

    def convert(self, name: str, values: Sequence[Array]) -> Any:
        """Convert an argument to what `function` takes.

        Raises
        ------
        MismatchError
            If it is of another type or rank.
        """
        hint = self.hints[name]
        if hint == Values:
            return list(values)
        if len(values) != 1:
            raise MismatchError(f"takes one {name}, not {len(values)}")
        return _convert(hint, name, values[0])

    def check_types(self, arguments: dict[str, Any]) -> None:
        """Raise MismatchError unless all data are of one of the operation's types."""
        found = set()
        for name, hint in self.hints.items():
            if name in arguments and hint == Data:
                found.add(arguments[name].dtype)
            elif name in arguments and hint == Values:
                found |= {value.dtype for value in arguments[name]}
        if len(found) > 1:
            raise MismatchError(f"mixes {' and '.join(sorted(map(str, found)))}")
        if wrong := found - self.types:
            raise MismatchError(f"does not take {wrong.pop()}")


OPERATIONS: dict[str, Operation] = {}


def operation(types: frozenset[np.dtype[Any]]) -> Callable[[Function], Function]:
    """Register a function under its name, less the underscore that keeps it from a builtin's.

    Parameters
    ----------
    types : frozenset of dtype
        What its `Data` may be.
    """

    def register(function: Function) -> Function:
        hints = get_type_hints(function, include_extras=True)
        del hints["return"]
        hints = {name: _without_none(hint) for name, hint in hints.items()}
        parameters = inspect.signature(function).parameters.values()
        constants = next((name for name, hint in hints.items() if hint == Constants), None)
        hints.pop(constants or "", None)
        OPERATIONS[function.__name__.rstrip("_")] = Operation(
            function,
            types,
            hints,
            frozenset(p.name for p in parameters if p.default is p.empty and p.name in hints),
            constants,
        )
        return function

    return register


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    return hint


def _convert(hint: Any, name: str, value: Array) -> Any:
    if hint in (Data, Other):
        return value
    if hint in (Mask, Indices):
        _demand(value.dtype.kind in ("b" if hint == Mask else "iu"), name, value)
        return value
    element = get_args(hint)[0] if get_origin(hint) is tuple else hint
    kinds = {int: "iu", bool: "b", str: "U"}
    rank = 0 if element is hint else 1
    _demand(value.dtype.kind in kinds[element] and value.ndim == rank, name, value)
    return tuple(value.tolist()) if rank else value.item()


def _demand(fits: bool, name: str, value: Array) -> None:
    if not fits:
        raise MismatchError(f"has a parameter {name} that is {value.dtype}{list(value.shape)}")
