"""Damage to text, bytes, JSON and tensors: other values, missing parts, repeated parts."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

# Values of a line of TOML: wrong types, ends of ranges, depth, and paths.
VALUES = (
    "0", "-1", "1", "2", "1e300", "-1e300", "1e-300", "nan", "inf", "9" * 400, "1" + "0" * 30, "true", '""',
    '"x"', "[]", "[[]]", "{}", "[1.0]", "[100.0, 4000.0]", "[4000.0, 100.0]", '"\\u0000"', '"\\ud800"',
    "1000000000", "0.001", "16000", "[1, 1000000000]", "[0]", "1979-05-27", '"../../x"', "[" * 2000,
)  # fmt: skip


def other_line(text: str, chosen: random.Random) -> str:
    """A text with one line left out, doubled, moved or of another value."""
    lines = text.splitlines()
    at = chosen.randrange(len(lines))
    key = lines[at].partition("=")[0]
    kind = chosen.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(chosen.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines[at] = lines[at][::-1]
    else:
        lines[at] = f"{key}= {chosen.choice(VALUES)}"
    return "\n".join(lines) or "x"


def damaged(data: bytes, chosen: random.Random) -> bytes:
    """Bytes with some changed, cut off, left out or repeated."""
    changed = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 3, 10))):
        near = min(
            len(changed), chosen.choice((64, 4096, 2**62))
        )  # headers are at the start or the end
        at = chosen.randrange(near) if near else 0
        at = len(changed) - 1 - at if chosen.random() < 0.3 else at
        kind = chosen.randrange(8)
        if kind < 4 and changed:
            changed[at] ^= 1 << chosen.randrange(8)
        elif kind < 6 and changed:
            changed[at] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 6:
            del changed[at : at + chosen.choice((1, 4, 1000))]
        else:
            changed[at:at] = changed[at : at + chosen.choice((1, 8, 100))]
    return (
        bytes(changed) if chosen.random() < 0.8 else bytes(changed[: chosen.randrange(len(data))])
    )


# Values in JSON: the same, and words that a manifest uses elsewhere.
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 3, 7, 10**9, 10**30, 10**400, -(10**400), 0.5, -0.0, 1e308, 1e-308, 1e999, "", "x",
    "\ud800", "\x1b[2J", "../x", "a" * 10_000, [], {}, [[]], [1], [1, 2000], [10**30], "float64", "zero",
    "reflect", "batch", "time", "onnx", "stream",
)  # fmt: skip


def change(content: Any, chosen: random.Random) -> None:
    """Change a value somewhere in parsed JSON."""
    places = list(places_in(content))
    owner, key = chosen.choice(places)
    kind = chosen.randrange(8)
    if kind == 0:
        del owner[key]
    elif kind == 1 and isinstance(owner, list):
        owner.append(owner[key])
    elif kind == 2:
        owner[key] = [owner[key]]
    elif kind == 3 and isinstance(owner[key], int | float) and not isinstance(owner[key], bool):
        owner[key] = owner[key] * chosen.choice((-1, 0, 2, 0.5, 1000, 10**30))
    else:
        owner[key] = copy.deepcopy(chosen.choice(ODD))


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """All containers in parsed JSON, with the keys of what is in them."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from places_in(item)


def other_tensor(tensor: Any, chosen: random.Random) -> Any:
    """What a checkpoint may hold in the place of a tensor."""
    import torch

    return chosen.choice(
        (
            lambda: tensor.to(torch.complex128),
            lambda: tensor.real.to(torch.int64),
            lambda: tensor * float("nan"),
            lambda: tensor.real.to(torch.float16),
            lambda: tensor.reshape(-1)[:0],
            lambda: tensor[None],
            lambda: tensor.real.to_sparse(),
            lambda: tensor.to("meta"),
            lambda: tensor.expand(2, *tensor.shape),
            lambda: torch.nn.Parameter(tensor.real.to(torch.float64)),
            lambda: {"a": tensor},
            lambda: "text",
        )
    )()
