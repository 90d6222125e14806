"""Where an artifact first departs from eager torch: intermediate values against intermediate values."""

from amt_export.verify.divergence.search import Divergence, Step, diverge
from amt_export.verify.divergence.subject import Subject, subject_of

__all__ = ["Divergence", "Step", "Subject", "diverge", "subject_of"]
