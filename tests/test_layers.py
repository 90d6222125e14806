"""The architecture, as code: who may import whom, and how long a file may get."""

import ast
import re
import sys
from pathlib import Path

import pytest

import amt_export
from support.process import ran

PACKAGE = Path(amt_export.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 360

# Each layer imports only from those before it, and from itself.
LAYERS = [
    "errors",
    "manifest",
    "audio",
    "runtime",
    "plot",
    "corpus",
    "erb",
    "numerics",
    "recurrence",
    "design",
    "modules",
    "model_file",
    "export",
    "coreml_interpreter",
    "lint",
    "verify",
    "report",
    "publish",
    "cli",
    "__main__",
]

# What an app depends on: allowed top-level packages besides the standard library.
APP_SIDE = {
    "__init__": set(),
    "errors": set(),
    "manifest": set(),
    "audio": {"numpy"},
    "runtime": {"numpy"},
    "plot": {"numpy"},
    "corpus": {"numpy"},
}
# A backend loads its own engine, and only when it is used.
ENGINES = {"onnxruntime", "torch", "coremltools"}

CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"


def layer_of(file):
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree, file=PACKAGE / "x.py"):
    """Return (absolute dotted name, inside a function?) of every import that is run."""

    def visit(node, inside):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, inside
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = ("amt_export", *file.relative_to(PACKAGE).parent.parts)
                module = ".".join((*package[: len(package) - node.level + 1], module)).rstrip(".")
            for alias in node.names:
                yield f"{module}.{alias.name}", inside
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return list(visit(tree, False))


def upward(file, tree):
    """Return the imports of a file that break the layer rule."""
    own = LAYERS.index(layer_of(file))
    layers = {
        parts[1]
        for name, _ in imports(tree, file)
        if (parts := name.split("."))[0] == "amt_export" and parts[1] in LAYERS
    }
    return {name for name in layers if LAYERS.index(name) > own}


def foreign(file, tree):
    """Return the imports that an app must not be made to pay for."""
    allowed = {"amt_export", *sys.stdlib_module_names, *APP_SIDE[layer_of(file)]}
    lazy = ENGINES if file.relative_to(PACKAGE).parts[:2] == ("runtime", "backends.py") else set()
    return {
        name
        for name, inside in imports(tree, file)
        if (top := name.split(".")[0]) not in allowed and not (inside and top in lazy)
    }


def parse(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file):
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_go_downwards(file):
    layer = layer_of(file)
    if layer == "__init__":
        assert not [name for name, _ in imports(parse(file), file) if "amt_export" in name]
    else:
        assert layer in LAYERS, f"{layer} has no place in the layers yet"
        assert not upward(file, parse(file))


def drawn():
    """Return the folders in each box of the drawing in CONTRIBUTING.md, in order."""
    drawing = CONTRIBUTING.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    boxes = re.split(r"^ *-+$", drawing, flags=re.MULTILINE)
    return [re.findall(r" (\w+)(?:/|\.py)  ", box) for box in boxes]


def test_the_drawing_shows_the_layers():
    apps, builders = drawn()
    assert [*apps, *builders, "__main__"] == LAYERS
    assert {*apps, "__init__"} == APP_SIDE.keys()


@pytest.mark.parametrize("file", [f for f in FILES if layer_of(f) in APP_SIDE], ids=name_of)
def test_the_app_side_needs_numpy_at_most(file):
    assert not foreign(file, parse(file))


@pytest.mark.parametrize(
    "file", [f for f in FILES if layer_of(f) == "coreml_interpreter"], ids=name_of
)
def test_the_interpreter_shares_nothing_with_what_it_proves(file):
    names = {name for name, _ in imports(parse(file), file)}
    assert not {name for name in names if name.split(".")[0] in {"torch", "onnx", "onnxruntime"}}
    own = {name.split(".")[1] for name in names if name.startswith("amt_export.")}
    assert own <= {"coreml_interpreter", "errors"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_one_idea_a_file(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_rules_see_violations():
    runtime = PACKAGE / "runtime" / "model.py"
    for code in [
        "import amt_export.model_file",
        "from amt_export import model_file",
        "from .. import model_file",
    ]:
        assert upward(runtime, ast.parse(code)) == {"model_file"}
        assert upward(runtime, ast.parse(f"def f():\n    {code}")) == {"model_file"}
        assert not upward(PACKAGE / "cli" / "main.py", ast.parse(code))
    assert foreign(runtime, ast.parse("def f():\n    import torch")) == {"torch"}
    backends = PACKAGE / "runtime" / "backends.py"
    assert not foreign(backends, ast.parse("def f():\n    import torch"))
    assert foreign(backends, ast.parse("import torch")) == {"torch"}
    assert foreign(backends, ast.parse("def f():\n    import onnx")) == {"onnx"}
    assert not foreign(runtime, ast.parse("if TYPE_CHECKING:\n    import torch"))


def test_importing_the_runtime_loads_neither_torch_nor_onnx():
    code = """
import sys
import amt_export, amt_export.runtime
heavy = {"torch", "onnx", "onnxscript", "onnxruntime", "coremltools", "scipy"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""
    done = ran(sys.executable, "-c", code)
    assert done.stderr.strip() == ""
    assert done.returncode == 0
