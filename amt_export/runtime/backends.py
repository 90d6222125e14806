"""One class a runtime: open an artifact, feed numpy arrays in, get numpy arrays out.

Each backend imports its runtime when it is opened, so an application installs only the one it uses.
"""

from __future__ import annotations

import difflib
import inspect
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import ArtifactError, BackendError, first_line, require
from amt_export.manifest import Manifest
from amt_export.manifest.onnx_ports import check_ports

Array = NDArray[Any]
Provider = str | tuple[str, dict[str, Any]]
T = TypeVar("T")


class Backend(Protocol):
    """An opened artifact; `run` may be called from several threads at once."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map inputs, known to have the names, shapes and dtypes of the manifest, to outputs."""


class OnnxBackend:
    """ONNX Runtime.

    Parameters
    ----------
    path : Path
        The ``.onnx`` file.
    providers : sequence of str or (str, dict), optional
        Execution providers in order of preference, with options as ONNX Runtime takes them.
        Default: the CPU. CUDA gets ``use_tf32=0`` unless options are given that say otherwise.
    intra_op_num_threads, inter_op_num_threads : int, optional
        Threads inside and across operators; 0 (default) lets ONNX Runtime choose.
    graph_optimization : {"all", "extended", "basic", "disabled"}, optional
        How far ONNX Runtime rewrites the graph when it opens it.
    spinning : bool, optional
        Whether its threads wait busily between operators: faster, but they keep processors from others.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        *,
        providers: Sequence[Provider] = ("CPUExecutionProvider",),
        intra_op_num_threads: int = 0,
        inter_op_num_threads: int = 0,
        graph_optimization: str = "all",
        spinning: bool = True,
    ) -> None:
        ort = require("onnxruntime", "onnx", "Running ONNX artifacts")
        levels = {
            "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
            "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
            "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
            "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
        }
        _check_threads("intra_op_num_threads", intra_op_num_threads)
        _check_threads("inter_op_num_threads", inter_op_num_threads)
        if not isinstance(spinning, bool):
            raise BackendError(f"spinning is {spinning!r}; give True or False")
        wanted = _exact_providers(providers, ort)
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_num_threads
        options.inter_op_num_threads = inter_op_num_threads
        options.log_severity_level = 4  # what is wrong is raised
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        options.graph_optimization_level = levels[
            _choose("graph_optimization", graph_optimization, levels)
        ]
        self._session = _read(
            "ONNX Runtime",
            path,
            lambda: ort.InferenceSession(path, options, providers=wanted),
        )
        # A provider that is compiled in but finds no device or library is dropped silently.
        for name, _ in wanted:
            if name not in self._session.get_providers():
                raise BackendError(
                    f"provider {name!r} does not start on this machine; choose another"
                )
        check_ports(path, self._session, manifest.inputs, manifest.outputs)
        self._outputs = [port.name for port in manifest.outputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend.run`."""
        feeds = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))


class TorchScriptBackend:
    """TorchScript, run by torch without gradients.

    Parameters
    ----------
    path : Path
        The ``.ts.pt`` file.
    device : str, optional
        Where to run it, e.g. ``"cuda"``.
    """

    def __init__(self, path: Path, manifest: Manifest, *, device: str = "cpu") -> None:
        self._torch = require("torch", "export", "Running TorchScript artifacts")
        try:
            self._torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise BackendError(f"device is {device!r}; give one of torch, such as 'cpu'") from error
        self._device = device
        self._module = _read(
            "TorchScript", path, lambda: self._torch.jit.load(str(path), map_location=device)
        )
        self._inputs = [port.name for port in manifest.inputs]
        self._outputs = [port.name for port in manifest.outputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend.run`."""
        # Copied, because torch warns about arrays it must not write to.
        arguments = [self._torch.tensor(inputs[name], device=self._device) for name in self._inputs]
        # A file computes in its own precision, whatever the caller's torch code does around it.
        off = self._torch.autocast(self._torch.device(self._device).type, enabled=False)
        with self._torch.inference_mode(), off:
            answer = self._module(*arguments)
        tensors = answer if isinstance(answer, tuple) else (answer,)
        return {
            name: np.asarray(tensor.cpu().numpy())
            for name, tensor in zip(self._outputs, tensors, strict=True)
        }


class CoreMLBackend:
    """Core ML, which only macOS can run.

    Parameters
    ----------
    path : Path
        The ``.mlpackage`` folder.
    compute_units : {"all", "cpu_and_ne", "cpu_and_gpu", "cpu_only"}, optional
        Where Core ML may run it; only the CPU computes in full float32 throughout.
    """

    def __init__(self, path: Path, manifest: Manifest, *, compute_units: str = "cpu_only") -> None:
        if platform.system() != "Darwin":
            raise BackendError(
                "Core ML predictions need macOS; use backend 'onnx' or 'torchscript' here"
            )
        ct = require("coremltools", "coreml", "Running Core ML artifacts")
        units = {unit.name.lower(): unit for unit in ct.ComputeUnit}
        chosen = units[_choose("compute_units", compute_units, units)]
        self._model = _read(
            "Core ML", path, lambda: ct.models.MLModel(str(path), compute_units=chosen)
        )
        self._outputs = [port.name for port in manifest.outputs]
        self._one_at_a_time = Lock()  # Apple: an MLModel is for one thread at a time

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend.run`."""
        with self._one_at_a_time:
            answer = self._model.predict(dict(inputs))
        return {name: np.asarray(answer[name]) for name in self._outputs}


OPENERS: dict[str, Callable[..., Backend]] = {
    "onnx": OnnxBackend,
    "torchscript": TorchScriptBackend,
    "coreml": CoreMLBackend,
}
"""Backends by name, which is also the name of the format each one reads."""


def check_choice(backend: str, options: Iterable[str]) -> None:
    """Raise BackendError unless the backend exists and takes all these options."""
    opener = OPENERS[_choose("backend", backend, OPENERS)]
    parameters = inspect.signature(opener).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        _choose(f"{backend} option", option, known)


def _choose(what: str, value: str, choices: Iterable[str]) -> str:
    """Return the value if it is one of the choices; the error names them and the closest one."""
    names = list(choices)
    if value in names:
        return value
    close = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise BackendError(f"unknown {what} {value!r}; {hint}choose one of: {', '.join(names)}")


def _read(runtime: str, path: Path, opener: Callable[[], T]) -> T:
    """Open a file; whatever a runtime raises about its content becomes one ArtifactError."""
    try:
        return opener()
    except Exception as error:  # runtimes raise their own kinds, RuntimeError among them
        reason = first_line(error)
        raise ArtifactError(
            f"{path}: {runtime} cannot read it ({reason}); build the model again"
        ) from error


def _check_threads(option: str, value: object) -> None:
    """Raise BackendError unless it is a number of threads that ONNX Runtime takes."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BackendError(
            f"{option} is {value!r}; give a whole number of threads, or 0 to let ONNX Runtime choose"
        )


def _exact_providers(
    providers: Sequence[Provider], ort: ModuleType
) -> list[tuple[str, dict[str, Any]]]:
    """Return names and options of execution providers, all of which this ONNX Runtime has.

    Raises
    ------
    BackendError
        For one that it does not have, or anything that is no list of providers.
    """
    if not isinstance(providers, list | tuple) or not all(map(_is_provider, providers)):
        raise BackendError(
            f"providers is {providers!r}; give a list of names or (name, options), "
            "such as ['CPUExecutionProvider']"
        )
    here = ort.get_available_providers()
    wanted = [_without_tf32(provider) for provider in providers]
    for name, _ in wanted:
        if name not in here and name in ort.get_all_providers():
            gpu = "; CUDA needs onnxruntime-gpu" if "CUDA" in name or "Tensorrt" in name else ""
            raise BackendError(
                f"{name} is not in this onnxruntime, which has {', '.join(here)}{gpu}"
            )
        _choose("provider", name, here)
    return wanted


def _is_provider(value: object) -> bool:
    if isinstance(value, tuple) and len(value) == 2:
        return isinstance(value[0], str) and isinstance(value[1], dict)
    return isinstance(value, str)


def _without_tf32(provider: Provider) -> tuple[str, dict[str, Any]]:
    """Return provider and options; CUDA without TF32, whose factors have 10-bit mantissas."""
    name, options = (provider, {}) if isinstance(provider, str) else provider
    return name, {"use_tf32": "0", **options} if name == "CUDAExecutionProvider" else options
