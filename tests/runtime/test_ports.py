"""A manifest that says something else than its file is one error when it is opened, not the runtime's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from amt_export import runtime
from amt_export.errors import AmtExportError, ArtifactError

STATE = ("stream", "states", 0)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        (("inputs", 0), "name", "sound"),
        (("inputs", 0), "dtype", "float64"),
        (("inputs", 0), "shape", [1, 1999]),
        (("inputs", 0), "shape", [None, 2000]),
        (("outputs", 0), "name", "bands"),
        (("outputs", 0), "dtype", "float64"),
        (("stream", "inputs", 0), "name", "sound"),
        (("stream", "outputs", 0), "name", "bands"),
        (STATE, "input", "state_x"),
        (STATE, "output", "next_state_x"),
        (STATE, "shape", [7]),
        (STATE, "dtype", "float64"),
        (STATE, "initial", 1e308),
    ],
)
def test_a_disagreement_is_said_when_it_is_opened(place, key, value, small_stream, tmp_path):
    folder = Path(shutil.copytree(small_stream, tmp_path / "small"))
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    owner = content
    for step in place:
        owner = owner[step]
    owner[key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(AmtExportError) as caught, runtime.load(folder).stream():
        pass
    assert isinstance(caught.value, ArtifactError)
    assert "\n" not in str(caught.value)


def test_an_untouched_one_opens(small_stream):
    with runtime.load(small_stream).stream():
        pass
