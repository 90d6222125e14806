"""Components that are loud enough in their frame to count."""

import torch
from torch import Tensor, nn

# Intensity that a frame's maximum counts as at least (30 dB), and what is heard below it (60 dB): part
# of the model (Moore et al. 2016).
LEAST_MAXIMUM, RANGE = 1e3, 1e-6


class Relevance(nn.Module):
    """Components within 60 dB of the maximum over both ears; the others are 0.

    Shape
    -----
    intensity (B, 2, S, K) -> the same.

    Examples
    --------
    >>> import torch
    >>> Relevance()(torch.tensor([[[[2e6, 1.0]], [[4.0, 3e3]]]])).flatten().tolist()
    [2000000.0, 0.0, 4.0, 3000.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self.least_maximum, self.range = LEAST_MAXIMUM, RANGE  # TorchScript reads no globals

    def forward(self, intensity: Tensor) -> Tensor:
        """Leave out what is not heard."""
        left, right = intensity.amax(3, keepdim=True).unbind(1)
        loudest = torch.maximum(left, right).unsqueeze(1)
        threshold = torch.clamp(loudest, min=self.least_maximum) * self.range
        # A product, because runtimes take four times as long to choose.
        return intensity * (intensity > threshold).to(intensity.dtype)
