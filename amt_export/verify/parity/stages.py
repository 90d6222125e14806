"""Inputs of the stages after a filterbank: what the stages before them make of the signal suite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amt_export.modules import (
    AdaptationLoops,
    CASPFrontEnd,
    CASPHairCell,
    DauHairCell,
    GammatoneFilterbank,
)
from amt_export.modules.representation.stage import ChannelStage

# Hz: the range of the channels, as far as the sampling rate has it.
LOWEST, HIGHEST = 250.0, 8000.0
# Of a module that knows no rate.
RATE = 16000.0
# dB SPL of 1 in the scale of the adaptation loops is 100; 1 Pa is half of it.
PASCAL = 0.5


@torch.no_grad()
def stage_inputs(
    module: ChannelStage, shape: Sequence[int], audio: dict[str, npt.NDArray[np.float64]]
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Inputs by signal and name.

    Parameters
    ----------
    module : ChannelStage
    shape : sequence of int
        (B, F, T) of its input.
    audio : dict of ndarray [shape=(B, T)], Pa
        The suite.
    """
    fs = rate_of(module)
    channels = torch.logspace(np.log10(LOWEST), np.log10(min(HIGHEST, 0.4 * fs)), shape[1])
    made = {}
    for name, pressure in audio.items():
        signal = _before(module, torch.from_numpy(pressure), channels.double(), fs)
        # float32, so that both precisions get the same input
        made[name] = {"signal": signal.float().double().numpy()}
    return made


def rate_of(module: ChannelStage) -> float:
    """The sampling rate that its input stands for, in Hz."""
    return module.fs if module.fs > 1.0 else RATE


def _before(module: ChannelStage, audio: Tensor, fc: Tensor, fs: float) -> Tensor:
    double = torch.float64
    if isinstance(module, CASPHairCell):
        velocity: Tensor = CASPFrontEnd(fc, fs, dtype=double)(audio)
        return velocity
    subbands: Tensor = PASCAL * GammatoneFilterbank(fc, fs, dtype=double)(audio)
    if isinstance(module, DauHairCell):
        return subbands
    envelope: Tensor = DauHairCell(fs, min(1000.0, 0.4 * fs), dtype=double)(subbands)
    if isinstance(module, AdaptationLoops):
        return envelope
    adapted: Tensor = AdaptationLoops(fs, dtype=double)(envelope)
    return adapted
