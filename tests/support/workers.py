"""What worker processes do in tests in place of their work."""

from __future__ import annotations

import os
import signal

from amt_export.cli import workers

convert = workers._convert


def convert_or_die(task):
    """Convert a recording, unless its name says that it kills its worker."""
    if "deadly" in task.source.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return convert(task)
