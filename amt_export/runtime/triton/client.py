"""The backend that calls a Triton server, under the same `Model` and `Stream` as a local one."""

from __future__ import annotations

import secrets
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import BackendError, StreamError, require
from amt_export.manifest import Manifest, StateInfo
from amt_export.manifest.schema import METADATA_KEY
from amt_export.runtime.model import Model
from amt_export.runtime.triton.config import TYPES, served_name, server_states

Array = NDArray[Any]

SCHEME = "triton://"

SEQUENCE = StateInfo(
    "state_sequence",
    "next_state_sequence",
    (1, 2),
    "sequence on the server, and its blocks",
    "int64",
)
"""What a stream keeps where the server keeps the states: the correlation ID and the number of blocks so far;
0 before the first one."""


def load(url: str, **options: Any) -> Model:
    """Open a model on a Triton server; what `amt_export.runtime.load` does with such a name.

    Parameters
    ----------
    url : str
        ``"triton://host:port/name"``, the port that of gRPC (8001).
    **options
        Of `TritonBackend`.

    Raises
    ------
    BackendError
        If no server answers there, or it does not serve a model of ours under this name.
    MissingDependencyError
        If tritonclient is not installed.
    """
    address, slash, name = url.removeprefix(SCHEME).partition("/")
    if not (address and slash and name) or "/" in name:
        raise BackendError(
            f"{url}: give triton://host:port/name, e.g. triton://localhost:8001/{name or 'model'}"
        )
    whole = TritonBackend(address, name, **options)
    manifest = whole.manifest
    stream = None
    if manifest.stream is not None:
        stream = TritonBackend(address, served_name(manifest, "stream"), **options)
        manifest = stream.stream_manifest
    return Model(
        manifest, whole, None if stream is None else lambda: stream, partial(load, url, **options)
    )


class TritonBackend:
    """One form of a model on a Triton server.

    Where the server keeps the states of a stream (sequences), `Stream.state` holds the number of the sequence
    and no more: such a stream cannot be forked, and is lost when the server ends.

    Parameters
    ----------
    address : str
        ``"host:port"`` of gRPC.
    name : str
        Under which the form is served.
    timeout : float, optional
        s to wait for an answer.
    """

    def __init__(self, address: str, name: str, *, timeout: float = 60.0) -> None:
        self._grpc = require("tritonclient.grpc", "triton", "Calling a Triton server")
        utils = require("tritonclient.utils", "triton", "Calling a Triton server")
        self._failure: type[Exception] = utils.InferenceServerException
        self._where, self._name, self._timeout = f"{SCHEME}{address}/{name}", name, timeout
        self._client = self._grpc.InferenceServerClient(address)
        config = self._asked(
            lambda: self._client.get_model_config(name, client_timeout=timeout)
        ).config
        if METADATA_KEY not in config.parameters:
            raise BackendError(
                f"{self._where}: is no model of amt-export; serve it with amt-export triton"
            )
        text = config.parameters[METADATA_KEY].string_value
        self.manifest = Manifest.from_json(text, self._where)
        self._inputs = [port.name for port in config.input]
        self._outputs = [port.name for port in config.output]
        self._sequences = _Sequences() if config.HasField("sequence_batching") else None

    @property
    def stream_manifest(self) -> Manifest:
        """The manifest of a stream on this server: with the states that its client keeps."""
        info = self.manifest.stream
        if self._sequences is None or info is None:
            return self.manifest
        on_server = server_states(self.manifest)
        own = tuple(state for state in info.states if state not in on_server)
        return replace(self.manifest, stream=replace(info, states=(SEQUENCE, *own)))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `amt_export.runtime.backends.Backend`.

        Raises
        ------
        BackendError
            If the server does not answer, or refuses.
        StreamError
            If a stream was copied whose states are on the server.
        """
        if self._sequences is None:
            return self._infer(inputs)
        self._end_sequences(inputs)
        token = inputs[SEQUENCE.input]
        identity, first = self._sequences.enter(token)
        answer = self._infer(inputs, sequence_id=identity, sequence_start=first)
        answer[SEQUENCE.output] = self._sequences.next(identity)
        return answer

    def _end_sequences(self, like: Mapping[str, Array]) -> None:
        """Give back the places of streams that are over; the server learns of it from one more block."""
        assert self._sequences is not None  # noqa: S101
        silence = {name: np.zeros_like(like[name]) for name in self._inputs}
        while (identity := self._sequences.over()) is not None:
            try:
                self._infer(silence, sequence_id=identity, sequence_end=True)
            except BackendError:  # the server has dropped it already
                continue

    def _infer(self, inputs: Mapping[str, Array], **sequence: Any) -> dict[str, Array]:
        grpc = self._grpc
        tensors = []
        for name in self._inputs:
            value = np.ascontiguousarray(inputs[name])
            tensor = grpc.InferInput(name, list(value.shape), TYPES[value.dtype.name])
            tensor.set_data_from_numpy(value)
            tensors.append(tensor)
        outputs = [grpc.InferRequestedOutput(name) for name in self._outputs]
        result = self._asked(
            lambda: self._client.infer(
                self._name, tensors, outputs=outputs, client_timeout=self._timeout, **sequence
            )
        )
        return {name: np.array(result.as_numpy(name)) for name in self._outputs}

    def _asked(self, call: Any) -> Any:
        """Call the server; what it says becomes one line."""
        try:
            return call()
        except self._failure as error:
            message = getattr(error, "message", lambda: "")()
            reason = " ".join(str(message or error).split())
            raise BackendError(f"{self._where}: {reason}") from error


class _Sequences:
    """The sequences of a client: which are open, and which are over, as no stream has their token any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks: dict[int, int] = {}
        self._tokens: dict[int, weakref.ref[Array]] = {}
        self._over: deque[int] = deque()

    def enter(self, token: Array) -> tuple[int, bool]:
        """Return the sequence that a stream's token stands for, and whether this block is its first."""
        identity, blocks = map(int, token.ravel())
        with self._lock:
            if identity == 0:
                return secrets.randbits(62) + 1, True
            if self._blocks.get(identity) != blocks:
                raise StreamError(
                    "the states of this stream are on the server, which has gone on without it: a copied or "
                    "saved stream cannot continue; serve the model with --stateless for that"
                )
            return identity, False

    def next(self, identity: int) -> Array:
        """Return the token of the next block; when it is dropped, the sequence is over."""
        with self._lock:
            self._blocks[identity] = self._blocks.get(identity, 0) + 1
            token: Array = np.array([[identity, self._blocks[identity]]], np.int64)
            self._tokens[identity] = weakref.ref(token, partial(self._drop, identity))
            return token

    def over(self) -> int | None:
        """Return a sequence that is over and not yet ended on the server."""
        try:
            return self._over.popleft()
        except IndexError:
            return None

    def _drop(self, identity: int, _token: object) -> None:
        # Called by the garbage collector, at any place: no lock.
        self._tokens.pop(identity, None)
        self._blocks.pop(identity, None)
        self._over.append(identity)
