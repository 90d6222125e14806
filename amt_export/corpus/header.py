"""Reading the header of a recording, without decoding samples."""

from __future__ import annotations

from pathlib import Path

from amt_export.audio.container import missing, stated_samples
from amt_export.audio.file_names import name_for_libsndfile
from amt_export.errors import require


def stated_seconds(path: Path) -> float | None:
    """Return the duration that the header of a file states, in s; None where it states none.

    libsndfile shortens a truncated file to what is there; the container still says how long it was.
    """
    sf = require("soundfile", "corpus", "Reading audio")
    try:
        if not path.is_file():
            return None
        info = sf.info(name_for_libsndfile(path))
        there, stated = stated_samples(path) or (1, 1)
    except (sf.LibsndfileError, OSError, ValueError, TypeError):  # TypeError: of a .raw file
        return None
    if info.samplerate <= 0 or info.frames < 0 or (not info.frames and missing(path)):
        return None  # a truncated Ogg file says nothing
    whole = stated / there if there and stated > there else 1.0
    return float(info.frames / info.samplerate * whole)
