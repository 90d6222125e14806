"""Chains of modules have the frames of one of their stages."""

from amt_export.modules.base import AuditoryModule
from amt_export.modules.framed import FramedModule


class StageFrames(AuditoryModule):
    """A chain in which one stage makes the frames; those after it keep them."""

    def framing_stage(self) -> AuditoryModule:
        """That stage."""
        raise NotImplementedError

    def hop(self) -> int:
        """As the stage."""
        return self.framing_stage().hop()

    def frame_length(self) -> int:
        """As the stage."""
        return self.framing_stage().frame_length()

    def look_ahead(self) -> int:
        """As the stage."""
        return self.framing_stage().look_ahead()

    def padding(self) -> str:
        """As the stage."""
        return self.framing_stage().padding()

    def lead_frames(self) -> int:
        """As the stage."""
        return self.framing_stage().lead_frames()

    def latency(self) -> int:
        """As the stage."""
        return self.framing_stage().latency()


class StageFraming(StageFrames, FramedModule):
    """A chain whose first stage cuts the audio into frames; all others work frame by frame."""

    def framing_stage(self) -> FramedModule:
        """The first stage."""
        raise NotImplementedError

    def prepare_for_stream(self, block: int) -> None:
        """As the first stage."""
        self.framing_stage().prepare_for_stream(block)

    def warm_up(self) -> int:
        """As the first stage."""
        return self.framing_stage().warm_up()

    def history_samples(self) -> int:
        """As the first stage."""
        return self.framing_stage().history_samples()
