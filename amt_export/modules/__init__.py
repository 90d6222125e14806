"""The auditory modules: static torch, exportable to every format."""

from amt_export.modules.drnl import DRNLFilterbank
from amt_export.modules.fast_drnl import FastDRNLFilterbank
from amt_export.modules.gammatone import GammatoneFilterbank

__all__ = ["DRNLFilterbank", "FastDRNLFilterbank", "GammatoneFilterbank"]
