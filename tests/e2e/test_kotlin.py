"""examples/kotlin: compiled against Android's libraries, and its stream compared with Python.

Android's ONNX Runtime runs on Android only, so this process runs the models for the compiled stream.
"""

import zipfile
from pathlib import Path

import numpy as np
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
    installed,
    program,
    refuses_mirrored,
    same_frames,
    served,
)
from support.process import ran

STREAM = EXAMPLES / "kotlin" / "Stream.kt"
# Android's own org.json: Debian's libandroid-json-java.
JSON = Path("/usr/share/java/com.android.json.jar")


def compiled(*arguments):
    done = ran(program("kotlinc"), STREAM, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Stream.kt:" not in done.stderr  # a warning


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The program that asks this process to run the model."""
    app_model(SAMPLES)  # else compiling would be for nothing
    if not JSON.exists():
        pytest.skip("libandroid-json-java is not installed")
    jar = tmp_path_factory.mktemp("kotlin") / "stream.jar"
    support = ROOT / "tests" / "support"
    sources = [support / "kotlin_onnxruntime.kt", support / "kotlin_main.kt"]
    compiled(*sources, "-cp", JSON, "-include-runtime", "-d", jar)
    return [program("java"), "-cp", f"{jar}:{JSON}", "Kotlin_mainKt"]


def test_it_compiles_with_the_library_for_android(tmp_path):
    if not JSON.exists():
        pytest.skip("libandroid-json-java is not installed")
    # A Unity plugin carries the library.
    archive = installed("cpp", "com.github.asus4.onnxruntime") / "Plugins/Android/onnxruntime.aar"
    with zipfile.ZipFile(archive) as library:
        classes = library.extract("classes.jar", tmp_path)
    compiled("-cp", f"{classes}:{JSON}", "-d", tmp_path / "out")
    assert (tmp_path / "out" / "Stream.class").exists()


@pytest.mark.parametrize("name", [SAMPLES, FRAMES, LOUDNESS, REPRESENTATION])
def test_all_samples_give_what_python_gives_the_last_partial_block_too(command, tmp_path, name):
    folder, audio = app_model(name), app_noise(name)
    found = served(command, folder, audio.T, tmp_path)
    assert same_frames(folder, found, expected_frames(folder, audio))


def test_a_stream_restarts_after_a_nan_if_asked(command, tmp_path):
    folder = app_model(SAMPLES)
    audio = 0.1 * np.random.default_rng(0).standard_normal((1, 2000)).astype(np.float32)
    clean = expected_frames(folder, audio[:, 1024:])
    audio[0, 1000] = np.nan
    found = served(command, folder, audio, tmp_path, "reset").reshape(2000, -1)
    assert same_frames(folder, found[1024:], clean)  # from silence


def test_a_model_that_mirrors_its_signal_is_refused(command, tmp_path):
    refuses_mirrored(command, tmp_path)
