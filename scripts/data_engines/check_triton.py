"""Published models through a real Triton server: whole and as 32 streams in turns, bit for bit as here.

    python check_triton.py MODEL...

Prints a line of JSON for each model; processor time is that of the server and of this client.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
from triton_server import serving

from amt_export import runtime
from amt_export.runtime.axes import time_axis
from amt_export.runtime.triton import RepositoryOptions, write_model

STREAMS = 32
SECONDS = 0.25
LONGEST_PUSH = 3000  # samples


def main() -> None:
    """Serve and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--stateless", action="store_true")
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        options = RepositoryOptions(STREAMS, stateless=given.stateless, python_backend=True)
        for folder in given.models:
            write_model(folder, base / "repository", options)
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        with serving(base / "repository", port, base / "log") as server:
            for folder in given.models:
                row = compared(folder, f"triton://localhost:{port}/{folder.name}", server.pid)
                failed |= not (row["whole_identical"] and row["streams_identical"])
                print(json.dumps(row), flush=True)
    raise SystemExit(failed)


def compared(folder: Path, url: str, server: int) -> dict[str, object]:
    """Run one model here and there."""
    local, remote = runtime.load(folder), runtime.load(url)
    fs, ears = round(local.sampling_rate or 0), local.inputs[0].shape[1:-1]
    rng = np.random.default_rng(0)

    def noise(samples: int) -> np.ndarray:
        return (0.02 * rng.standard_normal((*ears, samples))).astype(np.float32)

    audio = noise(fs // 2 + 123)
    here, there = local.process(audio), remote.process(audio)
    whole = all(np.array_equal(here[name], there[name]) for name in here)
    signals = [noise(round(SECONDS * fs) + 37 * k) for k in range(STREAMS)]
    expected = [[stream.push(x), stream.flush()] for x in signals for stream in [local.stream()]]
    before, server_before = time.process_time(), cpu_of_tree(server)
    answers = in_turns([remote.stream() for _ in signals], signals, rng)
    client, there_cpu = time.process_time() - before, cpu_of_tree(server) - server_before
    ports = [port for port in local.manifest.stream.outputs if time_axis(port) is not None]
    streams = all(
        np.array_equal(joined(found, port), joined(wanted, port))
        for found, wanted in zip(answers, expected, strict=True)
        for port in ports
    )
    seconds = sum(x.shape[-1] for x in signals) / fs
    return {
        "model": local.manifest.name,
        "whole_identical": whole,
        "streams": STREAMS,
        "streams_identical": streams,
        "server_cpu_ms_per_s": round(1e3 * there_cpu / seconds, 1),
        "client_cpu_ms_per_s": round(1e3 * client / seconds, 1),
    }


def in_turns(streams, signals, rng):
    """Push pieces of any length to the streams in any order."""
    answers = [[] for _ in streams]
    at, live = [0] * len(streams), list(range(len(streams)))
    while live:
        k, size = int(rng.choice(live)), int(rng.integers(1, LONGEST_PUSH))
        answers[k].append(streams[k].push(signals[k][..., at[k] : at[k] + size]))
        at[k] += size
        if at[k] >= signals[k].shape[-1]:
            answers[k].append(streams[k].flush())
            live.remove(k)
    return answers


def joined(answers, port):
    """Join the outputs of pushes along time."""
    return np.concatenate([answer[port.name] for answer in answers], time_axis(port) - 1)


def cpu_of_tree(pid: int) -> float:
    """Return the processor time of a process and its children in s; 0 where /proc does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # Models are started by threads of the server, whose children are listed by thread.
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_of_tree(int(child)) for child in set(children))


if __name__ == "__main__":
    main()
