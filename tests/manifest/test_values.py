"""Numbers that no manifest can hold are refused when it is read, and not where they would be used."""

import copy
import json
import math

import pytest

from amt_export.errors import ArtifactError
from amt_export.manifest import Manifest
from support.manifests import EXAMPLE


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("hop",), 0, "hop is 0, not between 1"),
        (("frame_length",), -1, "frame_length is -1"),
        (("warm_up",), -1, "warm_up is -1"),
        (("look_ahead",), 10**12, "look_ahead is 1000000000000"),
        (("sampling_rate",), math.nan, "sampling_rate is nan"),
        (("sampling_rate",), -5, "sampling_rate is -5"),
        (("outputs",), [], "inputs or outputs are missing"),
        (("inputs", 0, "dtype"), "float99", "audio has dtype 'float99'"),
        (("inputs", 0, "shape"), [1, 0], r"audio has the shape \(1, 0\)"),
        (("outputs", 0, "axes"), ["time"], "subbands has 3 sizes and 1 axes"),
        (("outputs", 0, "reduced_from"), "x", "subbands is reduced from 'x', which is no output"),
        (("stream", "block"), 0, "stream.block is 0"),
        (("stream", "latency"), -1, "stream.latency is -1"),
        (("stream", "skip"), 10**30, "stream.skip is 1000"),
        (("stream", "outputs", 0, "dtype"), "int8", "subbands has dtype 'int8'"),
        (("stream", "states", 0, "shape"), [1, -2, 8], "state_filter has the shape"),
    ],
)
def test_an_impossible_number_is_named(place, value, named):
    content = copy.deepcopy(EXAMPLE)
    *outer, last = place
    owner = content
    for key in outer:
        owner = owner[key]
    owner[last] = value
    with pytest.raises(ArtifactError, match=f"somewhere: {named}.*build the model again"):
        Manifest.from_json(json.dumps(content), "somewhere")
