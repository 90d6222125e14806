"""examples/cpp: built with CMake, run, and compared with Python."""

import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from amt_export.manifest import load_manifest
from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    MIRRORED,
    REPRESENTATION,
    SAMPLES,
    app_model,
    app_noise,
    expected_frames,
    installed,
    program,
    same_frames,
)
from support.process import ran, succeeded

NLOHMANN = Path("/usr/include/nlohmann/json.hpp")
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
FULL_SCALE = np.float32(2**0.5 * 2e-5 * 10 ** (93.98 / 20))


@pytest.fixture(scope="module", params=["wheel", "release"])
def stream(request, tmp_path_factory):
    """The built example, with the library of the wheel that pip installed, or of an unpacked release."""
    if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
        pytest.skip("built on Linux only")
    program("g++", "clang++")
    cmake = program("cmake")
    if not NLOHMANN.exists():
        pytest.skip("nlohmann-json3-dev is not installed")
    # A Unity plugin carries the C++ headers; onnxruntime-node comes with a library, in place of a release's.
    unity = installed("cpp", "com.github.asus4.onnxruntime")
    (headers,) = unity.glob("Plugins/iOS~/*/ios-arm64/onnxruntime.framework/Headers")
    build = tmp_path_factory.mktemp(request.param)
    where = [f"-DONNXRUNTIME_INCLUDE={headers}", f"-DPython3_EXECUTABLE={sys.executable}"]
    if request.param == "release":
        native = installed("node", "onnxruntime-node")
        (library,) = native.glob(
            f"bin/*/linux/{ARCHITECTURES[platform.machine()]}/libonnxruntime.so.*"
        )
        root = build / "onnxruntime"
        (root / "lib").mkdir(parents=True)
        (root / "include").symlink_to(headers)
        (root / "lib" / "libonnxruntime.so").symlink_to(library)
        (root / "lib" / "libonnxruntime.so.1").symlink_to(library)
        where = [f"-DONNXRUNTIME_ROOT={root}"]
    for command in (
        [cmake, "-S", EXAMPLES / "cpp", "-B", build, "-DCMAKE_CXX_FLAGS=-Werror -O1", *where],
        [cmake, "--build", build],
    ):
        succeeded(*command)
    return build / "stream"


def run(stream, name, audio, *options):
    folder = app_model(name)
    model = folder / load_manifest(folder).entry("onnx", "stream").path
    return ran(stream, model, *options, input=audio.tobytes(), text=False)


@pytest.mark.parametrize("name", [SAMPLES, FRAMES, LOUDNESS, REPRESENTATION])
def test_all_samples_give_what_python_gives_the_last_partial_block_too(stream, name):
    audio = app_noise(name)
    done = run(stream, name, audio.T)
    assert done.returncode == 0, done.stderr
    expected = expected_frames(app_model(name), FULL_SCALE * audio)
    assert same_frames(app_model(name), np.frombuffer(done.stdout, np.float32), expected)


def test_raw_samples_and_levels(stream):
    audio = np.random.default_rng(0).standard_normal(700).astype(np.float32)
    raw = run(stream, SAMPLES, FULL_SCALE * audio, "--raw").stdout
    usual = run(stream, SAMPLES, audio).stdout
    louder = run(stream, SAMPLES, audio, "--full-scale", "113.98").stdout
    raw, usual, louder = (np.frombuffer(answer, np.float32) for answer in (raw, usual, louder))
    np.testing.assert_allclose(raw, usual, atol=1e-6)
    np.testing.assert_allclose(louder, 10 * usual, atol=1e-5)


def test_a_stream_restarts_after_a_nan_if_asked(stream):
    audio = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    expected = np.frombuffer(run(stream, SAMPLES, audio).stdout, np.float32).reshape(2000, -1)
    block = load_manifest(app_model(SAMPLES)).stream.block
    audio[: 2 * block] = 0.0
    clean = run(stream, SAMPLES, audio[2 * block :]).stdout
    audio[block + 3] = np.nan
    done = run(stream, SAMPLES, audio, "--reset")
    assert done.returncode == 0
    assert done.stderr == b"restarted from silence: 1\n"
    found = np.frombuffer(done.stdout, np.float32).reshape(2000, -1)
    assert found.shape == expected.shape
    assert found[2 * block :].tobytes() == clean  # from silence
    assert np.isnan(found[block : 2 * block]).any()


def test_complaints_are_one_line(stream):
    block = np.zeros(1000, np.float32)
    folder = app_model(SAMPLES)
    whole = folder / load_manifest(folder).entry("onnx").path
    for done, complaint in (
        (run(stream, SAMPLES, np.array([0, np.nan], np.float32)), "sample 1 is NaN or infinite"),
        (run(stream, MIRRORED, block), "mirrors a signal at its ends"),
        (run(stream, SAMPLES, block, "--level"), "usage: "),
        (run(stream, SAMPLES, block, "--full-scale", "loud"), "usage: "),
        (run(stream, SAMPLES, block, "--full-scale", "300"), "give a level from -100 to 200"),
        (ran(stream, whole, input=b"", text=False), f"open {SAMPLES}.stream.onnx"),
        (ran(stream, "no.onnx", text=False), "no.onnx"),
    ):
        assert done.returncode == 1
        assert complaint in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
        assert not done.stdout
