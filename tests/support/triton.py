"""A Triton server of one repository without a network: onnxruntime and the rules of its sequences."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnxruntime
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    text_format,
)

DESCRIPTOR = Path(__file__).parents[1] / "data" / "triton_model_config.pb"
NUMPY = {"TYPE_FP32": np.float32, "TYPE_FP64": np.float64, "TYPE_INT64": np.int64}


def model_config_class():
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(DESCRIPTOR.read_bytes()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def type_name(port):
    """TYPE_FP32 of an input, output or state."""
    field = port.DESCRIPTOR.fields_by_name["data_type"]
    return field.enum_type.values_by_number[port.data_type].name


def configurations(repository):
    """The configurations of a repository by name, parsed as the server does it."""
    cls = model_config_class()
    return {
        path.parent.name: text_format.Parse(path.read_text(encoding="ascii"), cls())
        for path in sorted(repository.glob("*/config.pbtxt"))
    }


class FakeError(Exception):
    def message(self):
        return str(self)


class FakeServer:
    """What `tritonclient.grpc` talks to.

    Attributes
    ----------
    open : dict
        States of each sequence that has begun and not ended, by (model, id).
    calls : list
        Of each request: model, and sequence_id, sequence_start, sequence_end as given.
    """

    def __init__(self, repository: Path) -> None:
        self.configurations = configurations(repository)
        self.sessions = {
            name: onnxruntime.InferenceSession(repository / name / "1" / "model.onnx")
            for name in self.configurations
        }
        self.open = {}
        self.calls = []
        self.down = False

    def infer(self, name, feeds, wanted, sequence_id=0, sequence_start=False, sequence_end=False):
        self.calls.append((name, sequence_id, sequence_start, sequence_end))
        config, session = self.configurations[name], self.sessions[name]
        states = list(config.sequence_batching.state)
        for port in config.input:
            assert feeds[port.name].dtype == NUMPY[type_name(port)]
            assert list(feeds[port.name].shape) == list(port.dims)
        assert set(feeds) == {port.name for port in config.input}
        if states and sequence_start:
            self.open[name, sequence_id] = {
                state.input_name: np.zeros(state.dims, NUMPY[type_name(state)]) for state in states
            }
        elif states and (name, sequence_id) not in self.open:
            raise FakeError(
                f"inference request for sequence {sequence_id} to model must specify start"
            )
        kept = self.open.get((name, sequence_id), {})
        outputs = [*wanted, *(state.output_name for state in states)]
        answer = dict(zip(outputs, session.run(outputs, {**feeds, **kept}), strict=True))
        for state in states:
            kept[state.input_name] = answer[state.output_name]
        if sequence_end:
            del self.open[name, sequence_id]
        return answer


def install(monkeypatch, server: FakeServer) -> None:
    """Put a stand-in for tritonclient in its place."""

    class InferenceServerClient:
        def __init__(self, url):
            self.url = url

        def get_model_config(self, name, client_timeout):
            if server.down:
                raise FakeError("failed to connect\nto all addresses")
            if name not in server.configurations:
                raise FakeError(f"Request for unknown model: '{name}' is not found")
            return SimpleNamespace(config=server.configurations[name])

        def infer(self, name, inputs, outputs, client_timeout, **sequence):
            if server.down:
                raise FakeError("failed to connect\nto all addresses")
            feeds = {tensor.name: tensor.value for tensor in inputs}
            answer = server.infer(name, feeds, outputs, **sequence)
            return SimpleNamespace(as_numpy=answer.__getitem__)

    class InferInput:
        def __init__(self, name, shape, datatype):
            self.name, self.shape, self.datatype = name, shape, datatype

        def set_data_from_numpy(self, value):
            assert list(value.shape) == self.shape
            assert NUMPY[f"TYPE_{self.datatype}"] == value.dtype
            self.value = value

    grpc, utils = ModuleType("tritonclient.grpc"), ModuleType("tritonclient.utils")
    grpc.InferenceServerClient, grpc.InferInput = InferenceServerClient, InferInput
    grpc.InferRequestedOutput = lambda name: name
    utils.InferenceServerException = FakeError
    for module in (ModuleType("tritonclient"), grpc, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def publish_free_batch(folder):
    """A model whose batch is free: it doubles its audio."""
    from onnx import helper

    from amt_export.manifest import Port
    from support.runtime import onnx_model, publish

    audio = Port("audio", ("batch", "time"), "Pa", shape=(None, 64))
    out = Port("twice", ("batch", "time"), "Pa", shape=(None, 64))
    model = onnx_model([helper.make_node("Add", ["audio", "audio"], ["twice"])], [audio], [out])
    return publish(folder, model, warm_up=0, batch="dynamic", inputs=(audio,), outputs=(out,))


def python_model(repository, name, monkeypatch):
    """The generated `model.py`, as the Python backend calls it: a function of a sequence's ID and its inputs.

    It returns the outputs, or the text of the error.
    """
    backend = ModuleType("triton_python_backend_utils")
    backend.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
    backend.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
    backend.Tensor = lambda name, value: SimpleNamespace(name=name, as_numpy=lambda: value)
    backend.TritonError = str
    backend.InferenceResponse = lambda output_tensors=(), error=None: (output_tensors, error)
    backend.get_input_tensor_by_name = lambda request, name: backend.Tensor(
        name, request.feeds[name]
    )
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    namespace = {}
    path = repository / name / "1" / "model.py"
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), namespace)
    model = namespace["TritonPythonModel"]()
    config = configurations(repository)[name]
    model.initialize(
        {
            "model_config": json_format.MessageToJson(config, preserving_proto_field_name=True),
            "model_repository": str(repository / name),
            "model_version": "1",
        }
    )

    def execute(identity, feeds, start=False, end=False):
        request = SimpleNamespace(
            feeds=feeds, correlation_id=lambda: identity, flags=lambda: start + 2 * end
        )
        ((tensors, error),) = model.execute([request])
        return error or [tensor.as_numpy() for tensor in tensors]

    return execute
