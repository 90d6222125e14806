"""A tiny model of loudness by hand, and its manifest under names that no model of ours has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import helper

from amt_export.manifest import MANIFEST_NAME, Manifest, Port, load_manifest
from amt_export.manifest.ports import MAX_OF_EARS
from support.streams import BLOCK, publish

FS, HOP = 16000, 4
FC = (250.0, 1000.0, 4000.0)
WEIGHTS = np.float32([1.0, 2.0, 0.5])
"""Specific loudness of each channel, relative to the loudness now."""

FRAMES = BLOCK // HOP
NOW, SLOW = "quick", "slow"


def ports(frames: int, *, specific: bool = True) -> tuple[Port, ...]:
    """The outputs of a run of so many frames: the slow loudness is the quick one at half its height."""
    course = ("batch", "frame", "ear")
    slow = Port(SLOW, course, "sone", shape=(1, frames, 2))
    now = Port(NOW, course, "sone", shape=(1, frames, 2))
    density = Port("density", (*course, "channel"), "sone/Cam", shape=(1, frames, 2, len(FC)))
    return (slow, now, density) if specific else (slow, now)


def loudest() -> Port:
    return Port("loudest", ("batch",), "sone", shape=(1,), reduced_from=SLOW, reduction=MAX_OF_EARS)


def manifest(**fields) -> Manifest:
    """Of a model that gives frames of 0.25 ms at their samples."""
    return Manifest(
        name="tiny",
        module="Tiny",
        description="a tiny model",
        parameters={},
        sampling_rate=FS,
        centre_frequencies=FC,
        inputs=(Port("audio", ("batch", "ear", "time"), "Pa", shape=(1, 2, BLOCK)),),
        outputs=(*ports(FRAMES, specific=fields.pop("specific", True)), loudest()),
        versions={},
        **{"warm_up": 99999, "look_ahead": 50, "hop": HOP, "frame_length": HOP, **fields},
    )


def publish_loudness(folder: Path, *, specific: bool = True) -> Path:
    """Publish a stream: the quick loudness is the mean of 4 |samples|, in sone by decree."""
    nodes = [
        helper.make_node("Abs", ["audio"], ["magnitude"]),
        helper.make_node("Reshape", ["magnitude", "by_frame"], ["framed"]),
        helper.make_node("ReduceMean", ["framed", "last"], ["means"], keepdims=0),
        helper.make_node("Transpose", ["means"], [NOW], perm=[0, 2, 1]),
        helper.make_node("Mul", [NOW, "half"], [SLOW]),
        helper.make_node("Unsqueeze", [NOW, "last"], ["column"]),
        helper.make_node("Mul", ["column", "weights"], ["density"]),
        helper.make_node("Identity", ["state_age"], ["next_state_age"]),
    ]
    constants = {
        "by_frame": np.array([1, 2, FRAMES, HOP]),
        "last": np.array([3]),
        "half": np.float32(0.5),
        "weights": WEIGHTS,
    }
    if not specific:
        nodes = [node for node in nodes if node.output[0] not in ("column", "density")]
        del constants["weights"]
    outputs = ports(FRAMES, specific=specific)
    audio = Port("audio", ("batch", "ear", "time"), "Pa", shape=(1, 2, BLOCK))
    fields = {"hop": HOP, "frame_length": HOP}
    publish(folder, nodes, [audio], outputs, [("age", (1, 1))], constants, **fields)
    made = replace(load_manifest(folder), outputs=(*outputs, loudest()), centre_frequencies=FC)
    (folder / MANIFEST_NAME).write_text(made.to_json(), encoding="utf-8")
    return folder


def courses(audio: np.ndarray) -> dict[str, np.ndarray]:
    """What the tiny model answers to audio (2, T) in Pa, with the batch axis."""
    frames = audio.shape[-1] // HOP
    now = np.abs(audio[:, : frames * HOP]).reshape(2, frames, HOP).mean(axis=-1).T
    return {
        NOW: now[None],
        SLOW: 0.5 * now[None],
        "density": now[None, ..., None] * WEIGHTS,
        "loudest": np.array([0.5 * now.sum(axis=1).max(initial=0.0)]),
    }
