"""The errors a user may meet, and the import of optional packages.

Every error of this package is an :class:`AmtExportError`, and each one is also the builtin that a
caller who does not know this package would catch. A message is one line: what is wrong, where, and
what to do about it.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Self


class AmtExportError(Exception):
    """Base of all errors this package raises on purpose."""

    _for_command_line: str | None = None

    @property
    def command_line(self) -> str:
        """The message for a user of the command line, who cannot pass arguments of Python."""
        return str(self) if self._for_command_line is None else self._for_command_line

    def for_command_line(self, message: str) -> Self:
        """Set another message for users of the command line, and return the error."""
        self._for_command_line = message
        return self


class SpecError(AmtExportError, ValueError):
    """A model file is missing, unreadable or says something impossible."""


class AudioError(AmtExportError, ValueError):
    """An audio file or signal is unreadable, empty, not finite or of the wrong layout."""


class InputError(AmtExportError, ValueError):
    """An artifact was called with the wrong names, shapes or dtypes."""


class StreamError(AmtExportError, RuntimeError):
    """A stream is closed, in use by another thread, or holds a state that is not finite."""


class ArtifactError(AmtExportError, ValueError):
    """A published folder is incomplete, truncated, altered or not one of ours."""


class BackendError(AmtExportError, ValueError):
    """A backend is unknown, or cannot run this artifact."""


class MissingDependencyError(AmtExportError, ImportError):
    """An optional package is needed and cannot be imported."""


class ParityError(AmtExportError, ArithmeticError):
    """An artifact differs from eager torch by more than its tolerance.

    Attributes
    ----------
    rows : tuple of ParityRow
        All comparisons, also those that hold.
    """

    def __init__(self, message: str, rows: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class LintError(AmtExportError, ValueError):
    """A graph holds what converters or runtimes get wrong."""


class PublishError(AmtExportError, OSError):
    """The output folder cannot be written."""


class CheckpointError(AmtExportError, ValueError):
    """A checkpoint is unsafe, unreadable or does not fit the module."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def require(module_name: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    module_name : str
        Dotted name of the module to import, e.g. ``"onnxruntime"``.
    extra : str
        The extra of this package that brings it, e.g. ``"onnx"``.
    purpose : str
        What it is needed for, as the start of a sentence, e.g. ``"Running an ONNX artifact"``.

    Returns
    -------
    ModuleType
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the import fails.
    """
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        # The cause is part of the message: an installed package may fail to import as well.
        message = f"{purpose} needs {module_name} ({error}): pip install 'amt_export[{extra}]'"
        raise MissingDependencyError(message, name=module_name) from error
