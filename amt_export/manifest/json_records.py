"""Typed, immutable records to and from JSON. Reading refuses values of another type than the annotated one."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

OMITTED: dict[str, Any] = {"omitted": True}
"""Metadata of a field that was added later: it is written only if it differs from its default."""

LAST: dict[str, Any] = {"last": True}
"""Metadata of a field that is written last, whatever its place in the constructor."""


class MismatchError(ValueError):
    """A JSON value does not have the annotated type."""


def encode(value: object) -> object:
    """Convert records, and tuples and dicts of them, to values that `json.dumps` takes."""
    if is_dataclass(value):
        return {
            field.name: encode(getattr(value, field.name))
            for field in sorted(fields(value), key=lambda field: "last" in field.metadata)
            if not (field.metadata.get("omitted") and getattr(value, field.name) == field.default)
        }
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(value: object, hint: Any, where: str = "") -> object:
    """Convert parsed JSON to the annotated type.

    Parameters
    ----------
    value : object
        What `json.loads` gives.
    hint : type
        A dataclass, str, int, float, bool, object, a Literal, or tuple, dict and `X | None` of them.
    where : str, optional
        Path to the value, for the error.

    Raises
    ------
    MismatchError
        If it is of another type, or a record lacks a field without default. Unknown keys of
        records are ignored, so that additions do not break older apps.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:  # only X | None occurs
        return None if value is None else decode(value, arguments[0], where)
    if origin is tuple and isinstance(value, list):
        return tuple(decode(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: decode(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if origin is Literal and value in arguments:
        return value
    if is_dataclass(hint) and isinstance(value, dict):
        return _decode_record(value, hint, where)
    # The exact type, because a JSON true is not the number 1. An integer such as 16000 may stand for a float.
    if hint is object or type(value) is hint or (hint is float and type(value) is int):
        return value
    choices = " or ".join(map(repr, arguments)) if origin is Literal else ""
    expected = choices or getattr(hint, "__name__", hint)
    raise MismatchError(f"{where or 'the whole'} is {value!r}, not {expected}")


def _decode_record(value: dict[str, object], hint: Any, where: str) -> object:
    hints = get_type_hints(hint)
    found = {}
    for field in fields(hint):
        inner = f"{where}.{field.name}" if where else field.name
        if field.name in value:
            found[field.name] = decode(value[field.name], hints[field.name], inner)
        elif field.default is MISSING:
            raise MismatchError(f"{inner} is missing")
    return hint(**found)
