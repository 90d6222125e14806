"""What the tests of Core ML packages share: building small ones, and changing saved ones."""

from __future__ import annotations

import contextlib
import io
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from amt_export.coreml_interpreter import OPERATIONS, Interpreter, open_package
from amt_export.coreml_interpreter.signature import Values
from amt_export.errors import ArtifactError
from amt_export.export import capture
from amt_export.export.coreml import export_coreml
from amt_export.manifest import METADATA_KEY
from amt_export.model_file import load_spec
from amt_export.modules.base import AuditoryModule
from amt_export.publish import publish
from amt_export.verify.parity.cases import cases_of, eager_runner, suite_inputs
from amt_export.verify.parity.check import VECTOR_SIGNALS
from amt_export.verify.parity.compare import Case, Variant, compare

with contextlib.redirect_stderr(io.StringIO()):
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types
    from coremltools.proto import Model_pb2

TYPES = {"float32": types.fp32, "int32": types.int32, "bool": types.bool}
TOLERANCE = {"relative": 1e-5, "db": 1e-3, "frequency": 0.0}  # those of the model files


TWO_WINDOWS = """
[model]
name = "small"
module = "MultiResolutionFFT"
description = "two windows"
[parameters]
window_lengths = [256, 128]
[inputs]
audio = [1, 2000]
[export]
formats = {formats}
"""


def publish_two_windows(folder: Path, *formats: str) -> Path:
    """Publish a spectrum in some formats; its model file lies beside the folder that is returned."""
    path = folder / "small.toml"
    path.write_text(TWO_WINDOWS.format(formats=list(formats)))
    publish(load_spec(path), folder)
    return folder / "small"


def save_program(package: Path, build: Callable[..., Sequence[Any]], **inputs: np.ndarray) -> Path:
    """Save what `build` makes of placeholders for `inputs` with coremltools' builder `mb`.

    No pass of the converter touches it: what is built is what is saved. Its outputs are y0, y1, ...
    """
    specs = [mb.TensorSpec(v.shape, dtype=TYPES[str(v.dtype)]) for v in inputs.values()]

    def body(*variables):
        results = build(*variables)
        return tuple(mb.identity(x=value, name=f"y{i}") for i, value in enumerate(results))

    # The builder reads the names of the inputs off the function.
    names = ", ".join(inputs)
    scope = {"body": body}
    exec(f"def program({names}):\n    return body({names})", scope)
    with contextlib.redirect_stderr(io.StringIO()):
        program = mb.program(input_specs=specs, opset_version=ct.target.iOS16)(scope["program"])
        converted = ct.convert(
            program,
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS16,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
    converted.save(str(package))
    return package


def run_program(
    package: Path, build: Callable[..., Sequence[Any]], **inputs: np.ndarray
) -> list[np.ndarray]:
    """Save a program, open it again, and evaluate it."""
    found = Interpreter(save_program(package, build, **inputs)).run(inputs)
    return [found[f"y{i}"] for i in range(len(found))]


def call(kind: str, **arguments: Any) -> Any:
    """Evaluate one operation on arguments as a program would give them: all of them arrays."""
    operation = OPERATIONS[kind]
    operation.check_names(arguments)
    arrays = {
        name: [np.asarray(v) for v in (value if operation.hints[name] == Values else [value])]
        for name, value in arguments.items()
    }
    converted = {name: operation.convert(name, values) for name, values in arrays.items()}
    operation.check_types(converted)
    return operation.function(**converted)


@contextmanager
def edited(package: Path) -> Iterator[Any]:
    """The model of a saved package, to be changed; written back at the end."""
    path = open_package(package).specification
    model = Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    yield model
    path.write_bytes(model.SerializeToString())


def block_of(model: Any) -> Any:
    function = model.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def constants(model: Any) -> dict[str, Any]:
    """Name to value of the constants of a program."""
    return {
        operation.outputs[0].name: operation.attributes["val"]
        for operation in block_of(model).operations
        if operation.type == "const"
    }


def argument(model: Any, operation: Any, parameter: str) -> Any:
    """The constant that an operation takes for a parameter."""
    return constants(model)[operation.inputs[parameter].arguments[0].name]


def weight_file(package: Path) -> Path:
    return open_package(package).specification.parent / "weights" / "weight.bin"


def numbers(value: Any) -> Any:
    """The elements of a constant that is written out in the specification, to be changed."""
    tensor = value.immediateValue.tensor
    return getattr(tensor, tensor.WhichOneof("value")).values


class Proven:
    """A real model as a package, and what eager torch answers to signals that every channel hears.

    Parameters
    ----------
    module : AuditoryModule
    shapes : dict
        Input name to static shape.
    folder : Path
        Where to put the package.
    """

    def __init__(
        self, module: AuditoryModule, shapes: dict[str, tuple[int, ...]], folder: Path
    ) -> None:
        frozen = module.freeze(next(iter(shapes.values()))[-1])
        self.ports = frozen.output_ports
        self.package = folder / "model.mlpackage"
        names = tuple(port.name for port in self.ports)
        inputs = tuple(torch.zeros(shape) for shape in shapes.values())
        program = capture(frozen, inputs, tuple(shapes), names)
        export_coreml(program, self.package, {METADATA_KEY: "{}"})
        signals = suite_inputs(frozen, shapes)
        self.cases: list[Case] = cases_of(
            {name: signals[name] for name in VECTOR_SIGNALS},
            eager_runner(frozen, names),
            "float32",
        )

    def copy(self, folder: Path) -> Path:
        """A copy that may be damaged, in the place of the last one."""
        target = folder / "copy.mlpackage"
        shutil.rmtree(target, ignore_errors=True)
        return Path(shutil.copytree(self.package, target))

    def worst(self, package: Path) -> dict[str, float]:
        """The largest difference of each output of a package, as parity measures it."""
        version = Variant("coreml", "whole", "numpy", "interpreter")
        rows = compare(Interpreter(package).run, self.cases, self.ports, version, TOLERANCE)
        return {row.output: row.worst for row in rows}

    def outcome(self, package: Path) -> str:
        """What becomes of a changed package: "passes", "differs", or "refused" by the interpreter."""
        try:
            worst = self.worst(package)
        except ArtifactError:
            return "refused"
        limits = {port.name: TOLERANCE[port.kind] for port in self.ports}
        return "passes" if all(worst[name] <= limits[name] for name in limits) else "differs"


def exported(module: nn.Module, package: Path, *inputs: torch.Tensor) -> Interpreter:
    """Export a plain torch module as the product does, and open the package."""
    names = tuple(f"x{i}" for i in range(len(inputs)))
    export_coreml(capture(module.eval(), inputs, names, ("y",)), package, {})
    return Interpreter(package)


def change_weight(package: Path, offset: int, share: float) -> bool:
    """Change the largest float of one blob; False if there is none but zeros."""
    path = weight_file(package)
    data = bytearray(path.read_bytes())
    _, kind, size, start, _ = struct.unpack_from("<IIQQQ", data, offset)
    assert kind == 2
    values = np.frombuffer(data, "<f4", size // 4, start)
    largest = int(np.abs(values).argmax())
    if values[largest] == 0.0:
        return False
    values[largest] *= np.float32(1.0 + share)
    path.write_bytes(data)
    return True
