"""Modules with constant tables, designed in float64 and cast once."""

import torch
from torch import Tensor

from amt_export.modules.base import AuditoryModule


class ConstantModule(AuditoryModule):
    """A module whose only numbers are constants.

    Parameters
    ----------
    dtype : torch.dtype
        Of the computation; `to` and `double` change it, and the tables are designed again.
    """

    like: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.learnable = False
        self.register_buffer("like", torch.zeros(1, dtype=dtype), persistent=False)

    def set_table(self, name: str, value: Tensor) -> None:
        """Keep a float64 table in the dtype of the computation; it is not saved."""
        self.register_buffer(name, value.to(self.like), persistent=False)
