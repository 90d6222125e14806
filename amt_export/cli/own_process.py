"""A call that runs in a process of its own, where no threads and no memory of other libraries slow it down."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from amt_export.errors import AmtExportError

Call = Callable[[], object]


class OwnProcess:
    """Makes a call in a new process and times it there.

    Parameters
    ----------
    make : callable
        Returns the call, or None if there is none; must pickle.

    Attributes
    ----------
    there_is_one : bool
        Whether `make` returned a call.

    Raises
    ------
    Exception
        What `make` raises.
    """

    def __init__(self, make: Callable[[], Call | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()
        self.there_is_one: bool = self._answer()

    def seconds(self, before: float) -> float:
        """Time of one call in s, after others that take `before` s."""
        self._pipe.send(before)
        found: float = self._answer()
        return found

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=1.0)
        self._process.kill()

    def _answer(self) -> Any:
        try:
            found = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            raise AmtExportError(f"a process that was timed ended with exit code {code}") from None
        if isinstance(found, BaseException):
            self.close()
            raise found
        return found


def timed(call: Call, before: float) -> float:
    """Time of one call in s, after others that take `before` s."""
    started = time.perf_counter()
    while time.perf_counter() < started + before:
        call()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _serve(pipe: Connection, make: Callable[[], Call | None]) -> None:
    """In the new process: answer until the other end closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the main process, which ends this one
    try:
        call = make()
        pipe.send(call is not None)
        while call is not None:
            pipe.send(timed(call, pipe.recv()))
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001  (whatever it is, the main process raises it)
        pipe.send(error)
