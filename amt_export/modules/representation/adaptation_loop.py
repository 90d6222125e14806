"""One adaptation loop, solved by sweeps over the whole signal in place of a loop over samples."""

import math
from typing import Final, Tuple

import torch
from torch import Tensor, nn

from amt_export.recurrence.one_pole import OnePole

# Far below any state in the loops' own units, which is 1e-7 or more at rest. Every guess is kept above it, so
# that a check of the graph can see that nothing is divided by 0.
LEAST = 1e-20


class AdaptationLoop(nn.Module):
    """Division of a signal by its own low-passed quotient, which is limited at onsets.

        v[t] = u[t] / s[t],   y = L(v) = min(v, 1 + M tanh((v - 1) / M)),   s[t+1] = a s[t] + b y[t]

    Given a guess of s, its square q = s^2 obeys a linear recursion with a constant pole, q[t+1] = a^2 q[t] + N,
    N = b y (2 a s + b y),  and all samples of it are one pass of `OnePole`. The new q is the next guess. The
    error of log q at least halves with each pass, and in steady sounds it nearly vanishes; after a fixed number
    of passes it is below float32's precision.

    All is computed in units that take no operator and lose no digits: Q = q (2 a / (b M))^2 and
    U = u 2 a / (b M^2), so that

        sigma = sqrt(Q),   V = U / sigma,   l = min(V, 1/M + tanh(V - 1/M))
        Q[t+1] = a^2 (Q[t] + 4 l (sigma + l))

    and y = M l. All terms are positive, so that the error of float32 is relative at every level.

    Parameters
    ----------
    decay : float
        -log a.
    limits : Tensor [shape=(F, 1)] or None
        M of each channel; None for a loop without a limiter.
    sweeps : int
        Passes after the first guess.
    from_state : bool
        Take the state before the signal as the first guess of s, as short blocks of a stream do. Otherwise it
        is what s would be if no v were above 1.
    block, blocks, like
        See `OnePole`.
    """

    input_scale: Tensor
    state_scale: Tensor
    knee: Tensor
    limits: Tensor
    limited: Final[bool]
    sweeps: Final[int]
    from_state: Final[bool]

    def __init__(
        self,
        decay: float,
        limits: Tensor | None,
        sweeps: int,
        from_state: bool,
        block: int,
        blocks: int,
        like: Tensor,
    ) -> None:
        super().__init__()
        self.limited = limits is not None
        self.least = LEAST  # TorchScript reads no globals
        self.sweeps, self.from_state = sweeps, from_state
        heights = torch.ones(1, 1, dtype=torch.float64) if limits is None else limits
        pole, gain = math.exp(-decay), -math.expm1(-decay)
        for name, value in (
            ("input_scale", (2.0 * pole / (gain * heights**2))[:, :, None]),
            ("state_scale", 2.0 * pole / (gain * heights)),
            ("knee", (1.0 / heights)[:, :, None]),
            ("limits", heights[:, :, None]),
        ):
            self.register_buffer(name, value.to(like), persistent=False)
        self.one_pole = OnePole(2.0 * decay, 4.0 * pole**2, block, blocks, like)

    def root(self, squared: Tensor) -> Tensor:
        """The square root, above 0."""
        return torch.sqrt(torch.clamp(squared, min=self.least))

    def quotient(self, scaled: Tensor, sigma: Tensor) -> Tensor:
        """l: the limited quotient in units of M."""
        v = scaled / sigma
        if self.limited:
            return torch.minimum(v, self.knee + torch.tanh(v - self.knee))
        return v

    @torch.jit.unused
    def guesses(self, u: Tensor, state: Tensor, sweeps: int) -> tuple[list[Tensor], Tensor]:
        """All guesses of the scaled state in the course of so many sweeps, and what comes out then.

        Parameters
        ----------
        u, state
            As `forward` takes them.
        sweeps : int

        Returns
        -------
        guesses : list of Tensor [shape=(B, F, K, L)]
        y : Tensor [shape=(B, F, K, L)]
        """
        scaled = u * self.input_scale
        start = (state * self.state_scale).square()
        tables = self.one_pole.tables(u.shape[2])
        terms, found = scaled, list[Tensor]()
        for _ in range(sweeps + 1):
            found.append(torch.sqrt(self.one_pole(terms, tables, start)[0]))
            y = self.quotient(scaled, found[-1])
            terms = y * (found[-1] + y)
        return found, self.limits * y

    def forward(self, u: Tensor, state: Tensor) -> Tuple[Tensor, Tensor]:
        """Adapt.

        Parameters
        ----------
        u : Tensor [shape=(B, F, K, L)]
            In blocks, above 0.
        state : Tensor [shape=(B, F, 1)]
            s before the first sample, above 0.

        Returns
        -------
        y : Tensor [shape=(B, F, K, L)]
        state : Tensor [shape=(B, F, 1)]
            After the last sample.
        """
        scaled = u * self.input_scale
        start = state * self.state_scale
        start = start * start
        tables = self.one_pole.tables(u.shape[2])
        following = start
        sigma = self.root(start).unsqueeze(3)
        if not self.from_state:
            squared, following = self.one_pole(scaled, tables, start)
            sigma = self.root(squared)
        for _ in range(self.sweeps):
            y = self.quotient(scaled, sigma)
            squared, following = self.one_pole(y * (sigma + y), tables, start)
            sigma = self.root(squared)
        after = torch.sqrt(following) / self.state_scale
        return self.limits * self.quotient(scaled, sigma), after
