"""Recordings good and bad, and an extractor of a small model."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from amt_export import corpus
from amt_export.corpus import Extractor


def sound(seconds: float, seed: int, fs: int = 16000) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * fs))


@pytest.fixture
def recordings(tmp_path):
    """Nine recordings of 0.3 to 0.7 s, one of another rate and one of two channels."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for k in range(7):
        soundfile.write(folder / f"{k}.wav", sound(0.3 + 0.05 * k, k), 16000)
    soundfile.write(folder / "7.flac", sound(0.4, 7, 22050), 22050)
    soundfile.write(folder / "8.wav", np.stack([sound(0.4, 8), sound(0.4, 9)], 1), 16000)
    return folder


@pytest.fixture
def extract(small_stream):
    return Extractor(small_stream)


SECOND = 1 / 60


@pytest.fixture
def planned(recordings):
    """Four shards."""
    return corpus.plan([recordings], minutes=1.2 * SECOND)


@pytest.fixture
def plan_file(planned, tmp_path):
    corpus.write_plan(planned, tmp_path / "plan.parquet")
    return tmp_path / "plan.parquet"
