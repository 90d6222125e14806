"""Results as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from amt_export import plot
from amt_export.cli.sinks.sink import Account, Outputs, frames_of
from amt_export.cli.terminal.files import replacing
from amt_export.errors import InputError
from amt_export.plot.columns import Columns, columns_for
from amt_export.runtime.axes import is_timed


class PictureSink:
    """Gathers the columns of a picture, and draws it.

    Parameters
    ----------
    path : Path
        ``OUT.png``, ``OUT.pdf`` or ``OUT.svg``.
    account : Account
        Of the recording.
    limits : tuple of two float, optional
        Lowest and highest level with a colour, in dB.

    Attributes
    ----------
    colours : tuple of two float, or None
        The levels of the darkest and the brightest colour in dB, once the picture is drawn; None for pictures
        that have no levels.

    Raises
    ------
    InputError
        If the model has no output that can be drawn, or no levels for the limits.
    """

    def __init__(
        self, path: Path, account: Account, limits: tuple[float, float] | None = None
    ) -> None:
        manifest, recording = account.manifest, account.recording
        frames = frames_of(manifest, recording.samples)
        timed = {port.name: frames for port in manifest.outputs if is_timed(port)}
        self._path, self._recording = path, recording
        self._columns = columns_for(manifest, recording.fs, timed, recording.samples)
        self._limits = limits
        self.colours: tuple[float, float] | None = None
        check_limits(self._columns, limits)

    def __enter__(self) -> Self:
        return self

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:
        """See `Sink`."""
        self._columns.add(audio, outputs)

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            return
        with replacing(self._path) as temporary:
            recording = self._recording
            level = "" if recording.level is None else f", {recording.level:.3g} dB SPL"
            title = f"{recording.name}{level}"
            figure = plot.picture(self._columns, recording.fs, title, self._limits)
            plot.save(figure, temporary, self._path.suffix)
            self.colours = plot.level_range(self._columns, self._limits)


def check_limits(columns: Columns, limits: tuple[float, float] | None) -> None:
    """Refuse limits for a picture that has no levels in dB.

    Raises
    ------
    InputError
        If it has none.
    """
    if limits is not None and not columns.has_levels():
        raise InputError(
            f"{columns.manifest.name}: its picture has no levels in dB; leave --range out"
        )
