"""Pictures of what an ear model answers, over time and frequency.

`panels` turns outputs into levels over time and frequency, `cochleagram` draws them: frequency on
the ERB-rate scale, on which equal distances are about equal distances along the cochlea. Which outputs are
drawn, and as what, is a table (`amt_export.plot.kinds`).
"""

from amt_export.plot.columns import panels
from amt_export.plot.draw import DYNAMIC_RANGE, cochleagram, level_range, picture, save
from amt_export.plot.panels import TICKS, Cloud, Panel, cams

__all__ = [
    "DYNAMIC_RANGE",
    "TICKS",
    "Cloud",
    "Panel",
    "cams",
    "cochleagram",
    "level_range",
    "panels",
    "picture",
    "save",
]
