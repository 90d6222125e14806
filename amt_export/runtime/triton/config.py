"""``config.pbtxt``: what Triton has to know of one form of a model, from its manifest.

References
----------
.. [1] Triton's ``model_config.proto``, message ``ModelConfig``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from amt_export.errors import ArtifactError
from amt_export.manifest import Manifest, Port, StateInfo
from amt_export.manifest.ports import BEYOND_END, ELAPSED
from amt_export.manifest.schema import METADATA_KEY

TYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32"}
"""Triton's names of dtypes; TYPE_FP32 in a configuration."""

STREAM_SUFFIX = "_stream"
"""Follows the model's name in the name under which its streaming form is served."""

OF_THE_CLIENT = frozenset({f"state_{ELAPSED}", f"state_{BEYOND_END}"})
"""States that a client writes: where its signal begins and ends, which no server can know."""

MOST_ROWS = 32
"""Requests in one run where the batch is free: a second of a filterbank's output has 2 MB."""


@dataclass(frozen=True)
class RepositoryOptions:
    """Settings with which models are served.

    Parameters
    ----------
    streams : int
        Sequences at once in each instance; others wait.
    instances : int
        Copies of each model, each on a thread of its own.
    idle : float
        s without a block after which the server drops a sequence and its place is free.
    stateless : bool
        States among inputs and outputs of streaming forms: the client keeps them, and any replica may answer.
    python_backend : bool
        Serve through Triton's Python backend with onnxruntime in it, where the server has no backend for ONNX.
    """

    streams: int = 256
    instances: int = 1
    idle: float = 60.0
    stateless: bool = False
    python_backend: bool = False


def model_config(manifest: Manifest, form: str, options: RepositoryOptions) -> str:
    """Return the text of a configuration.

    Parameters
    ----------
    manifest : Manifest
    form : {"whole", "stream"}
    options : RepositoryOptions
    """
    ports = manifest.of(form)
    kept = server_states(manifest) if form == "stream" and not options.stateless else ()
    hidden = {name for state in kept for name in (state.input, state.output)}
    inputs = [port for port in ports.inputs if port.name not in hidden]
    outputs = [port for port in ports.outputs if port.name not in hidden]
    batched = all(port.shape and port.shape[0] is None for port in (*ports.inputs, *ports.outputs))
    lines = [
        f"name: {_quoted(served_name(manifest, form))}",
        f"backend: {_quoted('python' if options.python_backend else 'onnxruntime')}",
        f"max_batch_size: {MOST_ROWS if batched else 0}",
        *(f"input {_port(port, batched)}" for port in inputs),
        *(f"output {_port(port, batched)}" for port in outputs),
        f"instance_group {{ count: {options.instances} kind: KIND_CPU }}",
        _parameter(METADATA_KEY, manifest.embedded_json()),
    ]
    if not options.python_backend and form == "stream":
        # A block is too little work to share out; the Python backend's model sets it itself.
        lines.append(_parameter("intra_op_thread_count", "1"))
    if form == "stream" and not options.stateless:
        lines.append(_sequences(kept, batched, options))
    elif batched:
        lines.append("dynamic_batching { }")
    return "\n".join(lines) + "\n"


def served_name(manifest: Manifest, form: str) -> str:
    """Return the name under which one form of a model is served."""
    return manifest.name + (STREAM_SUFFIX if form == "stream" else "")


def server_states(manifest: Manifest) -> tuple[StateInfo, ...]:
    """Return the states that a server keeps for a sequence."""
    states = manifest.stream.states if manifest.stream else ()
    return tuple(state for state in states if state.input not in OF_THE_CLIENT)


def initial_bytes(state: StateInfo) -> bytes | None:
    """Return the file of a state that does not begin with zeros; None for one that does."""
    if state.initial == 0:
        return None
    return np.full(state.sized(), state.initial, state.dtype).tobytes()


def _sequences(states: Iterable[StateInfo], batched: bool, options: RepositoryOptions) -> str:
    lines = [
        "sequence_batching {",
        f"  max_sequence_idle_microseconds: {round(1e6 * options.idle)}",
        f"  oldest {{ max_candidate_sequences: {options.streams} }}",
    ]
    if not options.python_backend:  # its model keeps the states itself
        lines += [f"  {_state(state, batched)}" for state in states]
    return "\n".join([*lines, "}"])


def _state(state: StateInfo, batched: bool) -> str:
    kind = f"data_type: {_type(state.dtype)} dims: {_dims(state.shape[batched:])}"
    # Without an initial state a sequence would begin with whatever is in memory.
    start = f"data_file: {_quoted(state.input)}" if state.initial else "zero_data: true"
    return (
        f"state {{ input_name: {_quoted(state.input)} output_name: {_quoted(state.output)} {kind} "
        f"initial_state {{ name: {_quoted(f'initial {state.input}')} {kind} {start} }} }}"
    )


def _port(port: Port, batched: bool) -> str:
    shape = port.shape[batched:]
    return f"{{ name: {_quoted(port.name)} data_type: {_type(port.dtype)} dims: {_dims(shape)} }}"


def _dims(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('-1' if size is None else str(size) for size in shape)}]"


def _type(dtype: str) -> str:
    if dtype not in TYPES:
        raise ArtifactError(f"{dtype} arrays have no name in Triton; build the model again")
    return f"TYPE_{TYPES[dtype]}"


def _parameter(key: str, value: str) -> str:
    return f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"


def _quoted(text: str) -> str:
    """Return a string of protobuf's text format, in ASCII: quotes, backslashes and other bytes as octal."""
    plain = {byte for byte in range(32, 127) if chr(byte) not in '"\\'}
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
