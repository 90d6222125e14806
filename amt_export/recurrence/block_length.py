"""Which block length a filter takes."""

# Longer blocks cost more in the impulse matrix, shorter ones more in the states. From 32 to 64 samples is a
# flat optimum of ONNX Runtime (30-channel gammatone at 16 kHz, 50-channel DRNL at 44.1 kHz).
BLOCK = 32
# Columns that matrix products work on at once (AVX-512, or two registers of AVX2).
LANES = 16
# A stream may have to take longer blocks than that, since they divide its own.
LONGEST = 256


def whole_block(samples: int) -> int:
    """The cheapest block of 32 to 64 samples that divides `samples`; 32 if there is none.

    The cheapest one leaves the smallest share of its groups of `LANES` empty: 45 samples cost what 48 do.
    """
    blocks = [block for block in range(BLOCK, 2 * BLOCK + 1) if samples % block == 0]
    return min(blocks, key=lambda block: (-(-block // LANES) / block, block), default=BLOCK)


def short_block(samples: int) -> int:
    """The cheapest block of 24 to 48 samples that divides `samples`, for filters with one state, or 32.

    They have next to nothing to do for each block, and L multiplications for each sample.
    """
    blocks = [block for block in range(3 * BLOCK // 4, 3 * BLOCK // 2 + 1) if samples % block == 0]
    return min(blocks, key=lambda block: (-(-block // LANES) / block, block), default=BLOCK)


def stream_block(samples: int) -> int:
    """The filter's own block for a stream in blocks of `samples`: it must divide them.

    Raises
    ------
    ValueError
        If no block of 32 to 256 samples does.
    """
    if samples <= 2 * BLOCK:
        return samples
    for block in range(BLOCK, LONGEST + 1):
        if samples % block == 0:
            return block
    raise ValueError(
        f"no divisor from {BLOCK} to {LONGEST}; take a multiple of {BLOCK}, or at most {2 * BLOCK}"
    )
