"""The streaming form of any module: one block and the states in, outputs and the next states out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_export.modules.base import AuditoryModule


class StreamForm(nn.Module):
    """A frozen module whose states are arguments and results, to be captured like any other.

    Parameters
    ----------
    module : AuditoryModule
    block : int
        Samples of a call, N.
    shape : sequence of int
        Of the module's audio input; its last size is replaced by N.
    float64 : bool, optional
        Whether it may compute in float64 between inputs and outputs, see `AuditoryModule.frozen`.

    Attributes
    ----------
    input_names, output_names : tuple of str
        Published names: the audio, then ``state_...``; the outputs, then ``next_state_...``.

    Shape
    -----
    audio (B, N) or (B, 2, N) and the states -> outputs of these N samples and the next states.

    Raises
    ------
    ValueError
        If the module has no such streaming form.
    """

    def __init__(
        self, module: AuditoryModule, block: int, shape: tuple[int, ...], float64: bool = True
    ) -> None:
        super().__init__()
        self.module = module.frozen(stream=block, float64=float64)
        self.shape = (*shape[:-1], block)
        self.meanings = tuple(state.meaning for state in module.states)
        names = [f"state_{state.name}" for state in module.states]
        self.input_names = (module.input_ports[0].name, *names)
        self.output_names = (
            *(port.name for port in module.output_ports),
            *(f"next_{name}" for name in names),
        )
        self.eval()

    def rest(self) -> tuple[Tensor, ...]:
        """States before the first block."""
        return tuple(self.module.rest(self.shape[0]))

    @property
    def widens(self) -> bool:
        """Whether it computes in float64 what comes and goes in float32."""
        inner = any(buffer.dtype == torch.float64 for buffer in self.buffers())
        return inner and self.rest()[0].dtype != torch.float64

    def silence(self) -> tuple[Tensor, ...]:
        """A block of silence and the states before it: arguments of `forward`."""
        states = self.rest()
        return (states[0].new_zeros(self.shape), *states)

    def forward(self, audio: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Go on by one block; see `AuditoryModule.step`."""
        outputs, following = self.module.step(audio, list(states))
        return (*outputs, *following)

    @torch.no_grad()
    def run(self, audio: Tensor) -> tuple[Tensor, ...]:
        """Stream a signal of whole blocks from silence; outputs joined along their course in time.

        Parameters
        ----------
        audio : Tensor [shape=(B, K * N) or (B, 2, K * N)]
        """
        states = self.rest()
        ports = self.module.output_ports
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
