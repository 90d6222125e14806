"""What all tests share: one thread, golden cases, and small published models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch
from filelock import FileLock

from amt_export import runtime
from amt_export.cli.allocator import tune_memory_management
from amt_export.cli.main import main
from amt_export.model_file import ModelSpec, load_spec
from amt_export.publish import publish
from support import model_files as model_files_support
from support import runtime as runtime_support
from support import streams as streams_support
from support.cli import BLOCK, SMALL, amt
from support.divergence import short_specs
from support.filters import (
    Golden,
    load_golden,
    resized_specs,
    resized_to_onnx,
    small_specs,
)

# Two test processes with all cores each would only wait for each other; and sums keep their order.
torch.set_num_threads(1)
tune_memory_management()


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """Loader of tests/golden/<name>.npz."""
    return load_golden


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder for what is made once for all workers of pytest-xdist, whose base folders lie in one."""
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    out.mkdir(exist_ok=True)
    return out


def publisher(specs: dict[str, ModelSpec], out: Path, **options) -> Callable[[str], Path]:
    """Function that publishes a model below `out` when first asked for its folder, once for all workers."""
    out.mkdir(exist_ok=True)

    def folder(name: str) -> Path:
        with FileLock(out / f"{name}.lock"):
            if not (out / name).exists():
                publish(specs[name], out, **options)
        return out / name

    folder.spec = specs.__getitem__
    return folder


@pytest.fixture(scope="session")
def published(shared) -> Callable[[str], Path]:
    """Folder of a model in all formats, built when first asked for: of `small_specs` or `resized_specs`."""
    return publisher(small_specs() | resized_specs(), shared / "published")


@pytest.fixture(scope="session")
def published_short(shared) -> Callable[[str], Path]:
    """Folder of a model of `short_specs` in the formats that `diff` looks into, built when first asked for."""
    return publisher(short_specs(), shared / "short", formats=["onnx", "coreml"])


@pytest.fixture(params=("gammatone", "drnl", "fast_drnl"))
def folder(request, published) -> Path:
    """A published folder of each of `small_specs`, one after the other."""
    return published(request.param)


@pytest.fixture(scope="session")
def published_onnx(shared) -> Callable[[str], Path]:
    """Folder of a model file of `resized_to_onnx`, ONNX only, whole and stream, built when first asked for."""
    return publisher(resized_to_onnx(), shared / "artifacts", formats=["onnx"])


@pytest.fixture
def writable(published, tmp_path) -> Callable[[str], Path]:
    """A copy of a published folder that a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(published(name), tmp_path / "copies" / name))

    return copy


@pytest.fixture(scope="session")
def proven(tmp_path_factory):
    """The Core ML package of a module and its expected answers, made when first asked for."""
    from support.coreml import Proven  # coremltools takes seconds to import
    from support.coreml_modules import MODULES

    made: dict[str, Proven] = {}

    def get(name: str) -> Proven:
        if name not in made:
            make, shapes = MODULES[name]
            made[name] = Proven(make(), shapes, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture
def package(tmp_path) -> Path:
    """A small Core ML package that a test may damage."""
    from support.coreml_damage import small_package  # coremltools takes seconds to import

    return small_package(tmp_path)


@pytest.fixture(scope="session")
def built(shared) -> Path:
    """A folder with models/small.toml and artifacts/small, all formats, made by `build`."""
    root = shared / "cli"
    with FileLock(shared / "cli.lock"):
        if not (root / "artifacts" / "small").exists():
            (root / "models").mkdir(parents=True)
            (root / "models" / "small.toml").write_text(SMALL, encoding="utf-8")
            done = amt("build", cwd=root)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stderr == ""
            assert "1 model, 4 artifacts published in artifacts" in done.stdout
    return root


@pytest.fixture(scope="session")
def small(built) -> Path:
    return built / "artifacts" / "small"


@pytest.fixture(scope="session")
def small_stream(shared) -> Path:
    """Three gammatone channels with a streaming form, ONNX only."""
    root = shared / "streams"
    with FileLock(shared / "streams.lock"):
        if not (root / "small").exists():
            root.mkdir()
            path = root / "small.toml"
            path.write_text(f"{SMALL}\n[stream]\nblock = {BLOCK}\n", encoding="utf-8")
            assert main(["build", str(path), "--format", "onnx", "--out", str(root)]) == 0
    return root / "small"


@pytest.fixture
def copied(small, tmp_path) -> Path:
    """A published folder that a test may damage."""
    return Path(shutil.copytree(small, tmp_path / "artifacts" / "small"))


@pytest.fixture
def wav(tmp_path):
    """Write a WAV file and return its path."""

    def write(samples, fs=16000, name="input.wav", subtype="FLOAT"):
        soundfile.write(tmp_path / name, samples, fs, subtype=subtype, format="WAV")
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def fir_folder(tmp_path_factory):
    return streams_support.publish_fir(tmp_path_factory.mktemp("fir"))


@pytest.fixture(scope="module")
def streaming_model(fir_folder):
    return runtime.load(fir_folder)


@pytest.fixture(scope="module")
def frames_model(tmp_path_factory):
    return runtime.load(streams_support.publish_frames(tmp_path_factory.mktemp("frames")))


@pytest.fixture(scope="module")
def fir_model(tmp_path_factory):
    return runtime.load(runtime_support.publish_fir(tmp_path_factory.mktemp("fir")))


@pytest.fixture
def sum_model(tmp_path):
    return runtime.load(runtime_support.publish_sum(tmp_path))


@pytest.fixture
def load(tmp_path) -> Callable[..., ModelSpec]:
    """Write a model file for the modules of `support.model_files` and read it."""

    def load(text, name="bank"):
        path = tmp_path / f"{name}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_spec(path, modules=model_files_support.MODULES)

    return load
