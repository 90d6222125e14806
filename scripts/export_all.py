"""Build and check the models of models/, then write a page about artifacts/: what `make artifacts` does.

Several models are built at once, as processors and memory allow.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path

import torch

from amt_export import plot, runtime
from amt_export.audio.reader import AudioReader
from amt_export.cli.allocator import tune_memory_management
from amt_export.cli.arguments import Parser, one_of
from amt_export.cli.interruption import interruptible, stop_if_interrupted
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, difference, size
from amt_export.errors import AmtExportError
from amt_export.manifest import Manifest
from amt_export.model_file import load_spec, model_files
from amt_export.publish import publish
from amt_export.report import published_folders, read_published, write_page

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"
SPEECH_LEVEL = 65.0  # dB SPL: somebody talking at a metre
MOST_AT_ONCE = 4  # more than that only wait for memory
EACH = 5 << 30  # bytes; a process that builds the largest models keeps up to 4.4 GB
# Of 1 to 4 minutes each: begun last, one of them would run alone while the other processors wait.
SLOW = (
    "paulick2024_44k",
    "paulick2024_44k_float64",
    "paulick2024_hix_44k",
    "dau1997_44k",
    "moore2016_loudness_32k",
    "moore2016_loudness_diffuse_32k",
    "moore2016_loudness_eardrum_32k",
    "moore2016_excitation_32k",
    "moore2016_frontend_32k",
    "dau1997_16k",
    "moore2016_spectrum_32k",
)
stopped: list[Event] = []
"""In a process that builds: set when Ctrl-C was pressed. One that was still starting has not heard it."""
PICTURES = {
    "gammatone_speech_16k": "speech_gammatone.png",
}


def main() -> int:
    """Build the models, print one line per artifact, draw, and return the exit code."""
    paths = sorted(chosen(), key=_slow_first)
    started = time.monotonic()
    artifacts, failed = 0, []
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    # Models are independent, and one uses little more than one processor: several at once, one thread each.
    with (
        bar("models") as report,
        ProcessPoolExecutor(
            at_once(),
            context,
            prepare,
            (stop,),
        ) as pool,
    ):
        # The processes start here and inherit this: only in a build does Ctrl-C mean anything to them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        running = {pool.submit(build, path): path.stem for path in paths}
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            for done, future in enumerate(as_completed(running), 1):
                report(f"{done} of {len(paths)}", done / len(paths))
                try:
                    files, pictures, problem = future.result()
                except BrokenProcessPool:
                    files, pictures = [], []
                    problem = (
                        f"{running[future]}: its process was killed, perhaps for want of memory"
                    )
                for line in (*files, *pictures):
                    print(line, flush=True)
                if problem:
                    print_error(problem)
                    failed.append(running[future])
                artifacts += len(files)
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    page = ARTIFACTS / "parity.html"
    write_page(page, [read_published(folder) for folder in published_folders(ARTIFACTS)])
    print(f"all numbers and pictures: {page.relative_to(ROOT)}")
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    outcome = f"failed: {', '.join(failed)}" if failed else "all within their tolerances"
    print(f"{count(artifacts, 'artifact')} in {minutes} min {seconds} s, {outcome}")
    return 1 if failed else 0


def chosen() -> list[Path]:
    """Return the model files that the arguments name."""
    files = {path.stem: path for path in model_files(ROOT / "models")}
    parser = Parser(description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        type=one_of(sorted(files), "model"),
        metavar="MODEL",
        help="name of a file in models/, without .toml (default: all)",
    )
    names = parser.parse_args().models
    return [files[name] for name in dict.fromkeys(names or files)]


def at_once() -> int:
    """How many models are built at a time: what processors and memory allow."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on this system
        memory = EACH * MOST_AT_ONCE
    return max(1, min(os.cpu_count() or 1, memory // EACH, MOST_AT_ONCE))


def prepare(stop: Event) -> None:
    """Set up a process that builds one model after the other, until it is to stop."""
    stopped.append(stop)
    torch.set_num_threads(1)
    tune_memory_management()


def build(path: Path) -> tuple[list[str], list[str], str]:
    """Publish one model, and draw what it hears if there is to be a picture.

    Returns
    -------
    files, pictures : list of str
        One line for each.
    problem : str
        What went wrong, if anything did.
    """
    files: list[str] = []
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruptible():
            go_on()  # the pool may have handed this one out already
            spec = load_spec(path)
            manifest = publish(spec, ARTIFACTS, progress=go_on)
            files = lines(manifest)
            pictures = [draw(path.stem)] if path.stem in PICTURES else []
        return files, pictures, ""
    except AmtExportError as error:
        return files, [], str(error)
    except KeyboardInterrupt:  # the main process says so; here what was begun has been cleared away
        return files, [], f"{path.stem}: interrupted"
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def go_on(*_: object) -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed, here or in the process that waits for all builds."""
    stop_if_interrupted()
    if any(stop.is_set() for stop in stopped):
        raise KeyboardInterrupt


def _slow_first(path: Path) -> tuple[bool, str]:
    """Order in which the last ones to be built are short."""
    return path.stem not in SLOW, path.stem


def lines(manifest: Manifest) -> list[str]:
    """Return one line per artifact: how large, how accurate."""
    found = []
    for entry in manifest.files:
        rows = [
            row for row in manifest.parity if (row.format, row.form) == (entry.format, entry.form)
        ]
        row = max(rows, key=lambda row: (row.worst or 0.0) / (row.tolerance or 1.0))
        worst = difference(row.worst, row.kind)
        accuracy = f"worst {worst} of {difference(row.tolerance, row.kind)} allowed"
        if row.verified_by != "execution":
            accuracy += f", by {row.verified_by}"
        found.append(f"{entry.path:38} {size(entry.bytes):>8}  {accuracy}")
    return found


def draw(name: str) -> str:
    """Run the ONNX artifact of a model on the sample recording and draw the answer; return a line."""
    path = ARTIFACTS / PICTURES[name]
    model = runtime.load(ARTIFACTS / name)
    reader = AudioReader(SPEECH, model.manifest, SPEECH_LEVEL)
    audio = reader.read()
    outputs = model.process(audio)
    figure = plot.cochleagram(outputs, model.manifest, reader.fs, SPEECH.name, audio)
    plot.save(figure, path)
    return f"{SPEECH.name} through {name}.onnx: {path.relative_to(ROOT)}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print_error("interrupted; what was published before is as it was")
        sys.exit(130)
