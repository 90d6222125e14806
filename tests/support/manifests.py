"""Manifests: the documented example, and one for audio of any layout."""

from __future__ import annotations

from amt_export.manifest import Manifest, Port


def port(name: str, shape: list[int], axes: list[str]) -> dict:
    """A port in Pa, as JSON has it."""
    return {"name": name, "shape": shape, "dtype": "float32", "unit": "Pa", "axes": axes}


# The documented example, with every kind of record in it.
EXAMPLE = {
    "schema": 2,
    "name": "gammatone_speech_16k",
    "module": "GammatoneFilterbank",
    "description": "30 channels, 20 µPa",
    "parameters": {"fc_range": [100.0, 8000.0], "fs": 16000},
    "precision": "float32",
    "batch": "static",
    "sampling_rate": 16000,
    "centre_frequencies": [100.0, 138.6141],
    "warm_up": 2000,
    "look_ahead": 0,
    "padding": "zero",
    "hop": 1,
    "frame_length": 1,
    "inputs": [port("audio", [1, 16000], ["batch", "time"])],
    "outputs": [port("subbands", [1, 2, 16000], ["batch", "channel", "time"])],
    "stream": {
        "block": 512,
        "latency": 0,
        "states": [
            {
                "input": "state_filter",
                "output": "next_state_filter",
                "shape": [1, 2, 8],
                "meaning": "filter memory",
                "dtype": "float32",
                "initial": 0.0,
            }
        ],
        "skip": 0,
        "inputs": [port("audio", [1, 512], ["batch", "time"])],
        "outputs": [port("subbands", [1, 2, 512], ["batch", "channel", "time"])],
    },
    "license": "MIT",
    "references": ["10.1016/0378-5955(90)90170-T"],
    "files": [
        {
            "path": "gammatone_speech_16k.onnx",
            "format": "onnx",
            "form": "whole",
            "bytes": 123,
            "sha256": "00",
            "reproducible": True,
        }
    ],
    "other_files": [{"path": "vectors.npz", "bytes": 7, "sha256": "01"}],
    "parity": [
        {
            "format": "onnx",
            "form": "whole",
            "provider": "CPUExecutionProvider",
            "output": "subbands",
            "kind": "relative",
            "worst": 3.1e-07,
            "signal": "sweep",
            "tolerance": 2e-06,
            "verified_by": "execution",
        }
    ],
    "versions": {"amt_export": "0.1.0"},
}

FS = 16000
MONO, STEREO = ("batch", "time"), ("batch", "ear", "time")


def manifest(axes=MONO, unit="Pa", fs=FS, parameters=None, name="audio") -> Manifest:
    shape = (1, 2, FS) if axes == STEREO else (1, FS)
    return Manifest(
        name="tiny",
        module="Tiny",
        description="",
        parameters=parameters or {},
        sampling_rate=fs,
        centre_frequencies=(),
        warm_up=0,
        hop=1,
        frame_length=1,
        inputs=(Port(name, axes, unit, shape=shape),),
        outputs=(),
        versions={},
    )
