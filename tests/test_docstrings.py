"""Docstrings of public modules have one shape, read from the syntax tree."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from amt_export import modules

NEEDED = ("Parameters", "Shape", "Raises", "References", "Examples")
ORDER = ("Parameters", "Attributes", "Shape", "Raises", "Notes", "References", "Examples")
HEADING = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)
ENTRY = re.compile(r"^(\w+(?:, \w+)*(?: \.\.\. \w+|, \.\.\.)?)(?: : (.+))?$", re.MULTILINE)


def class_of(name):
    """The syntax of a public class."""
    source = Path(importlib.import_module(getattr(modules, name).__module__).__file__)
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def sections(docstring):
    """Headings of a docstring and the text below each, in order; "" is what stands before the first."""
    parts = HEADING.split(docstring)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(text):
    """Names in a list of parameters, and what is said of their type."""
    found = {}
    for names, kind in ENTRY.findall(text):
        for name in re.findall(r"\w+", names):
            found[name] = kind
    return found


def method(node, name):
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def parameter_faults(node, found):
    """What is wrong with the parameters and attributes of a docstring in sections."""
    lacking = []
    listed = entries(found["Parameters"])
    constructor = method(node, "__init__")
    arguments = constructor.args if constructor else None
    taken = (
        [a.arg for a in (*arguments.args[1:], *arguments.kwonlyargs)] if arguments else list(listed)
    )
    if list(listed) != taken:
        lacking.append(f"lists {list(listed)}, takes {taken}")
    for name, kind in {**listed, **entries(found.get("Attributes", ""))}.items():
        if not kind:
            lacking.append(f"{name} has no type")
        elif "Tensor" in kind and "[" not in kind:
            lacking.append(f"{name} has no shape")
    return lacking


def faults(node):
    """What a class's docstring lacks."""
    found = sections(ast.get_docstring(node) or "")
    lacking = [f"no {heading}" for heading in NEEDED if heading not in found]
    if lacking:
        return lacking
    headings = [heading for heading in found if heading]
    if headings != [heading for heading in ORDER if heading in headings]:
        lacking.append(f"headings are {headings}")
    if not re.fullmatch(r"\S.*\.\n\n[\s\S]*", found[""]):
        lacking.append("no summary of one line, ended by a full stop")
    lacking += parameter_faults(node, found)
    if "->" not in found["Shape"]:
        lacking.append("Shape does not say what becomes of what")
    if not re.match(r"\w+Error\n +\S", found["Raises"]):
        lacking.append("Raises does not say what for")
    if not found["References"].startswith(".. [1] "):
        lacking.append("no reference")
    if ">>> " not in found["Examples"]:
        lacking.append("no example")
    return lacking


@pytest.mark.parametrize("name", modules.__all__)
def test_a_module_is_described_in_the_same_way_as_all_others(name):
    assert not faults(class_of(name))


@pytest.mark.parametrize("name", modules.__all__)
def test_forward_says_what_it_takes_and_gives(name):
    for owner in getattr(modules, name).__mro__:
        if "forward" in vars(owner):
            described = owner.forward.__doc__ or ""
            break
    found = sections("\n".join(line[8:] for line in f"        {described}".splitlines()))
    assert entries(found["Parameters"])
    assert "[shape=" in found["Parameters"]
    assert "[" in found["Returns"].splitlines()[0]


GOOD = '''
class A:
    """Do it.

    Parameters
    ----------
    x : Tensor [shape=(F,)], Hz

    Shape
    -----
    a -> b

    Raises
    ------
    ValueError
        For bad ones.

    References
    ----------
    .. [1] A paper.

    Examples
    --------
    >>> 1
    1
    """

    def __init__(self, x): ...
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ("Do it.", "Do it", "no summary of one line, ended by a full stop"),
        ("x : Tensor [shape=(F,)], Hz", "x : Tensor", "x has no shape"),
        ("x : Tensor [shape=(F,)], Hz", "x", "x has no type"),
        ("self, x", "self, x, y", "lists ['x'], takes ['x', 'y']"),
        ("a -> b", "a and b", "Shape does not say what becomes of what"),
        ("        For bad ones.\n", "", "Raises does not say what for"),
        (".. [1]", "1", "no reference"),
        (">>> 1", "1", "no example"),
        ("Raises\n    ------", "Errors\n    ------", "no Raises"),
    ],
)
def test_the_rules_see_faults(old, new, fault):
    (node,) = ast.parse(GOOD.replace(old, new)).body
    assert faults(node) == ([fault] if fault else [])
