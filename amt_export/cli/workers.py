"""Many recordings on the processors of one machine: spawned processes, one thread each.

Each worker is a pool of one process, so that a recording that kills its worker is known, and the others
continue.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from typing import Any

from amt_export.cli.convert import Converter, Outcome, Settings, Task
from amt_export.cli.interruption import stop_if_interrupted
from amt_export.cli.terminal.errors import about
from amt_export.cli.terminal.progress import Report
from amt_export.corpus.pool import begin_worker
from amt_export.errors import AmtExportError, MissingDependencyError, PublishError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk that takes no more."""

HEARTBEAT = 0.5
"""s between looks at whether Ctrl-C was pressed."""


def convert_each(settings: Settings, tasks: Sequence[Task], report: Report) -> Iterator[Outcome]:
    """Convert recordings one after the other in this process.

    Parameters
    ----------
    settings : Settings
    tasks : sequence of Task
    report : Report
        Called with the recording and its clock.

    Yields
    ------
    Outcome
        Of each recording; a bad one has an error.
    """
    converter = Converter(settings)
    for index, task in enumerate(tasks):

        def progress(clock: str, share: float, index: int = index, task: Task = task) -> None:
            report(f"{task.source.name}, {clock}", (index + share) / len(tasks))

        yield attempt(converter, task, progress)


def convert_in_workers(
    settings: Settings, tasks: Sequence[Task], jobs: int, report: Report
) -> Iterator[Outcome]:
    """Convert recordings in several processes, in whatever order they are done.

    Parameters
    ----------
    settings, tasks, report
        As for `convert_each`.
    jobs : int
        Processes.

    Yields
    ------
    Outcome
        Of each recording; a bad one has an error.

    Raises
    ------
    AmtExportError
        If the model cannot be opened.
    """
    pools = [_pool(settings) for _ in range(min(jobs, len(tasks)))]
    waiting: dict[Future[Outcome], tuple[Task, int]] = {}
    left = iter(tasks)
    done = 0

    def give(worker: int) -> None:
        if (task := next(left, None)) is not None:
            waiting[pools[worker].submit(_convert, task)] = (task, worker)

    try:
        for worker in range(len(pools)):
            give(worker)
        while waiting:
            report(f"{done} of {len(tasks)}", done / len(tasks))
            ready, _ = wait(waiting, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            stop_if_interrupted()
            for future in ready:
                task, worker = waiting.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    pools[worker].shutdown()
                    pools[worker] = _pool(settings)
                    what = "the process that read it was killed, perhaps for want of memory"
                    outcome = Outcome(task.source, error=f"{task.source}: {what}")
                done += 1
                give(worker)
                yield outcome
    except BaseException:
        # They remove what they have half written.
        for child in active_children():
            child.terminate()
        raise
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def attempt(converter: Converter, task: Task, report: Report) -> Outcome:
    """Convert a recording; a bad one makes no error but an outcome that says so."""
    try:
        for place in (task.output, task.picture):
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
        return converter.convert(task, converter.read(task.source), report)
    except (AmtExportError, OSError, MemoryError) as error:
        cause = error.__cause__ if isinstance(error, PublishError) else error
        if isinstance(error, MissingDependencyError) or getattr(cause, "errno", None) in FULL:
            raise  # every other recording would fail as well
        reason = error.command_line if isinstance(error, AmtExportError) else repr(error)
        return Outcome(task.source, error=about(task.source, reason))


def _pool(settings: Settings) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(settings,))


_worker: Converter | AmtExportError | None = None
"""In a worker: the model, or why it cannot be opened."""


def _begin(settings: Settings) -> None:
    """Open the model in a worker."""
    global _worker
    begin_worker()
    try:
        _worker = Converter(settings, **_one_thread(settings.backend))
    except AmtExportError as error:
        _worker = error
    # Not before: an exception in an initializer is printed with its traceback.
    signal.signal(signal.SIGTERM, _stop)


def _convert(task: Task) -> Outcome:
    if not isinstance(_worker, Converter):
        raise _worker or RuntimeError("worker without a model")
    return attempt(_worker, task, lambda _what, _share: None)


def _one_thread(backend: str) -> dict[str, Any]:
    """Return the options with which a backend keeps to one thread."""
    if backend == "onnx":
        # Threads that wait busily take processors from the other workers.
        return {"intra_op_num_threads": 1, "spinning": False}
    if backend == "torchscript":
        import torch

        torch.set_num_threads(1)
    return {}


def _stop(_number: int, _frame: object) -> None:
    """End a worker, which removes what it has half written on its way out."""
    raise SystemExit(1)
