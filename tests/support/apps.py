"""What the tests of the example apps share: published models, programs, and Python's answer."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from amt_export import runtime
from amt_export.manifest import load_manifest
from support.process import ran

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MODELS = ROOT / "build" / "apps"
"""Where `make test-apps` builds the models that the apps are tried with."""

SAMPLES = "gammatone_speech_16k"
FRAMES = "cochleagram_casp_44k"
MIRRORED = "glasberg2002_frontend_32k"
LOUDNESS = "moore2016_loudness_32k"
REPRESENTATION = "paulick2024_44k"
"""One of each kind: samples in windows, levels per frame, centred frames of a mirrored signal, a memory longer
than the artifact with two ears and look-ahead, and frames for which the end of the signal matters."""


def app_model(name: str) -> Path:
    """Folder of a model; skip where it was not built."""
    folder = MODELS / name
    if not (folder / "manifest.json").exists() or load_manifest(folder).stream is None:
        pytest.skip(f"no streaming {name} in build/apps: run `make test-apps`")
    return folder


def program(*names: str) -> str:
    """Path of the first of some programs that is there; skip where none is."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{names[0]} is not installed")


def installed(example: str, package: str) -> Path:
    """Folder of an npm package of an example; skip where it was not installed."""
    folder = EXAMPLES / example / "node_modules" / package
    if not folder.is_dir():
        pytest.skip(f"{package} is not installed in examples/{example}: run `make test-apps`")
    return folder


def answer(folder: Path, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Python's outputs for a signal in the model's unit, (T,) or (2, T)."""
    return runtime.load(folder, intra_op_num_threads=1).process(audio)


def serve(command: Sequence[str | Path], folder: Path) -> None:
    """Run the blocks of a streaming model that a program asks for; the program must end well.

    It writes float32 arrays in the order of the manifest (audio, states), and reads outputs and next states.
    """
    manifest = load_manifest(folder)
    session = onnxruntime.InferenceSession(folder / manifest.entry("onnx", "stream").path)
    states = manifest.stream.states
    audio = manifest.stream.inputs[0]
    inputs = {audio.name: audio.sized()} | {state.input: state.sized() for state in states}
    outputs = [port.name for port in manifest.stream.outputs] + [state.output for state in states]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while block := process.stdout.read(
            sum(4 * int(np.prod(shape)) for shape in inputs.values())
        ):
            ends = np.cumsum([np.prod(shape) for shape in inputs.values()])[:-1]
            arrays = np.split(np.frombuffer(block, np.float32), ends)
            feeds = {
                name: array.reshape(shape)
                for (name, shape), array in zip(inputs.items(), arrays, strict=True)
            }
            answers = session.run(outputs, feeds)
            process.stdin.write(b"".join(array.tobytes() for array in answers))
            process.stdin.flush()
    assert process.returncode == 0


def app_noise(name: str) -> np.ndarray:
    """A signal of no multiple of a block, for each ear of a model."""
    ears = 2 if name == LOUDNESS else 1
    return 0.1 * np.random.default_rng(0).standard_normal((ears, 5001)).astype(np.float32)


def _arguments(folder: Path, audio: np.ndarray, place: Path) -> list[Path]:
    audio.tofile(place / "in.f32")
    return [folder / "manifest.json", place / "in.f32", place / "out.f32"]


def served(command, folder: Path, audio: np.ndarray, place: Path, *options: str) -> np.ndarray:
    """What a program makes of a signal, whose blocks this process runs."""
    serve([*command, *_arguments(folder, audio, place), *options], folder)
    return np.fromfile(place / "out.f32", np.float32)


def refuses_mirrored(command, place: Path) -> None:
    """Check that a program takes no model that mirrors its signal."""
    done = ran(*command, *_arguments(app_model(MIRRORED), np.zeros(10, np.float32), place))
    assert done.returncode != 0
    assert "mirrors a signal at its ends" in done.stderr


def expected_frames(folder: Path, audio: np.ndarray) -> np.ndarray:
    """Python's first output for a signal (ears, T) in the model's unit, as apps write it: (frames, numbers)."""
    manifest = load_manifest(folder)
    output = manifest.outputs[0]
    found = answer(folder, audio if len(audio) == 2 else audio[0])[output.name]
    # Two ears lie behind the frames; all channels, and modulation filters, lie before them.
    return found if len(audio) == 2 else found.reshape(-1, found.shape[-1]).T


def same_frames(folder: Path, found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether frames of an app, one number after the other, are those of Python."""
    found = found.reshape(-1, expected.shape[1])
    if load_manifest(folder).outputs[0].kind == "db":
        return found.shape == expected.shape and bool(np.abs(found - expected).max() < 1e-3)
    return worst(found.T, expected.T) < 1e-5


def worst(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference as a share of its channel's peak (time last), or of 1 % of the loudest channel's."""
    assert found.shape == expected.shape
    peak = np.abs(expected).max(-1)
    scale = np.maximum(peak, 0.01 * peak.max())
    return float((np.abs(found - expected).max(-1) / scale).max())
