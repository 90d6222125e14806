"""Minimum levels of CASP's adaptation loops."""

from __future__ import annotations

import torch
from torch import Tensor

from amt_export.erb import erb2fc, fc2erb

# Receptor potential in microvolts that each channel's loops take for silence, for 50 channels evenly spaced in
# Cams from 250 to 8000 Hz (Paulick et al. 2024, as in the Auditory Modeling Toolbox).
MINIMUM_POTENTIALS = (
    *(114.6010, 112.6388, 110.5593, 115.6323, 122.8003, 128.3473, 129.4167, 130.5499, 134.9603, 140.6641),
    *(146.7089, 147.9811, 148.9594, 149.9962, 142.9728, 133.7308, 123.9364, 116.7957, 110.2674, 103.3490),
    *(96.4875, 89.5786, 82.2569, 74.4976, 66.1913, 57.3802, 48.0427, 42.4791, 40.9715, 39.3738),
    *(37.6163, 31.9073, 25.8572, 19.4456, 14.2276, 11.9080, 9.4499, 6.8449, 5.6897, 6.3316),
    *(7.0118, 7.7326, 7.1594, 6.2346, 5.2545, 4.2159, 3.5157, 2.7790, 1.9983, 1.1709),
)  # fmt: skip
LOWEST, HIGHEST = 250.0, 8000.0  # Hz


def minimum_potentials(fc: Tensor) -> Tensor:
    """Minimum level of each channel in volts: that of the nearest frequency of the table.

    Parameters
    ----------
    fc : Tensor [shape=(F,)], Hz

    Returns
    -------
    Tensor [shape=(F,)], float64
    """
    ends = fc2erb(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64))
    steps = torch.linspace(0.0, 1.0, len(MINIMUM_POTENTIALS), dtype=torch.float64)
    grid = erb2fc(ends[0] + (ends[1] - ends[0]) * steps)
    nearest = (fc.double()[:, None] - grid).abs().argmin(dim=1)
    return 1e-6 * torch.tensor(MINIMUM_POTENTIALS, dtype=torch.float64)[nearest]
