"""examples/cpp: compiled against onnxruntime's own headers, run, and compared with Python."""

import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from amt_export.manifest import load_manifest
from support.apps import EXAMPLES, answer, app_models, installed, program, worst

NLOHMANN = Path("/usr/include/nlohmann/json.hpp")
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The compiled example."""
    if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
        pytest.skip("compiled on Linux only")
    compiler = program("g++", "clang++")
    if not NLOHMANN.exists():
        pytest.skip("nlohmann-json3-dev is not installed")
    # A Unity plugin that carries the C++ headers, and the library that onnxruntime-node comes with.
    unity = installed("cpp", "com.github.asus4.onnxruntime")
    (headers,) = unity.glob("Plugins/iOS~/*/ios-arm64/onnxruntime.framework/Headers")
    native = installed("node", "onnxruntime-node")
    (library,) = native.glob(f"bin/*/linux/{ARCHITECTURES[platform.machine()]}/libonnxruntime.so.*")
    path = tmp_path_factory.mktemp("cpp") / "stream"
    command = [
        *(compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-isystem", headers),
        *(EXAMPLES / "cpp" / "stream.cpp", library, f"-Wl,-rpath,{library.parent}", "-o", path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("index", [0, 1], ids=["speech", "music"])
def test_blocks_are_those_of_python(stream, index):
    folder = app_models()[index]
    manifest = load_manifest(folder)
    block, channels = manifest.stream.block, len(manifest.centre_frequencies)
    audio = np.random.default_rng(0).standard_normal(6 * block).astype(np.float32)
    model = folder / manifest.entry("onnx", "stream").path
    full_scale = np.float32(2**0.5 * 2e-5 * 10 ** (93.98 / 20))
    for options, gain in (([], full_scale), (["--raw"], np.float32(1))):
        done = subprocess.run(
            [stream, model, *options], input=audio.tobytes(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        blocks = np.frombuffer(done.stdout, np.float32).reshape(6, channels, block)
        found = np.concatenate(list(blocks), axis=1)
        assert worst(found, answer(folder, gain * audio)) < 2e-6


def test_complaints_are_onnxruntimes_own(stream):
    folder = app_models()[0]
    manifest = load_manifest(folder)
    whole = folder / manifest.entry("onnx").path
    block = np.zeros(manifest.stream.block, np.float32).tobytes()
    for model in (whole, folder / "none.onnx"):  # the whole form takes no states
        done = subprocess.run([stream, model], input=block, capture_output=True, check=False)
        assert done.returncode == 1
        assert done.stderr
        assert not done.stdout
