"""Search for the first operator of an artifact that differs from eager torch, by intermediate values."""

from amt_export.verify.divergence.search import Divergence, Step, diverge
from amt_export.verify.divergence.subject import Subject, subject_of

__all__ = ["Divergence", "Step", "Subject", "diverge", "subject_of"]
