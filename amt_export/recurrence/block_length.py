"""Which block length a filter takes."""

from typing import NamedTuple

from amt_export.numerics.blocks import block_count

# Longer blocks cost more in the impulse matrix, shorter ones more in the states. From 32 to 64 samples is a
# flat optimum of ONNX Runtime (30-channel gammatone at 16 kHz, 50-channel DRNL at 44.1 kHz).
BLOCK = 32
# Columns that matrix products work on at once (AVX-512, or two registers of AVX2).
LANES = 16
# A stream may have to take longer blocks than that, since they divide its own.
LONGEST = 256


class Blocks(NamedTuple):
    """A signal in blocks.

    length : samples of a block
    number : of blocks that hold the signal, the last one perhaps in part
    """

    length: int
    number: int


def whole_blocks(samples: int) -> Blocks:
    """The cheapest blocks of 32 to 64 samples that divide `samples`; 32 if there are none.

    The cheapest ones leave the smallest share of their groups of `LANES` empty: 45 samples cost what 48 do.

    Parameters
    ----------
    samples : int
        Of the signal.

    Examples
    --------
    >>> whole_blocks(16000)
    Blocks(length=32, number=500)
    """
    lengths = [length for length in range(BLOCK, 2 * BLOCK + 1) if samples % length == 0]
    length = min(lengths, key=lambda length: (-(-length // LANES) / length, length), default=BLOCK)
    return Blocks(length, block_count(samples, length))


def short_blocks(samples: int) -> Blocks:
    """The cheapest blocks of 24 to 48 samples that divide `samples`, for filters with one state, or of 32.

    Such filters have next to nothing to do for each block, and L multiplications for each sample.

    Parameters
    ----------
    samples : int
        Of the signal.
    """
    lengths = [length for length in range(24, 49) if samples % length == 0]
    length = min(lengths, key=lambda length: (-(-length // LANES) / length, length), default=BLOCK)
    return Blocks(length, block_count(samples, length))


def stream_blocks(samples: int) -> Blocks:
    """The filter's own blocks inside a stream's block of `samples`: they must divide it.

    Parameters
    ----------
    samples : int
        Of the stream's block.

    Raises
    ------
    ValueError
        If no length of 32 to 256 samples does.
    """
    if samples <= 2 * BLOCK:
        return Blocks(samples, 1)
    for length in range(BLOCK, LONGEST + 1):
        if samples % length == 0:
            return Blocks(length, samples // length)
    raise ValueError(
        f"no divisor from {BLOCK} to {LONGEST}; take a multiple of {BLOCK}, or at most {2 * BLOCK}"
    )
