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
import copy
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
SECONDS = 60  # a trial; the slowest right ones take two
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
REFUSED, RIGHT, FAULT = "refused with one line", "accepted and right", "fault"
Trial = Callable[[random.Random, Path], str]


class FaultError(Exception):
    """What a trial must not end in."""


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


# What is tried


def models(chosen: random.Random, folder: Path) -> str:
    """A model file with other values, lines or bytes; an accepted one makes a module."""
    from amt_export.model_file import load_spec
    from amt_export.model_file.building import build_module

    source = chosen.choice(sorted((ROOT / "models").glob("*.toml")))
    text = source.read_text()
    for _ in range(chosen.choice((1, 1, 2, 4))):
        text = other_line(text, chosen)
    path = folder / source.name
    data = text.encode(errors="surrogateescape")
    path.write_bytes(damaged(data, chosen) if chosen.random() < 0.2 else data)
    spec = load_spec(path)
    # The others take seconds to construct, and have the same parameters.
    if spec.module in (
        "GammatoneFilterbank",
        "ERBIntegration",
        "ExcitationPattern",
        "DRNLFilterbank",
    ):
        build_module(spec)
    return RIGHT


VALUES = (
    "0", "-1", "1", "2", "1e300", "-1e300", "1e-300", "nan", "inf", "9" * 400, "1" + "0" * 30, "true", '""',
    '"x"', "[]", "[[]]", "{}", "[1.0]", "[100.0, 4000.0]", "[4000.0, 100.0]", '"\\u0000"', '"\\ud800"',
    "1000000000", "0.001", "16000", "[1, 1000000000]", "[0]", "1979-05-27", '"../../x"', "[" * 2000,
)  # fmt: skip


def other_line(text: str, chosen: random.Random) -> str:
    """A text with one line left out, doubled, moved or of another value."""
    lines = text.splitlines()
    at = chosen.randrange(len(lines))
    key = lines[at].partition("=")[0]
    kind = chosen.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(chosen.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines[at] = lines[at][::-1]
    else:
        lines[at] = f"{key}= {chosen.choice(VALUES)}"
    return "\n".join(lines) or "x"


def damaged(data: bytes, chosen: random.Random) -> bytes:
    """Bytes with some changed, cut off, left out or repeated."""
    changed = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 3, 10))):
        near = min(
            len(changed), chosen.choice((64, 4096, 2**62))
        )  # headers are at the start or the end
        at = chosen.randrange(near) if near else 0
        at = len(changed) - 1 - at if chosen.random() < 0.3 else at
        kind = chosen.randrange(8)
        if kind < 4 and changed:
            changed[at] ^= 1 << chosen.randrange(8)
        elif kind < 6 and changed:
            changed[at] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 6:
            del changed[at : at + chosen.choice((1, 4, 1000))]
        else:
            changed[at:at] = changed[at : at + chosen.choice((1, 8, 100))]
    return (
        bytes(changed) if chosen.random() < 0.8 else bytes(changed[: chosen.randrange(len(data))])
    )


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 3, 7, 10**9, 10**30, 10**400, -(10**400), 0.5, -0.0, 1e308, 1e-308, 1e999, "", "x",
    "\ud800", "\x1b[2J", "../x", "a" * 10_000, [], {}, [[]], [1], [1, 2000], [10**30], "float64", "zero",
    "reflect", "batch", "time", "onnx", "stream",
)  # fmt: skip


def manifests(chosen: random.Random, folder: Path) -> str:
    """A manifest with other values; an accepted one loads, processes and streams, or says why not."""
    from amt_export import runtime
    from amt_export.errors import AmtExportError

    model = Path(shutil.copytree(folder.parent / "onnx" / "small", folder / "small"))
    path = model / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(chosen.choice((1, 1, 1, 2, 3))):
        change(content, chosen)
    text = json.dumps(content)
    data = text.encode("utf-8", errors="surrogateescape")
    path.write_bytes(damaged(data, chosen) if chosen.random() < 0.1 else data)
    opened = runtime.load(model)
    audio = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    refused = 0
    for use in (lambda: opened.process(audio), lambda: streamed(opened, audio)):
        try:
            outputs = use()
        except AmtExportError:
            refused += 1
            continue
        if not all(np.isfinite(value).all() for value in outputs.values()):
            raise FaultError("an answer that is not finite")
    return REFUSED if refused == 2 else RIGHT


def streamed(model: Any, audio: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs of a stream for a signal."""
    with model.stream() as stream:
        outputs: dict[str, np.ndarray] = stream.push(audio)
        stream.flush()
    return outputs


def change(content: Any, chosen: random.Random) -> None:
    """Change a value somewhere in parsed JSON."""
    places = list(places_in(content))
    owner, key = chosen.choice(places)
    kind = chosen.randrange(8)
    if kind == 0:
        del owner[key]
    elif kind == 1 and isinstance(owner, list):
        owner.append(owner[key])
    elif kind == 2:
        owner[key] = [owner[key]]
    elif kind == 3 and isinstance(owner[key], int | float) and not isinstance(owner[key], bool):
        owner[key] = owner[key] * chosen.choice((-1, 0, 2, 0.5, 1000, 10**30))
    else:
        owner[key] = copy.deepcopy(chosen.choice(ODD))


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """All containers in parsed JSON, with the keys of what is in them."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from places_in(item)


def audio(chosen: random.Random, folder: Path) -> str:
    """A damaged recording; `run` reads it or says why not."""
    base = folder.parent
    source = chosen.choice(
        sorted(f for f in base.iterdir() if f.suffix in (".wav", ".flac", ".ogg"))
    )
    path = folder / source.name
    path.write_bytes(damaged(source.read_bytes(), chosen))
    return commanded("run", base / "onnx" / "small", path, "-o", folder / "out.npz")


def checkpoints(chosen: random.Random, folder: Path) -> str:
    """A damaged checkpoint; what loads answers with finite numbers."""
    import torch

    from amt_export.model_file import load_spec
    from amt_export.model_file.building import build_module

    base = folder.parent
    path = folder / "small.pt"
    if chosen.random() < 0.5:
        path.write_bytes(damaged((base / "small.pt").read_bytes(), chosen))
    else:
        state = torch.load(base / "small.pt", weights_only=True)
        name = chosen.choice(list(state))
        state[name] = other_tensor(state[name], chosen)
        torch.save(state, path, _use_new_zipfile_serialization=chosen.random() < 0.7)
    module = build_module(load_spec(base / "small.toml"), checkpoint=path)
    with torch.no_grad():
        answer = module(torch.ones(1, 500))
    # Poles outside the unit circle are the file's own wish; what is not a number is refused when it is built.
    return RIGHT if answer.isfinite().all() else REFUSED


def other_tensor(tensor: Any, chosen: random.Random) -> Any:
    """What a checkpoint may hold in the place of a tensor."""
    import torch

    return chosen.choice(
        (
            lambda: tensor.to(torch.complex128),
            lambda: tensor.real.to(torch.int64),
            lambda: tensor * float("nan"),
            lambda: tensor.real.to(torch.float16),
            lambda: tensor.reshape(-1)[:0],
            lambda: tensor[None],
            lambda: tensor.real.to_sparse(),
            lambda: tensor.to("meta"),
            lambda: tensor.expand(2, *tensor.shape),
            lambda: torch.nn.Parameter(tensor.real.to(torch.float64)),
            lambda: {"a": tensor},
            lambda: "text",
        )
    )()


def artifacts(chosen: random.Random, folder: Path) -> str:
    """A damaged artifact in a folder whose hashes are right: one that passes `check` answers right."""
    from amt_export.manifest import bytes_of, sha256_of

    model = Path(shutil.copytree(folder.parent / "all" / "small", folder / "small"))
    path = model / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    entry = chosen.choice(content["files"])
    target = model / entry["path"]
    files = [f for f in target.rglob("*") if f.is_file()] if target.is_dir() else [target]
    file = chosen.choice(files)
    file.write_bytes(damaged(file.read_bytes(), chosen) or b"x")
    entry["bytes"], entry["sha256"] = bytes_of(target), sha256_of(target)
    content["files"] = [entry]
    path.write_text(json.dumps(content))
    command = chosen.choice(("check", "check", "check", "lint", "info"))
    if command == "check":
        return commanded("check", model, "--vectors-only")
    if command == "lint":
        return commanded("lint", model, findings=True)
    return commanded("info", target)


def commanded(*arguments: object, findings: bool = False) -> str:
    """Run a command in this process; it is silent, or says one line and that it failed."""
    from amt_export.cli.main import main as command

    with captured() as said:
        code = command([str(argument) for argument in arguments])
    error = said()
    if code not in (0, 1) or len(error.splitlines()) > 1:
        raise FaultError(f"code {code}, said {error[:400]!r}")
    if code == 1 and not findings and not error.startswith("amt-export: error: "):
        raise FaultError(f"failed without a reason, said {error[:400]!r}")
    return REFUSED if code else RIGHT


@contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """What is written to standard error, by libraries in C too; standard output is thrown away."""
    with tempfile.TemporaryFile() as errors, Path(os.devnull).open("wb") as nothing:
        sys.stdout.flush()
        sys.stderr.flush()
        before = os.dup(1), os.dup(2)
        os.dup2(nothing.fileno(), 1)
        os.dup2(errors.fileno(), 2)

        text = [""]
        try:
            yield lambda: text[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, kept in enumerate(before, 1):
                os.dup2(kept, number)
                os.close(kept)
            errors.seek(0)
            text[0] = errors.read().decode(errors="replace")


def kills(chosen: random.Random, folder: Path) -> str:
    """A build killed at some moment: the folder is the old one or the new one, and nothing stays behind."""
    from amt_export.manifest import load_manifest, verify_files

    base = folder.parent
    out = folder / "out"
    shutil.copytree(base / "onnx" / "small", out / "small")
    command = [sys.executable, "-m", "amt_export", "build", str(base / "small.toml")]
    command += ["--format", "onnx", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "env": environment,
    }
    with subprocess.Popen(command, **quiet) as build:
        deadline = time.monotonic() + SECONDS
        while (
            len(list(out.iterdir())) == 1 and build.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        time.sleep(chosen.uniform(0.0, 4.0))
        build.send_signal(chosen.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
        build.communicate(timeout=SECONDS)
    verify_files(out / "small", load_manifest(out / "small").files)
    if subprocess.run(command, check=False, **quiet).returncode != 0:
        raise FaultError("the next build failed")
    if left := [path.name for path in out.iterdir() if path.name != "small"]:
        raise FaultError(f"left behind: {left}")
    return RIGHT


TRIALS: dict[str, Trial] = {
    "models": models,
    "manifests": manifests,
    "audio": audio,
    "checkpoints": checkpoints,
    "artifacts": artifacts,
    "kills": kills,
}

if __name__ == "__main__":
    sys.exit(main())
