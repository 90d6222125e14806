"""Ctrl-C that is not lost, as some libraries swallow its exception; SIGTERM and SIGHUP clean up like it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A signal has asked the command to stop."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


# What a signal means where nobody has said otherwise; ignored ones (nohup) stay ignored.
USUAL = {
    name: signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
}

_heard = 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise `Interrupted` at once, and again at every `stop_if_interrupted`.

    Nothing changes outside the main thread, nor for signals that are ignored or mean something else.
    """
    global _heard
    changed = {}
    if threading.current_thread() is threading.main_thread():
        changed = {
            getattr(signal, name): usual
            for name, usual in USUAL.items()
            if signal.getsignal(getattr(signal, name)) is usual
        }
    _heard = 0
    for number in changed:
        signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, usual in changed.items():
            signal.signal(number, usual)
        _heard = 0


@contextmanager
def when_interrupted(left: Callable[[], str]) -> Iterator[None]:
    """Say what an interrupted command has left behind; `main` prints it.

    Parameters
    ----------
    left : callable
        Returns the words; called when a signal has come.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        error.args = (left(),)
        raise


def stop_if_interrupted() -> None:
    """Raise `Interrupted` if a signal has come, even if whoever ran then took no notice."""
    if _heard:
        raise Interrupted(_heard)


def _hear(number: int, _frame: FrameType | None) -> None:
    global _heard
    _heard = number
    raise Interrupted(number)
