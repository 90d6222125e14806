"""What makes a process that builds models faster, and changes no number."""

from __future__ import annotations

import ctypes
import gc

# mallopt's names for its parameters, from glibc's malloc.h.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
NEVER, NONE = -1, 0
# New objects between two searches for garbage. An exporter makes millions that stay until it is done; with the
# 700 of Python a search every few ms finds nothing, and takes a tenth of the export's time.
OBJECTS = 50_000


def tune_memory_management() -> None:
    """Keep memory that was used once; search for garbage less often, and not in what is there already.

    Arrays of some megabytes come and go by the thousand. By default glibc gives them back to the
    system, which clears each page when it is touched again; elsewhere nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        pass
    else:
        mallopt(MMAP_MAX, NONE)
        mallopt(TRIM_THRESHOLD, NEVER)
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)
