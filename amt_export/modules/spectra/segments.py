"""Frames of the spectrum of Moore et al. (2016): 2048 samples each, named after the first of them."""

from amt_export.design.moore_spectrum import LENGTH
from amt_export.modules.framed import FramedModule


class SegmentedModule(FramedModule):
    """A module with frames of 2048 samples, the longest window.

    Attributes
    ----------
    hop_length : int
        Samples from one frame to the next.
    is_amt : bool
        The MATLAB toolbox has the last frame that fits as well; the documentation leaves it out.
    """

    hop_length: int
    is_amt: bool

    def frames(self, samples: int, length: int = LENGTH) -> int:
        """Number of frames of audio.

        Parameters
        ----------
        samples : int
            Of the audio.
        length : int
            Of a frame. A constant; TorchScript reads no globals.

        Raises
        ------
        ValueError
            If there is none.
        """
        count = (samples - length) // self.hop_length
        shortest = length + self.hop_length
        if self.is_amt:
            count, shortest = count + 1, length
        if count < 1:
            raise ValueError(f"audio has {samples} samples; one frame needs {shortest}")
        return count

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.hop_length

    def frame_length(self) -> int:
        """Samples for the first frame: there is one less than fit, but with "amt"."""
        return LENGTH + (0 if self.is_amt else self.hop_length)

    def look_ahead(self) -> int:
        """A frame stands at its first sample."""
        return LENGTH - 1

    def lead_frames(self) -> int:
        """Frames that begin before the audio does; with "amt" a block gives the last one that fits as well."""
        return super().lead_frames() - int(self.is_amt)

    def history_samples(self) -> int:
        """Samples before a block that its frames depend on."""
        return self.lead_frames() * self.hop_length

    def latency(self) -> int:
        """Samples after a frame's position that the stream needs: whole hops."""
        return super().lead_frames() * self.hop_length
