"""Shards on the processors of one machine: spawned processes, one thread each."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from amt_export.corpus.shards import Shards
from amt_export.corpus.temporary import leftovers
from amt_export.errors import AmtExportError

AHEAD = 2
"""Shards that wait for each worker: it has the next one when one is done, and a plan may have millions."""

Heartbeat = Callable[[], None]


def run(
    shards: Shards,
    paths: Sequence[Sequence[str]],
    jobs: int = 1,
    heartbeat: Heartbeat = lambda: None,
) -> Iterator[dict[str, Any]]:
    """Extract shards, in whatever order they are done.

    Parameters
    ----------
    shards : Shards
    paths : sequence of sequences of str
        The recordings of each shard.
    jobs : int, optional
        Processes; 1 is this one.
    heartbeat : callable, optional
        Called once a second; what it raises ends the work, and the shards that are done stay.

    Yields
    ------
    dict
        Of each shard its line of the report.

    Raises
    ------
    AmtExportError
        If a worker is killed, as a system does that has no memory left.
    """
    if jobs == 1:
        for shard in paths:
            heartbeat()
            yield shards.shard(list(shard))
        return
    others = set(active_children())  # of whoever calls this
    pool = ProcessPoolExecutor(
        min(jobs, max(1, len(paths))), get_context("spawn"), initializer=begin_worker
    )
    try:
        yield from _finished(pool, shards, iter(paths), AHEAD * jobs, heartbeat)
    except BrokenProcessPool as error:
        raise AmtExportError(
            "a worker was killed, perhaps for want of memory: run the same command again with fewer --jobs; "
            "shards that are done are kept"
        ) from error
    except BaseException:
        # Nobody waits for shards in progress: what they have written is temporary.
        for child in set(active_children()) - others:
            child.terminate()
            child.join()
        for path in leftovers(shards.out):
            path.unlink(missing_ok=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(
    pool: ProcessPoolExecutor,
    shards: Shards,
    paths: Iterator[Sequence[str]],
    ahead: int,
    heartbeat: Heartbeat,
) -> Iterator[dict[str, Any]]:
    waiting: set[Future[dict[str, Any]]] = set()
    while True:
        while len(waiting) < ahead and (shard := next(paths, None)) is not None:
            waiting.add(pool.submit(shards.shard, list(shard)))
        if not waiting:
            return
        done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
        heartbeat()
        for future in done:
            yield future.result()


def begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent was killed: a worker would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
