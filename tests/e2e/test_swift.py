"""examples/swift: its own tests, its Core ML engine against declarations, and its stream compared with Python.

Core ML cannot be had here, so this process runs the models for the compiled stream, with ONNX Runtime.
"""

import subprocess

import numpy as np
import pytest

from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    MIRRORED,
    REPRESENTATION,
    ROOT,
    SAMPLES,
    app_model,
    expected_frames,
    program,
    same_frames,
    serve,
)

SWIFT = EXAMPLES / "swift"
PLAIN = [SWIFT / name for name in ("Manifest.swift", "Blocks.swift", "ModelStream.swift")]


def compiled(*arguments):
    command = [program("swiftc"), "-warnings-as-errors", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The program that asks this process to run the model."""
    app_model(SAMPLES)  # else compiling would be for nothing
    path = tmp_path_factory.mktemp("swift") / "stream"
    engine = ROOT / "tests" / "support" / "swift_engine.swift"
    compiled("-O", "-parse-as-library", *PLAIN, engine, "-o", path)
    return path


def test_its_own_tests_pass(tmp_path):
    command = [program("swift"), "test", "--package-path", SWIFT, "--scratch-path", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Executed 8 tests, with 0 failures" in done.stdout + done.stderr


def test_the_core_ml_engine_compiles(tmp_path):
    module = tmp_path / "CoreML.swiftmodule"
    declarations = SWIFT / "stubs" / "CoreML.swift"
    compiled(
        "-parse-as-library", "-emit-module", "-module-name", "CoreML", declarations, "-o", module
    )
    compiled("-typecheck", "-I", tmp_path, *PLAIN, SWIFT / "CoreMLEngine.swift")


@pytest.mark.parametrize("name", [SAMPLES, FRAMES, LOUDNESS, REPRESENTATION])
def test_all_samples_give_what_python_gives_the_last_partial_block_too(stream, tmp_path, name):
    folder = app_model(name)
    ears = 2 if name == LOUDNESS else 1
    audio = 0.1 * np.random.default_rng(0).standard_normal((ears, 5001)).astype(np.float32)
    audio.tofile(tmp_path / "in.f32")
    serve([stream, folder / "manifest.json", tmp_path / "in.f32", tmp_path / "out.f32"], folder)
    found = np.fromfile(tmp_path / "out.f32", np.float32)
    assert same_frames(folder, found, expected_frames(folder, audio))


def test_a_model_that_mirrors_its_signal_is_refused(stream, tmp_path):
    np.zeros(10, np.float32).tofile(tmp_path / "in.f32")
    manifest = app_model(MIRRORED) / "manifest.json"
    command = [stream, manifest, tmp_path / "in.f32", tmp_path / "out.f32"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "mirrors a signal at its ends" in done.stderr
