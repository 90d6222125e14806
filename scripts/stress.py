"""What a published model does under load: many threads, many streams, many openings, and fading sound.

    python scripts/stress.py artifacts/gammatone_speech_16k artifacts/casp_44k

Prints one row of a table for each trial and exits with 1 if one of them found a difference. Times are CPU times
of this process.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from amt_export import runtime
from amt_export.runtime import Model

THREADS, CALLS = 64, 4
STREAMS = 6000
OPENINGS = 500
# The first openings fill caches of the libraries; from here on memory must stay.
WARM_OPENINGS = 50
# Memory that the allocator may keep beyond that, in MB.
SLACK = 8.0
# Fading from 1 Pa to far below the smallest normal float32.
FADE_SECONDS = 4.0
FADE_DECADES = 50.0
# In the unit of the input: 60 dB SPL, and the velocity of the stapes that such noise makes.
NOISE = {"Pa": 0.02, "full scale": 0.01, "m/s": 1e-8}
# A block of denormal numbers takes 10 to 100 times as long; noise of the clock is well below this.
SLOWDOWN = 1.5


def main() -> int:
    """Run all trials on each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    wrong = 0
    print("| model | trial | found | |\n|---|---|---|---|")
    for folder in arguments.folders:
        for trial in (threads, streams, openings, fading):
            words = (trial.__doc__ or "").rstrip(".")
            found, right = trial(folder)
            wrong += not right
            verdict = "as it should be" if right else "FAULT"
            print(f"| {folder.name} | {words} | {found} | {verdict} |", flush=True)
    return 1 if wrong else 0


def threads(folder: Path) -> tuple[str, bool]:
    """64 threads share one model."""
    model = runtime.load(folder, intra_op_num_threads=1)
    audio = _noise(model, model.inputs[0].shape[-1], 8)
    expected = [_call(model, row) for row in audio]

    def work(index: int) -> bool:
        return all(_same(_call(model, audio[index % 8]), expected[index % 8]) for _ in range(CALLS))

    with ThreadPoolExecutor(THREADS) as pool:
        equal = list(pool.map(work, range(THREADS)))
    return f"{sum(equal)} of {THREADS} equal to the last bit", all(equal)


def streams(folder: Path) -> tuple[str, bool]:
    """6,000 streams of one model, interleaved."""
    model = runtime.load(folder)
    block = model.stream().block
    audio = _noise(model, 2 * block, 8)
    expected = [_pushed(model.stream(), row, block) for row in audio]
    opened = [model.stream() for _ in range(STREAMS)]
    first = [stream.push(audio[i % 8][..., :block]) for i, stream in enumerate(opened)]
    equal = 0
    for i, stream in enumerate(opened):
        second = stream.push(audio[i % 8][..., block:])
        equal += _same([first[i], second], expected[i % 8])
    return f"{equal} of {STREAMS} equal to the last bit", equal == STREAMS


def openings(folder: Path) -> tuple[str, bool]:
    """500 openings of model and stream, each used and dropped."""
    before = 0.0
    for cycle in range(OPENINGS):
        model = runtime.load(folder, intra_op_num_threads=1)
        block = model.stream().block
        with model.stream() as stream:
            stream.push(_noise(model, block, 1)[0])
        del model, stream
        if cycle + 1 == WARM_OPENINGS:
            before = _resident()
    gc.collect()
    grown = _resident() - before
    return f"{grown:+.1f} MB between opening {WARM_OPENINGS} and {OPENINGS}", grown < SLACK


def fading(folder: Path) -> tuple[str, bool]:
    """Sound that fades into numbers smaller than float32 holds."""
    model = runtime.load(folder)
    block = model.stream().block
    samples = int(FADE_SECONDS * (model.sampling_rate or 0)) // block * block
    audio = _noise(model, samples, 1)[0]
    faded = audio * 10.0 ** np.linspace(0.0, -FADE_DECADES, samples)
    steady, quiet = (
        min(_seconds(lambda x=x: _pushed(model.stream(), x, block)) for _ in range(3))
        for x in (audio, faded.astype(np.float32))
    )
    return f"{quiet / steady:.2f} times the time of steady noise", quiet < SLOWDOWN * steady


def _noise(model: Model, samples: int, count: int) -> list[np.ndarray]:
    """Noise at 60 dB SPL or so, in the unit of the model's input."""
    shape = (*model.inputs[0].shape[:-1], samples)
    generator = np.random.default_rng(0)
    scale = NOISE[model.inputs[0].unit]
    return [(scale * generator.standard_normal(shape)).astype(np.float32) for _ in range(count)]


def _call(model: Model, audio: np.ndarray) -> list[dict[str, np.ndarray]]:
    return [model(audio)]


def _pushed(stream: runtime.Stream, audio: np.ndarray, block: int) -> list[dict[str, np.ndarray]]:
    ends = range(block, audio.shape[-1] + 1, block)
    return [stream.push(audio[..., end - block : end]) for end in ends]


def _same(found: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]]) -> bool:
    return all(
        np.array_equal(one[name], other[name])
        for one, other in zip(found, expected, strict=True)
        for name in other
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _resident() -> float:
    """Memory of this process, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
