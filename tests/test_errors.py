"""The error family: what callers may catch, and what users read."""

import inspect
import pickle

import pytest

from amt_export import errors
from amt_export.errors import AmtExportError, InputError, MissingDependencyError, require

FAMILY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, AmtExportError) and kind is not AmtExportError
]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_is_also_a_builtin(kind):
    builtin = [base for base in kind.__bases__ if base.__module__ == "builtins"]
    assert builtin
    with pytest.raises(builtin[0], match="what happened"):
        raise kind("what happened")


@pytest.mark.parametrize("kind", FAMILY)
def test_errors_print_their_message_alone_and_cross_processes(kind):
    error = pickle.loads(pickle.dumps(kind("one line")))
    assert type(error) is kind
    assert str(error) == "one line"


def test_an_error_says_another_thing_on_the_command_line_also_in_another_process():
    error = InputError("nan; pass x=1").for_command_line("nan; --x")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "nan; pass x=1"
        assert one.command_line == "nan; --x"
    assert InputError("nan").command_line == "nan"


def test_require_returns_the_module():
    assert require("json.decoder", "onnx", "Testing").__name__ == "json.decoder"


def test_require_names_purpose_package_and_extra():
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_package.inner", "onnx", "Running an ONNX artifact")
    message = str(caught.value)
    assert message.startswith("Running an ONNX artifact needs no_such_package.inner")
    assert message.endswith("pip install 'amt_export[onnx]'")
    assert "\n" not in message
    assert caught.value.name == "no_such_package.inner"


def test_require_tells_why_an_installed_package_fails(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("raise ImportError('libfoo.so.1 not found')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match="libfoo"):
        require("half_installed", "audio", "Reading audio")
