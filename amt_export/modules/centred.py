"""Modules with centred frames: two states of the stream say where the signal begins and ends."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.manifest.ports import BEYOND_END, ELAPSED, State
from amt_export.modules.framed import FramedModule

# Samples that a state counts to: float32 holds it without rounding, and no frame reaches that far back.
FAR = float(2**20)

END = State(BEYOND_END, "samples of this block after the end of the signal; 0 before the end")


def samples_beyond(beyond: Tensor, block: int, far: float = FAR) -> Tensor:
    """The state that says how many samples of a block lie after the end of the signal, one block later."""
    ended = torch.clamp(beyond, 0.0, 1.0)
    return torch.clamp((beyond + block) * ended, -far, far)


class CentredModule(FramedModule):
    """A module whose frames are centred, and are means of shorter ones that have their centres in the signal.

    Two more states say where the signal begins and ends. Zeros mean that it begins with the first block and has
    no end. A caller may mirror the audio at both ends, as the whole form does, and set these states
    accordingly.
    """

    states: ClassVar[tuple[State, ...]] = (
        *FramedModule.states,
        State(ELAPSED, "samples of the signal before this block; negative where it begins later"),
        END,
    )

    def initial_states(self, batch: int) -> List[Tensor]:
        """Silence, and a signal that begins with the first block."""
        samples = super().initial_states(batch)[0]
        return [samples, samples.new_zeros([batch, 1]), samples.new_zeros([batch, 1])]

    def centred_frames(
        self, heard: Tensor, frames: int, before: Tensor, beyond: Tensor
    ) -> List[Tensor]:
        """Outputs of one block.

        Parameters
        ----------
        heard : Tensor [shape=(B, past + N)]
            The past and the block.
        frames : int
            N / hop.
        before, beyond : Tensor [shape=(B, 1)], samples
            The states.
        """
        raise NotImplementedError

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """One frame per hop; see `AuditoryModule.step`."""
        samples, before, beyond = states
        block = audio.shape[-1]
        heard = torch.cat([samples, audio], dim=-1)
        outputs = self.centred_frames(heard, block // self.hop(), before, beyond)
        return outputs, [
            heard[..., block:],
            torch.clamp(before + block, -FAR, FAR),
            samples_beyond(beyond, block),
        ]
