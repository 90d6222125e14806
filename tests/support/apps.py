"""What the tests of the example apps share: published models, programs, and Python's answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from amt_export import runtime
from amt_export.manifest import load_manifest

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


def worst(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference as a share of its channel's peak (time last), or of 1 % of the loudest channel's."""
    assert found.shape == expected.shape
    peak = np.abs(expected).max(-1)
    scale = np.maximum(peak, 0.01 * peak.max())
    return float((np.abs(found - expected).max(-1) / scale).max())
