"""Proof that an artifact computes what eager torch computes."""

from amt_export.parity.check import check_folder
from amt_export.parity.compare import Case, compare, failing

__all__ = ["Case", "check_folder", "compare", "failing"]
