"""`run` over many recordings: one result each, bad ones reported and skipped, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from amt_export.audio.reader import check_calibration
from amt_export.cli.convert import Outcome, Settings, Task
from amt_export.cli.exit_codes import SOME_BAD
from amt_export.cli.inputs import Found, find_recordings, result_names
from amt_export.cli.interruption import when_interrupted
from amt_export.cli.sinks.files import result_files
from amt_export.cli.sinks.picture import check_limits
from amt_export.cli.summary import SUMMARY, write_summary
from amt_export.cli.terminal.console import Table
from amt_export.cli.terminal.errors import print_error, warn_all
from amt_export.cli.terminal.loudness import loudness_level
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, decibels, duration, number, output, plain_table
from amt_export.cli.workers import convert_each, convert_in_workers
from amt_export.errors import PublishError
from amt_export.manifest import Manifest, load_manifest
from amt_export.plot.columns import columns_for
from amt_export.runtime.axes import is_timed

SHOWN = 30
"""Recordings that the table on the terminal has at most; `SUMMARY` has all of them."""


def plan(inputs: Sequence[str], out: Path, suffix: str, *, picture: bool) -> list[Task]:
    """Return what is to be done.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders, patterns.
    out : Path
        Folder of the results.
    suffix : str
        Of the results.
    picture : bool
        Whether each recording gets a picture.

    Raises
    ------
    AudioError
        If there is nothing to do, or two results would have the same name.
    """
    found = find_recordings(inputs)
    names = result_names(found, Path(SUMMARY).stem, suffix)

    def task(item: Found, name: Path) -> Task:
        def place(ending: str) -> Path:
            return out / name.with_name(name.name + ending)

        return Task(item.path, place(suffix), place(".png") if picture else None)

    return [task(item, name) for item, name in zip(found, names, strict=True)]


def run_all(settings: Settings, tasks: Sequence[Task], out: Path, jobs: int) -> int:
    """Convert all recordings and say what came of them.

    Parameters
    ----------
    settings : Settings
    tasks : sequence of Task
        At least one.
    out : Path
        Folder of the results.
    jobs : int
        Processes.

    Returns
    -------
    int
        The exit code: 3 if some recordings were bad.

    Raises
    ------
    AmtExportError
        If no recording could have a result: the model cannot be opened, or gives nothing of this format, or
        the folder cannot be written.
    """
    manifest = load_manifest(settings.folder)
    _check(settings, manifest, tasks)
    made = not out.exists()
    _prepare(out, settings, tasks)
    started = time.perf_counter()
    outcomes: dict[Path, Outcome] = {}
    earlier = {task.source: _written(task, manifest) for task in tasks}

    def left() -> str:
        # Workers may have finished recordings of which this process does not know yet.
        fresh = [task.source for task in tasks if _written(task, manifest) != earlier[task.source]]
        if not fresh:
            if made:
                with suppress(OSError):  # a folder below it was made for results to come
                    out.rmdir()
            return "nothing was written"
        done = len({*outcomes, *fresh})
        of = f"{done} of {count(len(tasks), 'recording')}"
        return f"{of} done, the results are in {out}; {SUMMARY} is not written"

    label = f"{settings.folder.name}, {count(len(tasks), 'recording')}"
    with when_interrupted(left), bar(label) as report:
        done: Iterator[Outcome]
        if jobs == 1:
            done = convert_each(settings, tasks, report)
        else:
            done = convert_in_workers(settings, tasks, jobs, report)
        for outcome in done:
            outcomes[outcome.source] = outcome
            if outcome.error:
                print_error(outcome.error, "skipped")
            warn_all(outcome.remarks)
    ordered = [outcomes[task.source] for task in tasks]
    write_summary(out / SUMMARY, ordered, out)
    code = _say(ordered, time.perf_counter() - started, out)
    if settings.limits is None:
        _say_colours(ordered)
    return code


def _written(task: Task, manifest: Manifest) -> int | None:
    """Return when the result of a recording was written, in ns; None if there is none."""
    with suppress(OSError):
        if task.output is not None:
            return result_files(task.output, manifest)[0].stat().st_mtime_ns
    return None


def _check(settings: Settings, manifest: Manifest, tasks: Sequence[Task]) -> None:
    """Refuse once what every recording would be refused for."""
    check_calibration(manifest, **settings.reading)
    _check_apart(manifest, tasks)
    task = tasks[0]
    if task.picture is not None:
        timed = {port.name: 1 for port in manifest.outputs if is_timed(port)}
        columns = columns_for(manifest, float(manifest.sampling_rate or 1), timed, 1)
        check_limits(columns, settings.limits)


def _check_apart(manifest: Manifest, tasks: Sequence[Task]) -> None:
    """Refuse recordings of which one's table has the name of another's: ``a.levels.wav`` and ``a.wav``."""
    owners: dict[str, Path] = {}
    for task in tasks:
        for file in [] if task.output is None else result_files(task.output, manifest):
            other = owners.setdefault(str(file).lower(), task.source)
            if other != task.source:
                raise PublishError(
                    f"{other} and {task.source} would both write {file}; rename one, or take --format npz"
                )


def _prepare(out: Path, settings: Settings, tasks: Sequence[Task]) -> None:
    """Make the output folder, unless results would replace what must stay."""
    if out.exists() and not out.is_dir():
        raise PublishError(f"{out}: is a file; give a folder for the results of many recordings")
    if not out.parent.is_dir():
        raise PublishError(f"{out}: there is no folder {out.parent}; create it first")
    recordings = {task.source.resolve() for task in tasks}
    for path in (
        *(place for task in tasks for place in (task.output, task.picture)),
        out / SUMMARY,
    ):
        if path is not None and path.resolve() in recordings:
            raise PublishError(f"{path}: would replace a recording; give another folder")
    if settings.folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise PublishError(f"{out}: would change {settings.folder}; give another folder")
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise PublishError(f"{out}: {error.strerror}; give another place") from error


def _say(outcomes: Sequence[Outcome], elapsed: float, out: Path) -> int:
    """Print the table and the last lines."""
    console = output()
    if len(outcomes) <= SHOWN:
        console.print(_table(outcomes))
    good = [outcome for outcome in outcomes if not outcome.error]
    seconds = sum(outcome.seconds for outcome in good)
    bad = len(outcomes) - len(good)
    skipped = f", {bad} skipped" if bad else ""
    console.print(
        f"{count(len(good), 'recording')}, {duration(seconds)}, in {duration(elapsed)} "
        f"({number(seconds / elapsed)} times real time){skipped}",
        soft_wrap=True,
    )
    if averaged := sum(bool(outcome.averaged) for outcome in good):
        text = (
            f"{count(averaged, 'recording')} of several channels: averaged for the model's one ear"
        )
        console.print(text, soft_wrap=True)
    remarked = sum(bool(outcome.remarks) for outcome in good)
    about = f" (warnings of {count(remarked, 'recording')})" if remarked else ""
    console.print(f"wrote {out / SUMMARY}{about}", soft_wrap=True)
    return SOME_BAD if bad else 0


def _say_colours(outcomes: Sequence[Outcome]) -> None:
    """Say which colours would suit all pictures, each of which has its own."""
    ranges = [outcome.colours for outcome in outcomes if outcome.colours is not None]
    if len(ranges) > 1:
        low, high = max(ranges, key=itemgetter(1))
        range_ = f"{decibels(low)} {decibels(high)}"
        output().print(f"each picture has its own colours; the same for all: --range {range_}")


def _table(outcomes: Sequence[Outcome]) -> Table:
    loudness = any(outcome.loudness is not None for outcome in outcomes)
    numbers = ["length", "dB SPL", *(["sone", "phon", "N5", "N10"] if loudness else [])]
    table = plain_table("", ["recording", *numbers], right=numbers)
    for outcome in outcomes:
        cells = ["skipped", *[""] * (len(numbers) - 1)]
        if not outcome.error:
            level = "-" if outcome.level is None else f"{outcome.level:.1f}"
            cells = [duration(outcome.seconds), level]
            if outcome.loudness is not None:
                loud = outcome.loudness
                cells += [number(loud.maximum), loudness_level(loud.maximum)]
                cells += [number(loud.n5), number(loud.n10)]
        table.add_row(str(outcome.source), *cells)
    return table
