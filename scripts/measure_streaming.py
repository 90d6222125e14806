"""Measure published streams and write the tables of docs/streaming.md.

python scripts/measure_streaming.py                 block, latency, speed of every model in artifacts/
python scripts/measure_streaming.py --hour MODEL    an hour through one model: memory, and error at the end
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from amt_export import runtime
from amt_export.cli.streams import StreamTimes
from amt_export.cli.terminal.progress import Report
from amt_export.cli.terminal.tables import number
from amt_export.cli.timing import measure
from amt_export.manifest import MANIFEST_NAME, Manifest, load_manifest
from amt_export.model_file.building import build_module
from amt_export.model_file.published import spec_of
from amt_export.verify.parity.metric import difference

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"
PAGE = ROOT / "docs" / "streaming.md"
REPEATS = 25
LEVEL = 0.02  # Pa RMS: 60 dB SPL


def main() -> int:
    """Measure what was asked for, and put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifacts", type=Path, default=ARTIFACTS)
    parser.add_argument("--hour", metavar="MODEL", action="append", default=[])
    parser.add_argument("--seconds", type=int, default=3600, help="of the hour")
    arguments = parser.parse_args()
    if arguments.hour:
        rows = [hour(arguments.artifacts / model, arguments.seconds) for model in arguments.hour]
        write("hour", [HOUR_HEADER, *rows])
        return 0
    folders = sorted(path.parent for path in arguments.artifacts.glob(f"*/{MANIFEST_NAME}"))
    rows = [row for folder in folders for row in speeds(folder)]
    where = f"ONNX Runtime on one thread, {os.cpu_count()} cores, {platform.machine()}; median of {REPEATS}."
    write("speed", [SPEED_HEADER, *rows, "", where])
    return 0


SPEED_HEADER = "| model | block | latency | x real time | added per push |\n|---|---|---|---|---|"
HOUR_HEADER = (
    "| model | audio | x real time | memory after 1 min | at the end | error, 1st second | last second |\n"
    "|---|---|---|---|---|---|---|"
)


def speeds(folder: Path) -> list[str]:
    """Return the row of a model, if it streams."""
    manifest = load_manifest(folder)
    if manifest.stream is None:
        return []
    rate = manifest.sampling_rate or 1.0
    shape = (*manifest.inputs[0].shape[:-1], round(rate))
    audio = (LEVEL * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    stream = StreamTimes(folder, manifest, manifest.entry("onnx", "stream"), audio)
    measure([stream.contender], REPEATS, quiet)
    cells = (
        f"`{manifest.name}`",
        duration(stream.block, rate),
        duration(stream.latency, rate),
        number(stream.times_real_time),
        f"{1000 * stream.overhead:.3f} ms",
    )
    print(" ".join(cells), flush=True)
    return [f"| {' | '.join(cells)} |"]


def hour(folder: Path, seconds: int) -> str:
    """Stream noise for so long, second by second; return its row."""
    manifest = load_manifest(folder)
    started = time.monotonic()
    memory: list[int] = []
    errors = []
    with runtime.load_stream(folder) as stream:
        for second in range(seconds):
            outputs = stream.push(noise(manifest, second))
            if second in (min(60, seconds - 1), seconds - 1):
                memory.append(resident())  # before torch is asked for more
            if second in (1, seconds - 1):
                errors.append(error_of(manifest, outputs, second, stream.samples))
    elapsed = time.monotonic() - started
    name = manifest.outputs[0].name
    cells = (
        f"`{manifest.name}`, {name}",
        f"{seconds / 3600:g} h",
        number(seconds / elapsed),
        *(f"{amount / 1e6:.1f} MB" for amount in (memory[0], memory[-1])),
        *(f"{error:.1e}" for error in errors),
    )
    print(" ".join(cells), flush=True)
    return f"| {' | '.join(cells)} |"


def noise(manifest: Manifest, second: int) -> np.ndarray:
    """Return a second of noise, the same one every time."""
    shape = (*manifest.inputs[0].shape[:-1], round(manifest.sampling_rate or 1))
    values = LEVEL * np.random.default_rng(second).standard_normal(shape)
    return values.astype(np.float32)


def error_of(manifest: Manifest, outputs: dict[str, np.ndarray], second: int, pushed: int) -> float:
    """Return how far one answer is from what the float64 module says of the sound up to there."""
    rate = round(manifest.sampling_rate or 1)
    found = outputs[manifest.outputs[0].name]
    # The memory of the filters and the second itself, or the whole past if that is shorter.
    first = max(0, second - 1 - -(-manifest.warm_up // rate))
    heard = np.concatenate([noise(manifest, s) for s in range(first, second + 1)], axis=-1)
    spec = spec_of(manifest, manifest.name)
    module = build_module(spec, torch.float64).freeze(heard.shape[-1])
    with torch.no_grad():
        answer = module(torch.from_numpy(heard).double())
    expected = (answer if torch.is_tensor(answer) else answer[0]).numpy()
    # Only whole blocks have come out so far.
    block = manifest.stream.block if manifest.stream else 1
    waiting = pushed % block
    stop = expected.shape[-1] - waiting
    port = module.output_ports[0]
    return difference(found, expected[..., stop - found.shape[-1] : stop], port)


def resident() -> int:
    """Return the memory of this process in bytes (Linux)."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(text.split("VmRSS:")[1].split()[0])


def duration(samples: int, rate: float) -> str:
    """Return samples and what they last."""
    return f"{samples} ({1000 * samples / rate:.3g} ms)"


def write(name: str, lines: list[str]) -> None:
    """Replace what stands between two comments of the page."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    body = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}{body}\n{end}{after}", encoding="utf-8")


quiet: Report = lambda _what, _share: None  # noqa: E731


if __name__ == "__main__":
    sys.exit(main())
