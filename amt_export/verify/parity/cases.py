"""Inputs of every module for the signal suite, and outputs of its eager forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from amt_export.errors import SpecError
from amt_export.modules import (
    ERBIntegration,
    Moore2016ExcitationPattern,
    Moore2016Spectrum,
    MultiResolutionFFT,
)
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import WholeForm
from amt_export.modules.representation.stage import ChannelStage
from amt_export.verify.parity.compare import Arrays, Case, Runner, check_left_out
from amt_export.verify.parity.signals import (
    REFERENCE_PRESSURE,
    Array,
    onsets,
    stapes_velocity,
    suite,
)
from amt_export.verify.parity.stages import rate_of, stage_inputs

# Amplitude 1 of a "full scale" input is 93.98 dB SPL as the RMS of a sine (Moore 2016's db_max).
FULL_SCALE_PASCAL = 2.0**0.5 * REFERENCE_PRESSURE * 10.0 ** (93.98 / 20.0)
# From pascals at a sampling rate to the unit of the input. A velocity is that of the stapes after both ears.
UNITS: dict[str, Callable[[Array, float], Array]] = {
    "Pa": lambda pressure, _fs: pressure,
    "m/s": stapes_velocity,
    "full scale": lambda pressure, _fs: pressure / FULL_SCALE_PASCAL,
}


def audio_cases(
    shape: Sequence[int], fs: float, unit: str, with_onsets: bool = False
) -> dict[str, npt.NDArray[np.float64]]:
    """The suite as audio of a static shape.

    Rows of a batch (and the two ears) get different signals: row b of signal i is signal i + b, the
    right ear the one after, 6 dB down. So parity finds a model that mixes up rows or ears.

    Parameters
    ----------
    shape : sequence of int
        (B, T) or (B, 2, T).
    fs : float, Hz
    unit : str
        One of UNITS, which the suite's pascals are converted to.
    with_onsets : bool
        Sounds that begin at once as well.
    """
    pascals = suite(shape[-1], fs)
    if with_onsets:
        pascals |= onsets(shape[-1], fs)
    signals = {name: UNITS[unit](pressure, fs) for name, pressure in pascals.items()}
    names = list(signals)
    cases = {}
    for index, name in enumerate(names):
        rows = []
        for row in range(shape[0]):
            first = signals[names[(index + row) % len(names)]]
            second = 0.5 * signals[names[(index + row + 1) % len(names)]]
            rows.append(first if len(shape) == 2 else np.stack([first, second]))
        cases[name] = np.stack(rows).astype(np.float32).astype(np.float64)
    return cases


def suite_inputs(
    module: AuditoryModule, shapes: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Inputs by signal and name, for a module built for `shapes`."""
    if "audio" in shapes:
        adapts = any(port.steady is not None for port in module.output_ports)
        audio = audio_cases(shapes["audio"], module.fs, module.input_ports[0].unit, adapts)
        return {signal: {"audio": value} for signal, value in audio.items()}
    if isinstance(module, ChannelStage):
        batch, _, samples = shape = shapes["signal"]
        audio = audio_cases((batch, samples), rate_of(module), "Pa", with_onsets=True)
        return stage_inputs(module, shape, audio)
    return module_inputs(module, shapes)


def module_inputs(
    module: AuditoryModule, shapes: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Inputs that are not audio: outputs of the preceding stage for the suite, if their shapes fit."""
    batch, frames, size = next(iter(shapes.values()))
    made: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
    for signal, audio in _stage_audio(module, batch, frames).items():
        with torch.no_grad():
            made[signal] = _preceding(module, torch.from_numpy(audio), size)
    for signal, arrays in made.items():
        found = {name: array.shape for name, array in arrays.items()}
        wanted = {name: tuple(shape) for name, shape in shapes.items()}
        if found != wanted:
            raise SpecError(
                f"[inputs] of {type(module).__name__}: {wanted} are not what its preceding stage "
                f"gives, {found}; there is nothing to prove it on"
            )
        # float32, so that both precisions get the same input
        made[signal] = {
            name: array.astype(np.float32).astype(np.float64) for name, array in arrays.items()
        }
    return made


def _stage_audio(
    module: AuditoryModule, batch: int, frames: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Audio from which the preceding stage makes this many frames."""
    if isinstance(module, Moore2016ExcitationPattern):
        # 32 samples a frame at 32 kHz, after the first 2048
        return audio_cases((batch, 2, 2048 + 32 * frames), 32000.0, "full scale")
    # 1024 samples a frame; the centred first one needs more than half a window of 2048.
    return audio_cases((batch, max(1024 * (frames - 1), 0) + 1023), module.fs, "Pa")


def _preceding(
    module: AuditoryModule, audio: Tensor, size: int
) -> dict[str, npt.NDArray[np.float64]]:
    if isinstance(module, Moore2016ExcitationPattern):
        freqs, levels, _, _ = Moore2016Spectrum(dtype=torch.float64)(audio)
        return {"freqs": freqs.numpy(), "levels": levels.numpy()}
    longest = 2 * (size - 1) if isinstance(module, ERBIntegration) else 2048
    windows = None if longest == 2048 else [longest]
    psd, freqs = MultiResolutionFFT(int(module.fs), window_lengths=windows).double()(audio)
    if isinstance(module, ERBIntegration):
        return {"psd": psd.numpy()}
    levels = ERBIntegration(int(module.fs)).double()(psd, freqs)
    return {"levels": levels.numpy()}


def eager_runner(module: nn.Module, outputs: Sequence[str], device: str = "cpu") -> Runner:
    """Run a torch module on arrays, in its own dtype, on the device where its buffers are."""

    def run(inputs: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
        tensors = (torch.from_numpy(np.ascontiguousarray(v)).to(device) for v in inputs.values())
        with torch.no_grad():
            result = module(*tensors)
        values: Sequence[Tensor] = (result,) if isinstance(result, Tensor) else result
        return {name: value.cpu().numpy() for name, value in zip(outputs, values, strict=True)}

    return run


def single(arrays: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
    """Arrays in float32, the dtype of inputs and outputs of every artifact."""
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def cases_of(
    inputs: Mapping[str, Mapping[str, npt.NDArray[np.float64]]], run: Runner, dtype: str
) -> list[Case]:
    """Cases whose expected outputs are what `run` answers to the inputs cast to `dtype`."""
    cases = []
    for signal, arrays in inputs.items():
        cast = {name: array.astype(dtype) for name, array in arrays.items()}
        cases.append(Case(signal, cast, dict(run(cast))))
    return cases


def module_cases(
    inputs: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
    module: AuditoryModule,
    dtype: str,
    reference: Sequence[Case] = (),
) -> list[Case]:
    """Cases of a frozen module, with the frames that are not to be compared.

    Parameters
    ----------
    inputs : mapping
        Signal to arrays.
    module : AuditoryModule
    dtype : str
        The inputs are cast to it.
    reference : sequence of Case, optional
        The same signals in float64, which say which frames are left out. By default `module` says it.

    Raises
    ------
    ParityError
        If too many frames would be left out.
    """
    names = [port.name for port in module.output_ports]
    run = eager_runner(WholeForm(module), names)
    cases = []
    for index, (signal, arrays) in enumerate(inputs.items()):
        cast = {name: array.astype(dtype) for name, array in arrays.items()}
        left_out = reference[index].left_out if reference else _near_threshold(module, cast)
        cases.append(Case(signal, cast, dict(run(cast)), left_out))
    check_left_out(type(module).__name__, cases)
    return cases


def _near_threshold(module: AuditoryModule, inputs: Arrays) -> npt.NDArray[np.bool_] | None:
    with torch.no_grad():
        frames = module.near_threshold(*(torch.from_numpy(array) for array in inputs.values()))
    return None if frames is None else frames.numpy()
