"""What the tests of model files share: modules that do nothing, and a good file for one of them."""

import inspect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import ClassVar, Literal


def port(name, *axes):
    return SimpleNamespace(name=name, axes=axes)


class Filterbank:
    input_ports: ClassVar = (port("audio", "batch", "time"),)

    def __init__(
        self,
        fc: "list[float] | tuple[float, float]",
        fs: float,
        n: int = 4,
        betamul: float | None = None,
        learnable: bool = False,
        dtype: str = "float32",
        implementation: Literal["sos", "poly"] = "sos",
        window_lengths: Sequence[int] | None = None,
        options: dict | None = None,
    ): ...

    def forward(self, audio): ...


class Fast(Filterbank):
    def __init__(self, *args, ir_length: int = 4096, **kwargs): ...


Fast.__signature__ = inspect.Signature(
    [
        *inspect.signature(Filterbank, eval_str=True).parameters.values(),
        inspect.Parameter(
            "ir_length", inspect.Parameter.KEYWORD_ONLY, default=4096, annotation=int
        ),
    ]
)


class Integration:
    input_ports: ClassVar = (port("psd", "batch", "frame", "bin"), port("freqs", "bin"))
    baked_inputs: ClassVar = ("freqs",)

    def __init__(self, fs: float = 32000): ...

    def forward(self, psd, freqs): ...


class Pair:
    input_ports: ClassVar = (port("freqs", "batch", "n"), port("levels", "batch", "n"))

    def forward(self, freqs, levels): ...


MODULES = {kind.__name__: kind for kind in (Filterbank, Fast, Integration, Pair)}

GOOD = """
[model]
name = "bank"
module = "Filterbank"
description = "a bank"
[parameters]
fc_range = [100, 8000.0]
fs = 16000
[inputs]
audio = [1, 16000]
[export]
formats = ["onnx", "torchscript"]
precision = "float32"
[stream]
block = 512
[parity]
onnx = 3e-6
"""


def minimal(module, inputs, parameters=""):
    return (
        f'[model]\nname = "bank"\nmodule = "{module}"\ndescription = "d"\n'
        f"[parameters]\n{parameters}\n[inputs]\n{inputs}\n"
    )
