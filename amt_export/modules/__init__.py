"""The auditory modules: static torch, exportable to every format."""

# ruff: noqa: E402 - torch comes first, so that one line says how to install it
from amt_export.errors import require

require("torch", "export", "amt_export.modules")

from amt_export.modules.excitation.erb_integration import ERBIntegration
from amt_export.modules.excitation.excitation_pattern import ExcitationPattern
from amt_export.modules.excitation.moore2016 import Moore2016ExcitationPattern
from amt_export.modules.filterbanks.drnl import DRNLFilterbank
from amt_export.modules.filterbanks.ears import MiddleEarFilter, OuterEarFilter
from amt_export.modules.filterbanks.fast_drnl import FastDRNLFilterbank
from amt_export.modules.filterbanks.gammatone import GammatoneFilterbank
from amt_export.modules.frame_levels import FrameLevels
from amt_export.modules.front_ends.casp import CASPFrontEnd
from amt_export.modules.front_ends.glasberg2002 import Glasberg2002FrontEnd
from amt_export.modules.front_ends.moore2016 import Moore2016FrontEnd
from amt_export.modules.loudness.moore2016 import Moore2016Loudness
from amt_export.modules.representation.adaptation import AdaptationLoops
from amt_export.modules.representation.casp_hair_cell import CASPHairCell
from amt_export.modules.representation.dau1997 import Dau1997
from amt_export.modules.representation.dau_hair_cell import DauHairCell
from amt_export.modules.representation.decimation import Decimation
from amt_export.modules.representation.modulation import ModulationFilterbank
from amt_export.modules.representation.paulick2024 import Paulick2024
from amt_export.modules.spectra.moore2016 import Moore2016Spectrum
from amt_export.modules.spectra.multires_fft import MultiResolutionFFT

__all__ = [
    "AdaptationLoops",
    "CASPFrontEnd",
    "CASPHairCell",
    "DRNLFilterbank",
    "Dau1997",
    "DauHairCell",
    "Decimation",
    "ERBIntegration",
    "ExcitationPattern",
    "FastDRNLFilterbank",
    "FrameLevels",
    "GammatoneFilterbank",
    "Glasberg2002FrontEnd",
    "MiddleEarFilter",
    "ModulationFilterbank",
    "Moore2016ExcitationPattern",
    "Moore2016FrontEnd",
    "Moore2016Loudness",
    "Moore2016Spectrum",
    "MultiResolutionFFT",
    "OuterEarFilter",
    "Paulick2024",
]
