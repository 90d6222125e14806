"""Ctrl-C that is not lost: some libraries swallow the exception that Python raises for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_pressed = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt at once, as usual, and again at every `stop_if_interrupted`.

    Nothing changes outside the main thread, or where Ctrl-C is ignored or means something else.
    """
    global _pressed
    usual = signal.default_int_handler
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not usual
    ):
        yield
        return
    _pressed = False
    signal.signal(signal.SIGINT, _heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        _pressed = False


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed, even if whoever ran then took no notice."""
    if _pressed:
        raise KeyboardInterrupt


def _heard(number: int, frame: FrameType | None) -> None:
    global _pressed
    _pressed = True
    signal.default_int_handler(number, frame)
