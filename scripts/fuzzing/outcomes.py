"""What a trial can end in."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

SECONDS = 60  # a trial; the slowest right ones take two
REFUSED, RIGHT, FAULT = "refused with one line", "accepted and right", "fault"
Trial = Callable[[random.Random, Path], str]


class FaultError(Exception):
    """What a trial must not end in."""
