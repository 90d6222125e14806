"""Forms that are captured and exported: a frozen module for whole signals, or for one block of a stream.

Inputs and outputs are float32 whatever the module computes in; a module in float64 computes in double
between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_export.manifest.ports import stream_outputs
from amt_export.modules.base import AuditoryModule


class WholeForm(nn.Module):
    """A frozen module between float32 inputs and outputs.

    Parameters
    ----------
    module : AuditoryModule
        Frozen, in float32 or float64.

    Shape
    -----
    The module's inputs -> a tuple of its outputs.
    """

    def __init__(self, module: AuditoryModule) -> None:
        super().__init__()
        self.module = module
        self.eval()

    def forward(self, audio: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Run the module, which casts its inputs itself."""
        results = self.module(audio, *others)
        outputs = (results,) if isinstance(results, Tensor) else results
        return tuple(output.to(audio.dtype) for output in outputs)


class StreamForm(nn.Module):
    """A frozen module whose states are arguments and results.

    Parameters
    ----------
    module : AuditoryModule
    block : int
        Samples of a call, N.
    shape : sequence of int
        Of the module's audio input; its last size is replaced by N.

    Attributes
    ----------
    ports : tuple of Port
        Outputs of a block, without the states.
    input_names, output_names : tuple of str
        Published names: the audio, then ``state_...``; the outputs, then ``next_state_...``.

    Shape
    -----
    audio (B, N) or (B, 2, N) and the states -> outputs of these N samples and the next states. The states have
    the module's dtype.

    Raises
    ------
    ValueError
        If the module has no such streaming form.
    """

    def __init__(self, module: AuditoryModule, block: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module = module.freeze(stream=block)
        self.shape = (*shape[:-1], block)
        self.module.prepare_for_shape(shape)
        self.meanings = tuple(state.meaning for state in module.states)
        names = [f"state_{state.name}" for state in module.states]
        self.input_names = (module.input_ports[0].name, *names)
        self.ports = stream_outputs(module.output_ports)
        self.output_names = (
            *(port.name for port in self.ports),
            *(f"next_{name}" for name in names),
        )
        self.eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """States before the first block."""
        return tuple(self.module.initial_states(self.shape[0]))

    def silence(self) -> tuple[Tensor, ...]:
        """A block of silence and the states before it: arguments of `forward`."""
        return (torch.zeros(self.shape), *self.initial_states())

    def forward(self, audio: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Take one block; see `AuditoryModule.step`."""
        outputs, following = self.module.step(audio.to(states[0].dtype), list(states))
        return (*(output.to(audio.dtype) for output in outputs), *following)

    @torch.no_grad()
    def run(self, audio: Tensor) -> tuple[Tensor, ...]:
        """Stream a signal of whole blocks from silence; outputs joined along their time axis.

        Parameters
        ----------
        audio : Tensor [shape=(B, K * N) or (B, 2, K * N)]
        """
        states = self.initial_states()
        ports = self.ports
        pieces: list[list[Tensor]] = [[] for _ in ports]
        for block in torch.split(audio, self.shape[-1], dim=-1):
            results = self(block, *states)
            states = results[len(ports) :]
            for piece, result in zip(pieces, results, strict=False):
                piece.append(result)
        joined = []
        for port, piece in zip(ports, pieces, strict=True):
            axis = next((i for i, name in enumerate(port.axes) if name in ("time", "frame")), None)
            joined.append(piece[0] if axis is None else torch.cat(piece, dim=axis))
        return tuple(joined)
