"""The recipes of examples/ for corpora and servers, each in an environment of its own, against `corpus run`.

    python scripts/test_data_engines.py MODEL [--only ray spark huggingface triton service]

The same recordings go through each engine, and the Parquet files must be the same byte for byte. Ray and Spark
are killed with SIGKILL on the way and started again. What is missing on the machine is skipped with a reason.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from measure_corpus import SPEECH, make_recordings

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-data"
FILES, SHARD_MINUTES = 120, "0.5"
BEFORE_KILL = 3  # shards

REQUIREMENTS = {
    "ray": ROOT / "examples/ray/requirements.txt",
    "spark": ROOT / "examples/spark/requirements.txt",
    "huggingface": ROOT / "examples/huggingface/requirements.txt",
    "triton": ROOT / "scripts/data_engines/requirements-triton.txt",
    "service": ROOT / "examples/service/requirements.txt",
}


class SkippedError(Exception):
    """An engine cannot be had here."""


class Bench:
    """Recordings, their plan, and the Parquet files that `corpus run` makes of them."""

    def __init__(self, model: Path, base: Path) -> None:
        self.model, self.base = model.absolute(), base
        self.recordings, self.plan = base / "recordings", base / "plan.parquet"
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.seconds = make_recordings(self.recordings, FILES, 16000)
        amt = (sys.executable, "-m", "amt_export", "corpus")
        self.run(*amt, "plan", self.recordings, "--minutes", SHARD_MINUTES, "-o", self.plan)
        self.run(*amt, "run", self.model, self.plan, "-o", base / "reference")
        self.reference = files_of(base / "reference")

    def run(self, *command: str | Path) -> str:
        """Run a command; return what it says."""
        done = subprocess.run(
            list(map(str, command)),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
            )
        return done.stdout

    def killed(self, out: Path, *command: str | Path) -> int:
        """Run a command until it has made some shards, then kill it; return how many there are."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                list(map(str, command)),
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            while process.poll() is None and len(shards_of(out)) < BEFORE_KILL:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return len(shards_of(out))


def shards_of(out: Path) -> set[str]:
    """Names of the finished shards of a folder."""
    return {path.name for path in out.glob("[!._]*.parquet")}


def files_of(out: Path) -> dict[str, bytes]:
    """All shards of a folder by name."""
    return {name: (out / name).read_bytes() for name in shards_of(out)}


def corpus_engine(bench: Bench, python: Path, script: Path, *options: str) -> str:
    """Kill, resume and compare an engine that runs shards."""
    out = bench.base / script.parent.name
    command = (python, script, bench.model, bench.plan, out, *options)
    before = bench.killed(out, *command)
    said = bench.run(*command).strip().splitlines()[-1]
    if files_of(out) != bench.reference:
        raise RuntimeError("Parquet files differ from those of `corpus run`")
    return f"{before} of {len(bench.reference)} shards before SIGKILL; all identical; {said}"


def try_ray(bench: Bench, python: Path) -> str:
    """Ray Data: an actor pool, resumed after its driver was killed."""
    return corpus_engine(bench, python, ROOT / "examples/ray/extract.py", "--workers", "1")


def try_spark(bench: Bench, python: Path) -> str:
    """Spark: mapInPandas, resumed after its driver was killed."""
    if not shutil.which("java"):
        raise SkippedError("no java; apt-get install openjdk-17-jre-headless")
    script = ROOT / "examples/spark/extract.py"
    return corpus_engine(bench, python, script, "--master", "local[2]")


def try_huggingface(bench: Bench, python: Path) -> str:
    """Hugging Face datasets: map with two forked workers, to Parquet."""
    out = bench.base / "levels.parquet"
    script = ROOT / "examples/huggingface/extract.py"
    said = bench.run(python, script, bench.model, bench.recordings, out, "--workers", "2")
    compare = (
        "import sys, pyarrow.parquet as pq\n"
        "a, b = (pq.read_table(p, columns=['path', 'sha256', 'frames', 'levels']).sort_by('path')"
        " for p in sys.argv[1:])\n"
        "assert a.to_pylist() == b.to_pylist()\n"
    )
    bench.run(python, "-c", compare, out, bench.base / "reference")
    return f"rows identical; {said.strip().splitlines()[-1]}"


def try_triton(bench: Bench, python: Path) -> str:
    """Triton's server with the Python backend: whole and streams, bit for bit."""
    if platform.system() != "Linux":
        raise SkippedError("nvidia-pytriton has wheels for Linux only")
    script = ROOT / "scripts/data_engines/check_triton.py"
    lines = bench.run(python, script, bench.model).strip().splitlines()
    lines += bench.run(python, script, bench.model, "--stateless").strip().splitlines()
    return "; ".join(lines)


def try_service(bench: Bench, python: Path) -> str:
    """The WebSocket service, with 50 clients."""
    folder = ROOT / "examples/service"
    port = "18763"
    command = [python, folder / "app.py", bench.model, "--port", port, "--connections", "50"]
    process = subprocess.Popen(list(map(str, command)), env=bench.environment)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except OSError:
                time.sleep(0.5)
        url = f"ws://127.0.0.1:{port}/stream"
        options = ("--url", url, "--connections", "50", "--seconds", "5")
        said = bench.run(python, folder / "load_test.py", bench.model, SPEECH, *options).strip()
        check = ROOT / "scripts/data_engines/check_service.py"
        return f"{said}; {bench.run(python, check, url).strip()}"
    finally:
        process.terminate()
        process.wait()


TRIALS: dict[str, Callable[[Bench, Path], str]] = {
    "ray": try_ray,
    "spark": try_spark,
    "huggingface": try_huggingface,
    "triton": try_triton,
    "service": try_service,
}


def environment(engine: str) -> Path:
    """Make the environment of an engine once; return its Python."""
    folder = ENVIRONMENTS / engine
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = REQUIREMENTS[engine].read_text(encoding="ascii")
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        done = subprocess.run(
            [*pip, "-r", REQUIREMENTS[engine]], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SkippedError(f"pip: {done.stderr.strip().splitlines()[-1]}")
        stamp.write_text(wanted, encoding="ascii")
    return python


def main() -> int:
    """Try the engines, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a published folder with a streaming form")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=list(TRIALS))
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(given.model, Path(temporary))
        for engine in given.only:
            try:
                print(f"{engine}: {TRIALS[engine](bench, environment(engine))}", flush=True)
            except SkippedError as reason:
                print(f"{engine}: skipped, {reason}", flush=True)
            except (RuntimeError, OSError) as error:
                failed = True
                print(f"{engine}: FAILED, {error}", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
