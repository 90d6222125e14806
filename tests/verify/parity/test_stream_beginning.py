"""Which frames a stream is compared in, when it hears the beginning of a signal."""

from dataclasses import replace

import pytest

from amt_export.verify.parity.streaming import comparable_frames
from support.manifests import manifest


@pytest.mark.parametrize(
    ("look_ahead", "frame_length", "heard", "frames"),
    [
        (0, 1, 200, 200),  # causal, sample by sample
        (99, 0, 200, 101),  # the last frames hear what comes behind
        (99, 0, 1000, 1001),  # all of the signal is heard
        (99, 100, 200, 101),  # frames that end with the signal
    ],
)
def test_frames_that_hear_no_more_than_the_stream(look_ahead, frame_length, heard, frames):
    one = replace(
        manifest(), hop=1, look_ahead=look_ahead, frame_length=frame_length, padding="zero"
    )
    assert comparable_frames(one, 1000, heard) == slice(0, frames)
