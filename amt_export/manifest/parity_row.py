"""Rows of the parity table: measured differences of an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field

from amt_export.manifest.json_records import OMITTED

BEYOND = 1e300
"""Stands for infinity, which JSON has no number for. It is beyond every tolerance."""
BATCHES = (1, 3)
"""Batches in which a file with a free one is compared, beside that of the model file."""


@dataclass(frozen=True)
class Setting:
    """One way in which a provider was set up, and the worst difference it gave on some signals.

    ``name`` is as `amt_export.verify.parity.settings` phrases it, e.g. ``"basic optimization, 1 thread"``.
    """

    name: str
    signals: tuple[str, ...]
    worst: float
    signal: str


@dataclass(frozen=True)
class Skip:
    """A provider that could not be measured here, and the reason."""

    provider: str
    reason: str


@dataclass(frozen=True)
class ParityRow:
    """The worst difference of one output of one artifact over the signal suite.

    ``worst`` is measured as `amt_export.verify.parity.metric` says, over all ``settings`` of the provider;
    it, ``signal`` and ``channel`` (an index) are None where nothing was executed
    (``verified_by="interface"``). ``skipped`` names the other providers of the format that were not measured.

    ``left_out`` of ``frames`` frames of all signals were not compared, because a component lies within 0.01 dB
    of the relevance threshold in them; both are 0 where everything was compared.
    """

    format: str
    form: str
    provider: str
    output: str
    kind: str
    worst: float | None
    signal: str | None
    tolerance: float
    verified_by: str
    channel: int | None = field(default=None, metadata=OMITTED)
    settings: tuple[Setting, ...] = field(default=(), metadata=OMITTED)
    skipped: tuple[Skip, ...] = field(default=(), metadata=OMITTED)
    left_out: int = field(default=0, metadata=OMITTED)
    frames: int = field(default=0, metadata=OMITTED)

    @property
    def within(self) -> bool:
        """Whether the difference is within the tolerance. A NaN is not."""
        return self.worst is None or self.worst <= self.tolerance
