"""One trial for each kind of input: damage it, use it, and say how it ended."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.commands import commanded
from fuzzing.damage import change, damaged, other_line, other_tensor
from fuzzing.outcomes import REFUSED, RIGHT, SECONDS, FaultError, Trial

ROOT = Path(__file__).parents[2]


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
