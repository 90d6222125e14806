"""Every module with a frame or two of input, for the tests of Core ML packages."""

from __future__ import annotations

import torch

from amt_export.modules import (
    DRNLFilterbank,
    ERBIntegration,
    ExcitationPattern,
    FastDRNLFilterbank,
    GammatoneFilterbank,
    Glasberg2002FrontEnd,
    Moore2016ExcitationPattern,
    Moore2016FrontEnd,
    Moore2016Spectrum,
    MultiResolutionFFT,
)

# Every module, and a frame or two of input.
MODULES = {
    "gammatone": (
        lambda: GammatoneFilterbank((200.0, 7000.0), 16000),
        {"audio": (2, 2000)},
    ),
    "drnl": (
        lambda: DRNLFilterbank((1000.0, 7900.0), 16000, n_channels=12, dtype=torch.float32),
        {"audio": (1, 1500)},
    ),
    "fast_drnl": (
        lambda: FastDRNLFilterbank((1000.0, 4000.0), 16000, n_channels=3, ir_length=512),
        {"audio": (1, 1500)},
    ),
    "multires": (lambda: MultiResolutionFFT(window_lengths=[256, 128]), {"audio": (1, 2000)}),
    "erb": (lambda: ERBIntegration(), {"psd": (1, 2, 1025)}),
    "excitation": (lambda: ExcitationPattern(reference="torch_amt"), {"levels": (1, 2, 150)}),
    "glasberg": (lambda: Glasberg2002FrontEnd(), {"audio": (1, 2048)}),
    "moore_spectrum": (lambda: Moore2016Spectrum(), {"audio": (1, 2, 2112)}),
    "moore_excitation": (
        lambda: Moore2016ExcitationPattern(),
        {"freqs": (1, 2, 958), "levels": (1, 2, 958)},
    ),
    "moore": (lambda: Moore2016FrontEnd(), {"audio": (1, 2, 2080)}),
}
