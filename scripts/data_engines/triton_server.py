"""Triton's server, as the nvidia-pytriton wheel has it, started on a repository; for tests and trials.

    python triton_server.py REPOSITORY [--port 8001]

The wheel has the Python backend alone: write the repository with `amt-export triton ... --python-backend`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START = 120.0  # s; the server starts one Python process after the other for its models


@contextmanager
def serving(repository: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server with gRPC on `port`, wait until it answers, and stop it at the end."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.origin:
        raise SystemExit("nvidia-pytriton is not installed here")
    site = Path(spec.origin).parents[1]
    server = site / "pytriton" / "tritonserver"
    with tempfile.TemporaryDirectory() as temporary:
        backends = Path(temporary)
        shutil.copytree(server / "backends" / "python", backends / "python")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, backends / "python")
        libraries = (str(site / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR") or "")
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PYTHONPATH": str(site),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        }
        command = [
            server / "bin" / "tritonserver",
            f"--model-repository={repository}",
            f"--backend-directory={backends}",
            f"--grpc-port={port}",
            "--allow-http=false",
            "--allow-metrics=false",
        ]
        with log.open("wb") as stream:
            process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        try:
            _wait(process, port, log)
            yield process
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    from tritonclient.grpc import InferenceServerClient
    from tritonclient.utils import InferenceServerException

    client = InferenceServerClient(f"localhost:{port}")
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.is_server_ready():
                return
        except InferenceServerException:
            pass
        time.sleep(0.5)
    raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--port", type=int, default=8001)
    given = parser.parse_args()
    with serving(given.repository, given.port, Path("triton.log")) as process:
        print(f"serving {given.repository} on port {given.port}; Ctrl-C ends it")
        process.wait()


if __name__ == "__main__":
    main()
