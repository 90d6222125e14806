"""Rows of samples times columns of cosines, with sums that round once; see `design.compensated`."""

import math
from typing import Tuple

import torch
from torch import Tensor, nn

from amt_export.design.compensated import SHIFT, Exact, parts


def row_peak(x: Tensor) -> Tensor:
    """Largest magnitude of each row (..., n), (..., 1)."""
    return torch.amax(torch.abs(x), dim=-1, keepdim=True)


def cut_rows(x: Tensor, peak: Tensor, shift: float = SHIFT) -> Tuple[Tensor, Tensor]:
    """Head and rest of x (..., n), each row on the grid of its own `peak`: soft frames count too."""
    step = shift * peak
    head = (x + step) - step
    return head, x - head


class PreciseColumns(nn.Module):
    """Keeper of a matrix in two parts, and the product with it.

    What a window leaves of a tone outside its band is a thousandth of the tone, and the sums on the
    way are as large as the tone: rounded at every step, they are wrong by 1e-3 dB where a component
    is 60 dB below the loudest.
    """

    head: Tensor
    rest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Hold nothing."""
        for name in ("head", "rest"):
            self.register_buffer(name, torch.zeros(1, 1), persistent=False)

    def design(self, columns: Tensor, like: Tensor) -> None:
        """Cut float64 columns (n, m); dtype and device are those of `like`."""
        peak = float(columns.abs().max())
        # `parts` cuts numbers up to 1. A power of two is taken out and put back without rounding.
        unit = 2.0 ** math.ceil(math.log2(peak)) if 0.0 < peak < math.inf else 1.0
        cut = parts(columns / unit, like.dtype)
        for name, part in (("head", cut.head), ("rest", cut.rest)):
            self.register_buffer(name, (unit * part).to(like.device), persistent=False)

    def forward(self, head: Tensor, rest: Tensor) -> Exact:
        """Rows head + rest (..., n) times the columns, (..., m) as the sum of two."""
        if self.head.shape[0] < self.head.shape[1]:  # joining the narrow rows is less than adding
            both = torch.cat([self.head + self.rest, self.rest])
            return Exact(head @ self.head, torch.cat([rest, head], dim=-1) @ both)
        mixed = rest @ (self.head + self.rest) + head @ self.rest
        return Exact(head @ self.head, mixed)
