"""examples/swift: its own tests, its Core ML engine against declarations, and its stream compared with Python.

Core ML cannot be had here, so this process runs the models for the compiled stream, with ONNX Runtime.
"""

import pytest

from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    REPRESENTATION,
    ROOT,
    SAMPLES,
    app_model,
    app_noise,
    expected_frames,
    program,
    refuses_mirrored,
    same_frames,
    served,
)
from support.process import ran, succeeded

SWIFT = EXAMPLES / "swift"
PLAIN = [SWIFT / name for name in ("Manifest.swift", "Blocks.swift", "ModelStream.swift")]


def compiled(*arguments):
    succeeded(program("swiftc"), "-warnings-as-errors", *arguments)


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The program that asks this process to run the model."""
    app_model(SAMPLES)  # else compiling would be for nothing
    path = tmp_path_factory.mktemp("swift") / "stream"
    engine = ROOT / "tests" / "support" / "swift_engine.swift"
    compiled("-O", "-parse-as-library", *PLAIN, engine, "-o", path)
    return path


def test_its_own_tests_pass(tmp_path):
    done = ran(program("swift"), "test", "--package-path", SWIFT, "--scratch-path", tmp_path)
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
    folder, audio = app_model(name), app_noise(name)
    found = served([stream], folder, audio, tmp_path)
    assert same_frames(folder, found, expected_frames(folder, audio))


def test_a_model_that_mirrors_its_signal_is_refused(stream, tmp_path):
    refuses_mirrored([stream], tmp_path)
