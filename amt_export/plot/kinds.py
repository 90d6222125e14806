"""The table of pictures: which outputs of a model are drawn, and as what.

A new kind of picture is a class that gathers its outputs, a panel that draws itself
(`amt_export.plot.panels.Drawable`), and one line of `KINDS`. Outputs are recognised by what the
manifest says of them (axes, unit), never by the name of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from amt_export.manifest import Manifest
from amt_export.plot.component_points import ComponentClouds
from amt_export.plot.level_columns import LevelImages
from amt_export.plot.loudness import LoudnessCourses, SpecificLoudness
from amt_export.plot.panels import Drawable
from amt_export.plot.representation import Representation


class Gatherer(Protocol):
    """Keeps of outputs that come piece by piece what their picture needs."""

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs, by name, with or without the batch axis."""

    def panels(self) -> Sequence[Drawable]:
        """Return the panels, from top to bottom."""


Kind = Callable[[Manifest, Mapping[str, int], float], Gatherer | None]
"""Called with a manifest, the samples or frames of each output that is there, and the sampling rate in Hz.
Returns None for a model that has nothing of this kind."""

KINDS: tuple[Kind, ...] = (
    LoudnessCourses.of,
    SpecificLoudness.of,
    LevelImages.of,
    Representation.of,
    ComponentClouds.of,
)
"""From the top of a picture to its bottom."""

LEVEL_KINDS = (LevelImages, ComponentClouds)
"""Those whose colours are levels in dB."""
