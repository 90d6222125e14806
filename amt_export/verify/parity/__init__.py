"""Proof that an artifact computes what eager torch computes. `check_folder` needs no torch."""

from amt_export.verify.parity.check import Findings, NotRun, check_folder
from amt_export.verify.parity.compare import Case, compare, failing

__all__ = ["Case", "Findings", "NotRun", "check_folder", "compare", "failing"]
