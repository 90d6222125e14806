"""Processor time, memory and bytes of `amt-export corpus run`; the table of docs/scale.md.

    python scripts/measure_corpus.py artifacts/gammatone_speech_16k

Recordings of 2 to 5.5 s are cut from the sample recording. Every row is a process of its own, and its processor
time is that of the whole process and its workers, start included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"
SHORTEST, LONGEST = 2.0, 5.5  # s

PLAIN_LOOP = """
import sys
from pathlib import Path
import numpy as np
from amt_export import runtime
from amt_export.audio.reader import AudioReader
model = runtime.load(sys.argv[1], intra_op_num_threads=int(sys.argv[3]))
for path in sorted(Path(sys.argv[2]).iterdir()):
    audio = AudioReader(path, model.manifest).read()[0].astype(np.float32)
    subbands = next(iter(model.process(audio).values()))
    runtime.frame_levels(subbands, round(0.01 * model.sampling_rate))
"""


def make_recordings(folder: Path, count: int, fs: int) -> float:
    """Write recordings, and return their duration in s."""
    folder.mkdir()
    speech, file_fs = soundfile.read(SPEECH)
    speech = soxr.resample(speech, file_fs, fs)
    rng = np.random.default_rng(0)
    total = 0
    for k in range(count):
        length = int(rng.uniform(SHORTEST, LONGEST) * fs)
        start = int(rng.integers(0, len(speech) - length))
        piece = speech[start : start + length] + 1e-3 * rng.standard_normal(length)
        soundfile.write(folder / f"{k:05d}.wav", piece, fs, subtype="PCM_16")
        total += length
    return total / fs


def make_long(file: Path, hours: float, fs: int) -> float:
    """Write one long recording of noise, piece by piece."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(file, "w", fs, 1, "PCM_16") as sound:
        for _ in range(round(hours * 360)):
            sound.write(0.1 * rng.standard_normal(10 * fs))
    return hours * 3600


def measured(*command: str | Path) -> tuple[float, int]:
    """Run a command; return the processor time of it and its children in s, and the largest memory of one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--files", type=int, nargs="*", default=[200, 2000])
    parser.add_argument("--long", type=float, nargs="*", default=[1.0], help="hours of one file")
    parser.add_argument("--minutes", default="10")
    arguments = parser.parse_args()
    manifest = json.loads((arguments.model / "manifest.json").read_text(encoding="utf-8"))
    fs = round(manifest["sampling_rate"])
    amt = (sys.executable, "-m", "amt_export", "corpus")
    rows = []

    def measure(what: str, seconds: float, *command: str | Path, out: Path | None = None) -> None:
        cpu, memory = measured(*command)
        size = sum(path.stat().st_size for path in out.iterdir()) if out else 0
        row = {
            "what": what,
            "hours": seconds / 3600,
            "cpu_s": round(cpu, 2),
            "hours_per_core_hour": round(seconds / cpu, 1),
            "largest_process_MB": round(memory / 1e6),
            "MB_per_hour": round(size / 1e6 / (seconds / 3600), 2),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        for count in arguments.files:
            folder, plan = base / f"files{count}", base / f"{count}.parquet"
            seconds = make_recordings(folder, count, fs)
            measured(*amt, "plan", folder, "--minutes", arguments.minutes, "-o", plan)
            for threads in ("1", "0"):
                name = f"{count} files, plain loop, threads={threads}"
                measure(
                    name,
                    seconds,
                    sys.executable,
                    "-c",
                    PLAIN_LOOP,
                    arguments.model,
                    folder,
                    threads,
                )
            for jobs in ("1", "2"):
                out = base / f"out{count}.{jobs}"
                command = (*amt, "run", arguments.model, plan, "-o", out, "--jobs", jobs)
                measure(f"{count} files, --jobs {jobs}", seconds, *command, out=out)
        for hours in arguments.long:
            sound, plan = base / f"{hours:g}h.wav", base / f"{hours:g}h.parquet"
            seconds = make_long(sound, hours, fs)
            measured(*amt, "plan", sound, "-o", plan)
            out = base / f"{hours:g}h"
            measure(
                f"one file of {hours:g} h",
                seconds,
                *amt,
                "run",
                arguments.model,
                plan,
                "-o",
                out,
                out=out,
            )
            sound.unlink()


if __name__ == "__main__":
    main()
