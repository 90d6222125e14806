"""A module that filters audio: a whole signal is one block of a stream that begins in silence."""

from torch import Tensor

from amt_export.modules.base import AuditoryModule, as_batch


class AudioFilter(AuditoryModule):
    """A module with one input, `audio`, and one output over time, both defined by `step`."""

    def like(self) -> Tensor:
        """A tensor of the dtype that is computed in."""
        raise NotImplementedError

    def forward(self, audio: Tensor) -> Tensor:
        """Filter from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], in the unit of the input

        Returns
        -------
        Tensor [shape=(B, ..., T) or (..., T)], in the unit of the output
            In the dtype of the module.
        """
        signal = as_batch(audio, 2, self.like(), "audio")
        outputs, _ = self.step(signal, self.initial_states(signal.shape[0]))
        if audio.dim() == 1:
            return outputs[0].squeeze(0)
        return outputs[0]
