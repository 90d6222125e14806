"""Damaged and hostile input of every kind: each trial ends in one line of error or in a right answer.

    python scripts/fuzz.py                          all kinds, as docs/reliability.md lists them
    python scripts/fuzz.py manifests --count 500    one kind, fewer trials
    python scripts/fuzz.py artifacts --seed 7 --first 41 --count 1    one trial again

A trial is a fault if it ends in any other exception, in more than one line on standard error, in a crash, in an
answer that is not finite, or not within a minute. Trials depend on the seed and their number alone. The last
lines are the rows of the table; the exit code is 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
from fuzzing.outcomes import FAULT, REFUSED, RIGHT, SECONDS, FaultError, Trial
from fuzzing.trials import TRIALS

MEMORY = 24 * 2**30  # address space of a worker
COUNTS = {
    "models": 5000,
    "manifests": 20_000,
    "audio": 3000,
    "checkpoints": 600,
    "artifacts": 500,
    "kills": 31,
}
MODEL = """
[model]
name = "small"
module = "GammatoneFilterbank"
description = "three channels"
[parameters]
fc = [500.0, 1000.0, 4000.0]
fs = 16000
[inputs]
audio = [1, 2000]
[stream]
block = 500
"""


def main() -> int:
    """Run the trials and print a row of the table for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(COUNTS))
    parser.add_argument("--count", type=int, help="trials of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    kinds = arguments.kinds or list(COUNTS)
    if unknown := set(kinds) - set(COUNTS):
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(COUNTS)}")
    if arguments.worker:
        work(kinds[0], arguments.seed, arguments.first, arguments.count, arguments.worker)
        return 0
    faults = 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        prepare(base)
        for kind in kinds:
            counts: Counter[str] = Counter()
            # Ctrl-C ends a kind early; what was tried is counted.
            with suppress(KeyboardInterrupt):
                run(
                    kind,
                    arguments.seed,
                    arguments.first,
                    arguments.count or COUNTS[kind],
                    base,
                    counts,
                )
            faults += counts[FAULT]
            cells = [sum(counts.values()), *(counts[key] for key in (REFUSED, RIGHT, FAULT))]
            rows.append(f"| {kind} | " + " | ".join(map(str, cells)) + " |")
    print(
        "| kind | tried | refused with one line | accepted and right | faults |\n|---|---|---|---|---|"
    )
    print("\n".join(rows))
    return 1 if faults else 0


def prepare(base: Path) -> None:
    """Publish a small model, once in all formats and once as ONNX alone, and save its values."""
    import torch

    from amt_export.model_file import load_spec
    from amt_export.model_file.building import build_module
    from amt_export.publish import publish

    torch.set_num_threads(1)
    (base / "small.toml").write_text(MODEL)
    spec = load_spec(base / "small.toml")
    publish(spec, base / "all")
    publish(spec, base / "onnx", formats=["onnx"])
    torch.save(build_module(spec).state_dict(), base / "small.pt")
    import soundfile

    noise = 0.1 * np.random.default_rng(0).standard_normal(3000)
    for suffix, subtype in (
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("flac", "PCM_16"),
        ("ogg", "VORBIS"),
    ):
        soundfile.write(base / f"{subtype}.{suffix}", noise, 16000, subtype=subtype)


def run(kind: str, seed: int, first: int, count: int, base: Path, counts: Counter[str]) -> None:
    """Have workers try; whoever crashes is a fault, and the next one continues behind it."""
    at = first
    while at < first + count:
        command = [sys.executable, __file__, kind, "--seed", str(seed), "--first", str(at)]
        command += ["--count", str(first + count - at), "--worker", str(base)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            for line in worker.stdout or ():
                if not line.startswith("{"):
                    continue
                result = json.loads(line)
                at = result["trial"] + 1
                counts[result["outcome"]] += 1
                if result["outcome"] == FAULT:
                    print(f"{kind} {result['trial']}: {result['detail']}", flush=True)
        if at < first + count:
            counts[FAULT] += 1
            print(f"{kind} {at}: the process ended with {worker.returncode}", flush=True)
            at += 1


def work(kind: str, seed: int, first: int, count: int, base: Path) -> None:
    """Try one trial after the other and print what came out."""
    if kind != "kills":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Builds inherit what a shell's background jobs ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.dup(1)  # trials write to 1 and 2 as they like
    import torch

    torch.set_num_threads(1)
    trial = TRIALS[kind]
    for number in range(first, first + count):
        if kind != "kills":
            faulthandler.dump_traceback_later(SECONDS, exit=True)
        with tempfile.TemporaryDirectory(dir=base) as folder:
            chosen = random.Random(f"{seed} {kind} {number}")  # noqa: S311
            outcome, detail = judged(trial, chosen, Path(folder))
        faulthandler.cancel_dump_traceback_later()
        result = {"trial": number, "outcome": outcome, "detail": detail}
        os.write(out, (json.dumps(result) + "\n").encode())


def judged(trial: Trial, chosen: random.Random, folder: Path) -> tuple[str, str]:
    """The outcome of a trial, and what is wrong with it."""
    from amt_export.errors import AmtExportError

    try:
        return trial(chosen, folder), ""
    except AmtExportError as error:
        if "\n" in str(error):
            return FAULT, f"an error of several lines: {error!r}"
        return REFUSED, ""
    except FaultError as error:
        return FAULT, str(error)
    except BaseException as error:  # noqa: BLE001
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        return FAULT, f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"[:500]


if __name__ == "__main__":
    sys.exit(main())
