"""What is stored of each kind of model, and that pieces of outputs make the frames of the whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from onnx import helper

from amt_export.corpus import Extractor
from amt_export.corpus.frames import FrameReducer, frames_of
from amt_export.corpus.pieces import PieceRunner
from amt_export.errors import InputError
from amt_export.manifest import Port, load_manifest
from amt_export.runtime import frame_levels
from corpus.conftest import sound
from support.runtime import onnx_model, publish

STEP, LENGTH = 16, 16 * 101  # a window ends between two stored frames


@pytest.fixture(scope="module")
def loudness_model(tmp_path_factory):
    """Both ears: the mean of each millisecond, given as short-term and twice that as long-term loudness."""
    audio = Port("audio", ("batch", "ear", "time"), "Pa", shape=(1, 2, LENGTH))
    axes, shape = ("batch", "frame", "ear"), (1, LENGTH // STEP, 2)
    short = Port("short_term", axes, "sone", shape=shape)
    long = Port("long_term", axes, "sone", shape=shape)
    nodes = [
        helper.make_node(
            "AveragePool", ["audio"], ["mean"], kernel_shape=[STEP], strides=[STEP], pads=[0, 0]
        ),
        helper.make_node("Transpose", ["mean"], ["short_term"], perm=[0, 2, 1]),
        helper.make_node("Add", ["short_term", "short_term"], ["long_term"]),
    ]
    model = onnx_model(nodes, [audio], [short, long])
    return publish(
        tmp_path_factory.mktemp("loudness"),
        model,
        hop=STEP,
        frame_length=STEP,
        warm_up=0,
        look_ahead=STEP - 1,
        inputs=(audio,),
        outputs=(short, long),
    )


def test_loudness_is_that_of_both_ears_every_ten_milliseconds(loudness_model, tmp_path):
    audio = np.abs(np.stack([sound(0.5, 1), sound(0.5, 2)], axis=1))
    soundfile.write(tmp_path / "a.wav", audio, 16000, "FLOAT")
    extract = Extractor(loudness_model, quantity="loudness")
    assert extract.frames.columns == ("short_term", "long_term")
    assert extract.frames.unit == "sone"
    assert extract.frames.hop == 0.01
    (levels,) = extract({"path": [tmp_path / "a.wav"]})["levels"]
    means = (
        np.sqrt(2) * 2e-5 * 10 ** (93.98 / 20) * audio.sum(axis=1).reshape(-1, STEP).mean(axis=1)
    )
    expected = np.stack([means[::10], 2 * means[::10]], axis=1)
    np.testing.assert_allclose(levels, expected, rtol=1e-3)


def test_a_file_of_one_channel_is_no_sound_at_two_ears(loudness_model, tmp_path):
    soundfile.write(tmp_path / "mono.wav", np.abs(sound(0.5, 1)), 16000, "FLOAT")
    (error,) = Extractor(loudness_model)({"path": [tmp_path / "mono.wav"]})["error"]
    assert "the model has two ears" in error
    batch = Extractor(loudness_model, diotic=True)({"path": [tmp_path / "mono.wav"]})
    assert batch["error"] == [None]


def test_a_hop_of_loudness_is_a_multiple_of_its_frames(loudness_model):
    assert Extractor(loudness_model, hop=0.003).frames.step == 3
    with pytest.raises(InputError, match=r"a frame every 0.001 s: give a multiple"):
        Extractor(loudness_model, hop=0.0015)


def test_a_model_with_frames_of_its_own_gives_these(small_stream):
    manifest = load_manifest(small_stream)
    ears = tuple(
        Port(f"level_{ear}", ("batch", "frame", "channel"), "dB SPL", shape=(1, 20, 3), kind="db")
        for ear in ("left", "right")
    )
    manifest = replace(manifest, outputs=ears, hop=320, frame_length=320)
    frames = frames_of(manifest)
    assert frames.hop == 0.02
    assert frames.columns[::3] == ("left 500.0 Hz", "right 500.0 Hz")
    left, right = np.zeros((5, 3), np.float32), np.ones((5, 3), np.float32)
    rows = FrameReducer(frames).rows({"level_left": left, "level_right": right})
    np.testing.assert_array_equal(rows, np.hstack([left, right]))
    assert frames_of(manifest, 0.02) == frames
    with pytest.raises(InputError, match=r"frames of its own, 0.02 s apart"):
        frames_of(manifest, 0.01)


def test_what_is_no_level_is_refused(small_stream):
    manifest = load_manifest(small_stream)
    psd = Port("psd", ("batch", "frame", "frequency"), "Pa^2/Hz", shape=(1, 20, 9))
    with pytest.raises(InputError, match=r"gives psd \[Pa\^2/Hz\]"):
        frames_of(replace(manifest, outputs=(psd,)))


def test_pieces_of_subbands_make_the_frames_of_the_whole(small_stream):
    frames = frames_of(load_manifest(small_stream))
    subbands = np.random.default_rng(0).standard_normal((3, 5000)).astype(np.float32)
    reducer = FrameReducer(frames)
    cuts = [0, 1, 159, 160, 161, 1000, 1000, 3210, 5000]
    rows = [reducer.rows({"subbands": subbands[:, a:b]}) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(rows), frame_levels(subbands, 160).T)


def test_a_memory_longer_than_the_window_goes_through_the_stream(
    small_stream, tmp_path, monkeypatch
):
    soundfile.write(tmp_path / "a.wav", sound(1.0, 0), 16000)
    (expected,) = Extractor(small_stream)({"path": [tmp_path / "a.wav"]})["levels"]
    folder = shutil.copytree(small_stream, tmp_path / "model")
    manifest = replace(load_manifest(folder), warm_up=5000)
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    monkeypatch.setattr(PieceRunner, "_windowed", None)
    (levels,) = Extractor(folder)({"path": [tmp_path / "a.wav"]})["levels"]
    np.testing.assert_allclose(levels.astype(float), expected.astype(float), atol=0.07)
