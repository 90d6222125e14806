"""Pictures of what an ear model answers, over time and frequency.

`panels` turns outputs into levels over time and frequency, `cochleagram` draws them: frequency on
the ERB-rate scale, on which equal distances are about equal distances along the cochlea.
"""

from amt_export.plot.draw import DYNAMIC_RANGE, TICKS, cochleagram, picture, save
from amt_export.plot.panels import Cloud, Panel, cams, column_panels, panels

__all__ = [
    "DYNAMIC_RANGE",
    "TICKS",
    "Cloud",
    "Panel",
    "cams",
    "cochleagram",
    "column_panels",
    "panels",
    "picture",
    "save",
]
