"""Base class of modules that are a series of stages."""

from typing import ClassVar, List, Self

from torch import Tensor

from amt_export.modules.base import AuditoryModule


class Chain(AuditoryModule):
    """A module of stages, each of which takes what the one before gives.

    Attributes
    ----------
    stages : tuple of str
        Names of the stages in the order of the signal, which is that of their states.
    decimated : dict of int
        Samples of the audio for one sample of a stage, by its name; 1 where there is none.
    """

    stages: ClassVar[tuple[str, ...]]
    decimated: ClassVar[dict[str, int]] = {}

    def parts(self) -> list[AuditoryModule]:
        """The stages."""
        return [getattr(self, name) for name in self.stages]

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence of all stages."""
        return [state for part in self.parts() for state in part.initial_states(batch)]

    def freeze(self, samples: int | None = None, stream: int | None = None) -> Self:
        """A copy with the current values baked in."""
        static = super().freeze(samples, stream)
        for name in self.stages:
            factor = self.decimated.get(name, 1)
            lengths = (None if n is None else n // factor for n in (samples, stream))
            setattr(static, name, getattr(self, name).freeze(*lengths))
        return static

    def centre_frequencies(self) -> list[float] | None:
        """Of the first stage that has some, in Hz."""
        return next((fc for part in self.parts() if (fc := part.centre_frequencies())), None)

    def modulation_filters(self) -> tuple[list[float], list[int]]:
        """Of the last stage."""
        return self.parts()[-1].modulation_filters()

    def warm_up(self) -> int:
        """Samples of memory of all stages in series."""
        return sum(self.decimated.get(n, 1) * getattr(self, n).warm_up() for n in self.stages)
