"""Multi-resolution spectrum: the bins and frames that each window contributes."""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.numerics.dft import dft_columns

# 64 to 2 ms at 32 kHz (Glasberg & Moore 2002).
WINDOW_LENGTHS = (2048, 1024, 512, 256, 128, 64)
# Each window serves from one threshold to the next, in Hz: an octave each, as torch_amt documents it.
THRESHOLDS = (500.0, 1000.0, 2000.0, 4000.0, 8000.0)


def read_positions(
    thresholds: Tensor,
    windows: List[int],
    fs: float,
    aligned: bool,
) -> Tuple[Tensor, Tensor]:
    """Position on the grid of each window that is read for each reference frequency.

    Parameters
    ----------
    thresholds : Tensor [shape=(5,)], Hz, float64
        The first len(windows) - 1 part the bands [lo, hi).
    windows : list of int
        Lengths, longest first.
    fs : float
        Sampling rate in Hz.
    aligned : bool
        Read at the reference frequencies; otherwise the band's own bins are stretched end to end
        over the band's reference bins and Nyquist is left out.

    Returns
    -------
    position : Tensor [shape=(windows, K)]
        In bins of the window, to be interpolated linearly.
    selected : Tensor [shape=(windows, K)]
        1 where the window is used, else 0.
    """
    longest = windows[0]
    reference = torch.arange(longest // 2 + 1, dtype=torch.float64, device=thresholds.device)
    nyquist = torch.full([1], 0.5 * fs, dtype=torch.float64, device=thresholds.device)
    edges = torch.cat([torch.zeros_like(nyquist), thresholds[: len(windows) - 1], nyquist])
    freqs = reference * (fs / longest)
    positions: List[Tensor] = []
    selections: List[Tensor] = []
    for i, window in enumerate(windows):
        low, high = edges[i], edges[i + 1]
        selected = (freqs >= low) & (freqs < high)
        top = window // 2
        if aligned:
            if i == len(windows) - 1:
                selected = freqs >= low
            position = torch.clamp(reference * (window / longest), max=float(top))
        else:
            own = torch.arange(top + 1, dtype=torch.float64, device=thresholds.device)
            own = own * (fs / window)
            first = (own < low).sum()
            steps = ((own >= low) & (own < high)).sum() - 1
            over = torch.clamp(selected.sum() - 1, min=1)
            position = first + (reference - (freqs < low).sum()) * (steps / over)
            position = torch.clamp(position, 0.0, float(top))
            selected = selected & (steps >= 0)
        positions.append(position)
        selections.append(selected.to(torch.float64))
    return torch.stack(positions), torch.stack(selections)


def read_table(position: Tensor, selected: Tensor, top: int) -> Tuple[int, Tensor]:
    """Linear interpolation as a matrix over the bins that are needed.

    Parameters
    ----------
    position, selected : Tensor [shape=(K,)]
        One row of `read_positions`.
    top : int
        Last bin of the window.

    Returns
    -------
    first : int
        First bin needed.
    table : Tensor [shape=(bins, K)]
        At least one bin; all zero for an empty band.
    """
    used = position[selected > 0]
    first = min(int(used.min()), top) if used.numel() else 0
    last = min(int(used.max()) + 1, top) if used.numel() else 0
    bins = torch.arange(first, last + 1, dtype=torch.float64, device=position.device)
    nearness = torch.clamp(1.0 - (bins[:, None] - position).abs(), min=0.0)
    table = nearness * selected
    while table.shape[0] > 1 and not bool(
        table[-1].any()
    ):  # drop bins at the end that no column reads
        table = table[:-1]
    return first, table


def framed_columns(window: Tensor, first: int, count: int, hop: int, scale: float) -> Tensor:
    """DFT columns for a signal cut into hops.

    Parameters
    ----------
    window : Tensor [shape=(w,)]
    first, count : int
        Bins.
    hop : int
        A frame is `parts` = ceil(w / hop) hops; samples after its end count as zero.
    scale : float
        Factor of all columns.

    Returns
    -------
    Tensor [shape=(hop, parts * 2 * count)]
        What one hop adds to the frame that has it as part 0, 1, ...
    """
    length = window.shape[0]
    parts = -(-length // hop)
    bins = torch.arange(first, first + count, device=window.device)
    columns = scale * dft_columns(window, bins, length)
    room = columns.new_zeros(parts * hop - length, 2 * count)
    columns = torch.cat([columns, room]).reshape(parts, hop, 2 * count)
    return columns.transpose(0, 1).reshape(hop, parts * 2 * count)


def alignment(samples: int, hop: int, reference_hop: int, like: Tensor) -> Tuple[Tensor, Tensor]:
    """Frames of a window whose mean stands for one reference frame.

    Those with centres k hop in [t H - H/2, t H + H/2), H the reference hop; the nearest one where
    there is none.

    Parameters
    ----------
    samples : int
        Length of the signal.
    hop, reference_hop : int
    like : Tensor
        Gives dtype and device of the weights.

    Returns
    -------
    index : Tensor [shape=(S * r,)], long
    weight : Tensor [shape=(S, r, 1)]
    """
    count = 1 + samples // hop
    most = (reference_hop + hop - 1) // hop
    t = torch.arange(1 + samples // reference_hop, device=like.device)
    # ceil(a / b) = -floor(-a / b)
    first = -torch.div((1 - 2 * t) * reference_hop, 2 * hop, rounding_mode="floor")
    stop = -torch.div(-(2 * t + 1) * reference_hop, 2 * hop, rounding_mode="floor")
    first = torch.clamp(first, min=0)
    stop = torch.clamp(stop, max=count)
    nearest = torch.div(2 * t * reference_hop + hop, 2 * hop, rounding_mode="floor")
    nearest = torch.clamp(nearest, max=count - 1)
    none = stop <= first
    first = torch.where(none, nearest, first)
    stop = torch.where(none, nearest + 1, stop)
    index = first.unsqueeze(1) + torch.arange(most, device=like.device)
    weight = (index < stop.unsqueeze(1)).to(like.dtype) / (stop - first).unsqueeze(1)
    return torch.clamp(index, max=count - 1).reshape(-1), weight.to(like.dtype).unsqueeze(2)


def checked_windows(window_lengths: list[int] | None, hop_fraction: float) -> list[int]:
    """Lengths in descending order.

    Raises
    ------
    ValueError
    """
    lengths = list(WINDOW_LENGTHS) if window_lengths is None else list(window_lengths)
    if not 0 < len(lengths) <= len(THRESHOLDS) + 1:
        raise ValueError(
            f"window_lengths has {len(lengths)} windows; 1 to {len(THRESHOLDS) + 1} are possible"
        )
    for length in lengths:
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ValueError(f"window_lengths holds {length!r}; positive integers are needed")
        if int(length * hop_fraction) < 1:
            raise ValueError(
                f"hop_fraction is {hop_fraction}: the window of {length} samples would not move"
            )
    return sorted(lengths, reverse=True)
