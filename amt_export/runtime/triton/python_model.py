"""A model in Triton's Python backend: onnxruntime runs `model.onnx`, which lies beside this file.

The manifest of the model is a parameter of its configuration. Where the configuration has sequences, the states
of each one stay here, from block to block; else they are among the inputs and outputs.
"""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

MANIFEST = "amt_export.manifest"


class TritonPythonModel:
    """What Triton calls; the names of the methods are its own."""

    def initialize(self, args):
        """Open the model."""
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # instances share the processors out
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(path, options, providers=providers)
        self.inputs = [port["name"] for port in config["input"]]
        self.outputs = [port["name"] for port in config["output"]]
        self.batched = config.get("max_batch_size", 0) > 0
        self.states = []
        self.sequences = OrderedDict()  # states by correlation ID, the longest idle one first
        batching = config.get("sequence_batching")
        if batching:
            manifest = json.loads(config["parameters"][MANIFEST]["string_value"])
            states = manifest["stream"]["states"]
            self.states = [state for state in states if state["input"] not in self.inputs]
            self.most = int(batching["oldest"]["max_candidate_sequences"])

    def execute(self, requests):
        """Answer requests; of one sequence there is one at a time."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        """Run one request; what is wrong with it is its own error."""
        try:
            feeds = {
                name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in self.inputs
            }
            if self.states:
                feeds.update(self.state_of(request))
            names = self.outputs + [state["output"] for state in self.states]
            values = self.session.run(names, feeds)
        except Exception as error:  # noqa: BLE001, the server goes on with other requests
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        if self.states:
            self.keep(request, values[len(self.outputs) :])
        tensors = [
            pb_utils.Tensor(name, np.ascontiguousarray(value))
            for name, value in zip(self.outputs, values, strict=False)
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def state_of(self, request):
        """Return the states of a request's sequence."""
        identity = request.correlation_id()
        if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
            self.sequences.pop(identity, None)
            return {
                state["input"]: np.full(
                    [1 if size is None else size for size in state["shape"]],
                    state.get("initial", 0.0),
                    state.get("dtype", "float32"),
                )
                for state in self.states
            }
        if identity not in self.sequences:
            raise ValueError(f"sequence {identity} has not begun, or was idle for too long")
        return self.sequences[identity]

    def keep(self, request, values):
        """Keep the next states, or drop them with the last block of a sequence."""
        identity = request.correlation_id()
        if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
            self.sequences.pop(identity, None)
            return
        names = [state["input"] for state in self.states]
        self.sequences[identity] = dict(zip(names, values, strict=True))
        self.sequences.move_to_end(identity)
        # Triton does not say which sequences it has dropped; those in use are younger than they are.
        while len(self.sequences) > self.most:
            self.sequences.popitem(last=False)
