"""Modules that cut audio into frames: their stream keeps the samples that the next frames look back to."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.manifest.ports import State
from amt_export.modules.base import AuditoryModule


class FramedModule(AuditoryModule):
    """A module with one frame per hop, each of which depends on a stretch of the audio."""

    states: ClassVar[tuple[State, ...]] = (
        State("samples", "the audio before this block, in the unit of the input"),
    )

    def lead_frames(self) -> int:
        """Frames that begin before the audio does."""
        return -(-self.look_ahead() // self.hop())

    def latency(self) -> int:
        """Samples after a frame's position that the stream needs: whole hops."""
        return self.lead_frames() * self.hop()

    def history_samples(self) -> int:
        """Samples before a block that its frames depend on."""
        return self.latency()

    def stream_frames(self, heard: Tensor, frames: int) -> List[Tensor]:
        """Outputs of one block.

        Parameters
        ----------
        heard : Tensor [shape=(B, past + N) or (B, 2, past + N)]
            The past and the block.
        frames : int
            N / hop.
        """
        raise NotImplementedError

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole hops.

        Raises
        ------
        ValueError
            Otherwise.
        """
        if block % self.hop():
            raise ValueError(f"the block must be a multiple of the hop, {self.hop()} samples")

    def initial_states(self, batch: int) -> List[Tensor]:
        """Silence before the first block."""
        like = next(buffer for buffer in self.buffers() if buffer.is_floating_point())
        ears = [2] if "ear" in self.input_ports[0].axes else []
        return [like.new_zeros([batch, *ears, self.history_samples()])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """One frame per hop; see `AuditoryModule.step`."""
        heard = torch.cat([states[0], audio], dim=-1)
        samples = audio.shape[-1]
        return self.stream_frames(heard, samples // self.hop()), [heard[..., samples:]]
