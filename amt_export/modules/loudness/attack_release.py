"""Smoothing with one speed for rising and a slower one for falling, without a loop over frames."""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.modules.constant import ConstantModule
from amt_export.modules.levels import propagate_nan
from amt_export.numerics.blocks import block_count, pad_end

# Keeps a state that decays in silence from becoming a denormal number, which is slow.
TINY = 1e-30


class AttackRelease(ConstantModule):
    """S_t = S_(t-1) + a (x_t - S_(t-1)), with a = attack where x_t > S_(t-1), else release; from 0.

    As attack > release this is the larger of two rising lines of S. A block of K frames is therefore the
    largest of K + 1 lines of S, for m = 0 ... K attacks among them: their slopes
    (1 - attack)^m (1 - release)^(K - m) are constants, whatever the order, and their offsets follow from the
    frames. So blocks are prepared together, S is carried from block to block, and then all frames inside are
    found together.

    Parameters
    ----------
    attack, release : float
        Per frame; 1 > attack > release > 0.
    block : int
        K.
    dtype : torch.dtype

    Shape
    -----
    x (B, 2, S, C) -> the same.

    Examples
    --------
    >>> import torch
    >>> AttackRelease(0.5, 0.25, 2)(torch.tensor([8.0, 8.0, 0.0]).reshape(1, 1, 3, 1)).flatten()
    tensor([4.0000, 6.0000, 4.5000])
    """

    slopes: Tensor

    def __init__(
        self, attack: float, release: float, block: int, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(dtype)
        self.attack, self.release, self.block = attack, release, block
        self.tiny = TINY  # TorchScript reads no globals
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the slopes of the lines."""
        m = torch.arange(self.block + 1, dtype=torch.float64)
        slopes = (1.0 - self.attack) ** m * (1.0 - self.release) ** (self.block - m)
        self.set_table("slopes", slopes.reshape(-1, 1))

    def following(self, state: Tensor, x: Tensor) -> Tensor:
        """One frame later."""
        change = x - state
        return state + torch.maximum(self.attack * change, self.release * change)

    def forward(self, x: Tensor) -> Tensor:
        """Smooth a whole course (B, 2, S, C) from silence."""
        batch, ears, frames, channels = x.shape
        count = block_count(frames, self.block)
        padded = pad_end(x, count * self.block - frames, 2)
        blocks = padded.reshape(batch, ears, count, self.block, channels)
        steps: List[Tensor] = []  # frame i of every block, (B, 2, count, C)
        for i in range(self.block):
            steps.append(blocks[:, :, :, i])
        starts = torch.cat(self.block_starts(self.offsets(steps)), dim=2)
        inside: List[Tensor] = []
        state = starts
        for i in range(self.block):
            state = self.following(state, steps[i])
            inside.append(state)
        joined = torch.stack(inside, dim=3).reshape(batch, ears, count * self.block, channels)
        return joined[:, :, :frames]

    def offsets(self, steps: List[Tensor]) -> Tensor:
        """Offsets (B, 2, count, K + 1, C) of the lines of each block, from its frames."""
        lines = torch.stack([self.release * steps[0], self.attack * steps[0]], dim=3)
        for i in range(1, len(steps)):
            step = steps[i].unsqueeze(3)
            attacked = lines * (1.0 - self.attack) + self.attack * step
            released = lines * (1.0 - self.release) + self.release * step
            between = torch.maximum(attacked[:, :, :, :-1], released[:, :, :, 1:])
            lines = torch.cat([released[:, :, :, :1], between, attacked[:, :, :, -1:]], dim=3)
        return lines

    def block_starts(self, offsets: Tensor) -> List[Tensor]:
        """State (B, 2, 1, C) before each block."""
        state = torch.zeros_like(offsets[:, :, 0, :1])
        states: List[Tensor] = []
        for k in range(offsets.shape[2]):
            states.append(state)
            # Over the third axis: some ONNX engines do not support a maximum over the first two.
            state = (self.slopes * state + offsets[:, :, k]).amax(2, keepdim=True)
        return states

    def step(self, x: Tensor, state: Tensor) -> Tuple[Tensor, Tensor]:  # type: ignore[override]
        """Smooth the frames of a block of a stream.

        Parameters
        ----------
        x : Tensor [shape=(B, 2, S, C)]
        state : Tensor [shape=(B, 2, C)]
            Before them.

        Returns
        -------
        smoothed : Tensor [shape=(B, 2, S, C)]
        state : Tensor [shape=(B, 2, C)]
        """
        states: List[Tensor] = []
        for i in range(x.shape[2]):
            state = self.following(state, x[:, :, i])
            states.append(state)
        carried = propagate_nan(torch.clamp(state - self.tiny, min=0.0), state)
        return torch.stack(states, dim=2), carried
