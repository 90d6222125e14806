"""Results as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from amt_export import plot
from amt_export.cli.sinks.sink import Account, Outputs, frames_of
from amt_export.cli.terminal.files import replacing
from amt_export.plot.columns import columns_for
from amt_export.runtime.axes import is_timed


class PictureSink:
    """Gathers the columns of a picture, and draws it.

    Parameters
    ----------
    path : Path
        ``OUT.png``.
    account : Account
        Of the recording.

    Raises
    ------
    InputError
        If the model has no output that can be drawn.
    """

    def __init__(self, path: Path, account: Account) -> None:
        manifest, recording = account.manifest, account.recording
        frames = frames_of(manifest, recording.samples)
        timed = {port.name: frames for port in manifest.outputs if is_timed(port)}
        self._path, self._recording = path, recording
        self._columns = columns_for(manifest, recording.fs, timed, recording.samples)

    def __enter__(self) -> Self:
        return self

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:
        """See `Sink`."""
        self._columns.add(audio, outputs)

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            return
        with replacing(self._path) as temporary:
            figure = plot.picture(self._columns, self._recording.fs, self._recording.name)
            plot.save(figure, temporary)
