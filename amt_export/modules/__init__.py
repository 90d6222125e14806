"""The auditory modules: static torch, exportable to every format."""

from amt_export.modules.drnl import DRNLFilterbank
from amt_export.modules.erb_integration import ERBIntegration
from amt_export.modules.excitation_pattern import ExcitationPattern
from amt_export.modules.fast_drnl import FastDRNLFilterbank
from amt_export.modules.gammatone import GammatoneFilterbank
from amt_export.modules.glasberg_front_end import Glasberg2002FrontEnd
from amt_export.modules.moore_excitation import Moore2016ExcitationPattern
from amt_export.modules.moore_front_end import Moore2016FrontEnd
from amt_export.modules.moore_spectrum import Moore2016Spectrum
from amt_export.modules.multires_fft import MultiResolutionFFT

__all__ = [
    "DRNLFilterbank",
    "ERBIntegration",
    "ExcitationPattern",
    "FastDRNLFilterbank",
    "GammatoneFilterbank",
    "Glasberg2002FrontEnd",
    "Moore2016ExcitationPattern",
    "Moore2016FrontEnd",
    "Moore2016Spectrum",
    "MultiResolutionFFT",
]
