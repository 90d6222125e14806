"""Choice of the block length of a filter."""

from typing import NamedTuple

from amt_export.numerics.blocks import block_count

# Longer blocks cost more in the impulse matrix, shorter ones more in the states. From 32 to 63 samples is a
# flat optimum of ONNX Runtime (30-channel gammatone at 16 kHz, 50-channel DRNL at 44.1 kHz, AVX2); a 37-channel
# gammatone at 44.1 kHz takes 5 % longer with 63 samples than with 45.
BLOCK, LONG = 32, 48
# Columns that matrix products work on at once (AVX-512, or two registers of AVX2).
LANES = 16
# The blocks of a filter divide the block of the stream, so they may have to be longer than those above.
LONGEST_BLOCK = 256


class Blocks(NamedTuple):
    """A signal in blocks.

    length : samples of a block
    number : of blocks that hold the signal, the last one perhaps in part
    """

    length: int
    number: int


def whole_blocks(samples: int, shortest: int = BLOCK) -> Blocks:
    """The cheapest blocks of `shortest` to 64 samples that divide `samples`; 32 if there are none.

    The cheapest ones have up to 48 samples, and leave the smallest share of their groups of `LANES` empty: 45
    samples cost what 48 do.

    Parameters
    ----------
    samples : int
        Of the signal.
    shortest : int
        24 for filters with one state, which have next to nothing to do for each block.

    Examples
    --------
    >>> whole_blocks(44100)
    Blocks(length=45, number=980)
    """

    def cost(length: int) -> tuple[bool, float, int]:
        return length > LONG, -(-length // LANES) / length, length

    lengths = [length for length in range(shortest, 2 * BLOCK + 1) if samples % length == 0]
    length = min(lengths, key=cost, default=BLOCK)
    return Blocks(length, block_count(samples, length))


def stream_blocks(samples: int) -> Blocks:
    """Block length of the filter inside a stream block; it divides `samples`.

    Parameters
    ----------
    samples : int
        Of the stream's block.

    Raises
    ------
    ValueError
        If no length of 32 to 256 samples divides `samples`.
    """
    if samples <= 2 * BLOCK:
        return Blocks(samples, 1)
    for length in range(BLOCK, LONGEST_BLOCK + 1):
        if samples % length == 0:
            return Blocks(length, samples // length)
    raise ValueError(
        f"no divisor from {BLOCK} to {LONGEST_BLOCK}; take a multiple of {BLOCK}, or at most {2 * BLOCK}"
    )
