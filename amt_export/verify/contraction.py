"""Convergence of the sweeps of adaptation loops, measured once for every model."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor

from amt_export.errors import SpecError
from amt_export.modules.base import AuditoryModule
from amt_export.modules.representation.adaptation import AdaptationLoops
from amt_export.modules.representation.adaptation_loop import AdaptationLoop
from amt_export.numerics.blocks import from_blocks, to_blocks

# Largest share of the logarithmic error of the state that a sweep may leave. The theory says a half but for the
# first samples of an onset; 0.41 is the largest that was ever measured.
LIMIT = 0.5
# Errors below this are rounding of float64, and say nothing of the next sweep.
NEGLIGIBLE = 1e-10
# The solution is found when a sweep changes nothing above this. The error left is then as small, and cannot be
# seen in a share: it is a thousandth of what is negligible.
STANDSTILL = 1e-13
# Sweeps that are tried: most loops are solved after the few, and the many leave nothing even at the limit.
FEW, MANY = 20, 60
SECONDS = 0.25
# Above the minimum level in dB, where a level of 1 is at most.
STEP, CLICK = 60.0, 100.0


def onset_inputs(loops: AdaptationLoops) -> Tensor:
    """Steps of 60 dB every 50 ms and clicks of 100 dB, from silence, for each minimum level.

    Returns
    -------
    Tensor [shape=(2, F, T)], float64
        None is above 1, the level of the loudest sound.
    """
    samples = int(SECONDS * loops.fs)
    time = torch.arange(samples, dtype=torch.float64) / loops.fs
    minimum = loops.minlvl[:, None]
    on = (time * 20.0).floor() % 2 == 1
    step = torch.where(on, 10.0 ** (STEP / 20.0), 1.0) * minimum
    at = (time * loops.fs).round() % round(0.1 * loops.fs) == round(0.02 * loops.fs)
    click = torch.where(at, 10.0 ** (CLICK / 20.0), 1.0) * minimum
    return torch.stack([step, click]).clamp(max=1.0)


@torch.no_grad()
def contraction(loops: AdaptationLoops, inputs: Tensor) -> list[float]:
    """The largest share that a sweep leaves of the sup norm of the error of log s, for each loop.

    Parameters
    ----------
    loops : AdaptationLoops
        In float64, not frozen.
    inputs : Tensor [shape=(B, F, T)]
        For all loops; each gets the solution of the one before.
    """
    rest = loops.states_at_rest(inputs.shape[0], inputs.shape[1])[0]
    samples = inputs.shape[2]
    y = to_blocks(torch.maximum(inputs, loops.minimum), loops.block)
    found = []
    for k, loop in enumerate(loops.loops):
        logs, y = _solution(cast("AdaptationLoop", loop), y, rest[:, :, k : k + 1], samples)
        errors = [float((guess - logs[-1]).abs().max()) for guess in logs[:-1]]
        shares = [b / a for a, b in pairwise(errors) if b > NEGLIGIBLE]
        found.append(max(shares, default=0.0))
    return found


def _solution(
    loop: AdaptationLoop, u: Tensor, state: Tensor, samples: int
) -> tuple[list[Tensor], Tensor]:
    """Logarithms of all guesses of the state, which end with the solution, and the output of the loop."""
    for sweeps in (FEW, MANY):
        guesses, y = loop.guesses(u, state, sweeps)
        logs = [from_blocks(guess)[:, :, :samples].log() for guess in guesses]
        if float((logs[-1] - logs[-2]).abs().max()) <= STANDSTILL:
            break
    return logs, y


def check_contraction(module: AuditoryModule, where: str) -> None:
    """Measure every adaptation loop of a model on onsets.

    Parameters
    ----------
    module : AuditoryModule
        In float64, as built.
    where : str
        What it was built from, for the error.

    Raises
    ------
    SpecError
        If the error of some loop falls too slowly for any fixed number of sweeps to be trusted.
    """
    for part in module.modules():
        if not isinstance(part, AdaptationLoops):
            continue
        for k, share in enumerate(contraction(part, onset_inputs(part))):
            if not share <= LIMIT:
                raise SpecError(
                    f"{where}: loop {k + 1} of the adaptation, tau {part.tau[k]:g} s at {part.fs:g} Hz: a "
                    f"sweep leaves {share:.2f} of the error, {LIMIT:g} is allowed; take a longer tau or a "
                    "higher sampling rate"
                )
