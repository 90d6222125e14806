"""Checks of [parameters] and [inputs] of a model file against the signatures of the module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from amt_export.model_file.limits import too_large
from amt_export.model_file.section import Section, is_number

# Arguments of a constructor that are no parameters, and what sets them.
_NOT_PARAMETERS = {
    "dtype": "not a parameter; [export] precision sets it",
    "learnable": "not a parameter; published models hold fixed values, and --checkpoint gives trained ones",
}


def constructor_keywords(section: Section, module: type[Any]) -> dict[str, object]:
    """Check ``[parameters]`` against the constructor and return its keyword arguments.

    ``fc_range = [low, high]`` becomes the tuple ``fc = (low, high)``; an explicit ``fc`` stays a
    list of floats.

    Parameters
    ----------
    section : Section
        The table.
    module : type
        The module's class; ``__signature__`` on it speaks for an ``*args, **kwargs`` constructor.

    Raises
    ------
    SpecError
        For unknown or missing keywords and for values of the wrong type. Values that only the
        module can judge (a centre frequency above fs/2) are its constructor's ValueError.
    """
    keywords = {
        name: parameter
        for name, parameter in _signature(module).items()
        if name not in _NOT_PARAMETERS
    }
    for name in section.table.keys() & _NOT_PARAMETERS.keys():
        raise section.error(name, _NOT_PARAMETERS[name])
    has_range = "fc" in keywords
    section.only([*keywords, "fc_range"] if has_range else keywords)

    arguments: dict[str, object] = {}
    for name, value in section.table.items():
        if name == "fc_range":
            arguments["fc"] = _frequency_range(section)
        elif name == "fc":
            arguments["fc"] = _frequencies(section)
        elif not _accepts(keywords[name].annotation, value):
            expected = _describe(keywords[name].annotation)
            raise section.error(name, f"must be {expected}")
        else:
            arguments[name] = value
        if problem := too_large(name.removesuffix("_range"), value):
            raise section.error(name, problem)
    if {"fc", "fc_range"} <= section.table.keys():
        raise section.error("fc", "give either fc or fc_range")
    for name, parameter in keywords.items():
        if parameter.default is parameter.empty and name not in arguments:
            alternative = " (or fc_range = [low, high])" if name == "fc" else ""
            raise section.error(name, f"this key is missing{alternative}")
    return arguments


def input_shapes(section: Section, module: type[Any]) -> dict[str, tuple[int, ...]]:
    """Check ``[inputs]`` against forward's arguments and return their static shapes.

    Arguments in the class attribute ``baked_inputs`` are constants of the artifact and must not
    be listed.

    Raises
    ------
    SpecError
        For other names or another order than forward's, and shapes that are not positive integers
        or have another rank than the port's axes.
    """
    baked: tuple[str, ...] = getattr(module, "baked_inputs", ())
    names = [name for name in inspect.signature(module.forward).parameters if name != "self"]
    expected = [name for name in names if name not in baked]
    axes = {port.name: port.axes for port in module.input_ports}

    for name in section.table.keys() & set(baked):
        raise section.error(name, f"built into the artifact; [inputs] takes {', '.join(expected)}")
    section.only(expected)
    for name in expected:
        if name not in section.table:
            raise section.error(name, f"this key is missing; [inputs] takes {', '.join(expected)}")
    if list(section.table) != expected:
        first = next(iter(section.table))
        raise section.error(first, f"the order must be {', '.join(expected)}")

    shapes = {name: section.shape(name) for name in expected}
    for name, shape in shapes.items():
        if len(shape) != len(axes[name]):
            raise section.error(name, f"must have {len(axes[name])} sizes: {', '.join(axes[name])}")
    return shapes


def _signature(module: type[Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(module, eval_str=True)
    except NameError:  # the annotation is imported for type checking only, so its name is compared
        signature = inspect.signature(module)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in signature.parameters.items() if p.kind not in variadic}


def _frequency_range(section: Section) -> tuple[float, float]:
    value = section.table["fc_range"]
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        raise section.error("fc_range", "must be two numbers, [low, high] in Hz")
    low, high = map(float, value)
    if not 0.0 < low < high:
        raise section.error("fc_range", "must be 0 < low < high, in Hz")
    return low, high


def _frequencies(section: Section) -> list[float]:
    value = section.table["fc"]
    if not isinstance(value, list) or not value or not all(map(is_number, value)):
        raise section.error("fc", "must be a list of centre frequencies in Hz")
    if min(value) <= 0:
        raise section.error("fc", "centre frequencies must be above zero")
    return [float(frequency) for frequency in value]


def _accepts(annotation: Any, value: object) -> bool:
    """Tell whether a TOML value fits an annotation. Unknown annotations accept everything."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_accepts(option, value) for option in arguments)
    if origin is Literal:
        return value in arguments
    base = origin or annotation
    if base is NoneType:
        return False  # TOML has no null
    if base in (bool, str):
        return type(value) is base
    if base is int:
        return type(value) is int
    if base is float:
        return is_number(value)
    if base in (list, tuple, Sequence):
        item = next((a for a in arguments if a is not Ellipsis), Any)
        return isinstance(value, list) and all(_accepts(item, element) for element in value)
    if base in (dict, Mapping):
        return isinstance(value, dict)
    return True


def _describe(annotation: Any) -> str:
    """Describe an annotation in the terms of TOML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_describe(option) for option in arguments if option is not NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    plain = {bool: "true or false", str: "a string", int: "an integer", float: "a finite number"}
    base = origin or annotation
    return plain.get(base, "a table" if base in (dict, Mapping) else "a list of numbers")
