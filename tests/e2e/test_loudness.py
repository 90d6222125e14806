"""A published loudness model: any length equals one run over the whole recording."""

import numpy as np
import pytest
import torch

from amt_export import runtime
from amt_export.errors import InputError
from amt_export.modules import Moore2016Loudness
from amt_export.runtime import phon
from amt_export.runtime.model import Model
from support.filters import SHORT

NAME = "moore2016_loudness_32k"
SAMPLES = SHORT[NAME]


@pytest.fixture(scope="module")
def model(published_onnx):
    return runtime.load(published_onnx(NAME))


def tone(level, samples, frequency=1000.0):
    """In Pa."""
    time = np.arange(samples) / 32000.0
    sine = np.sin(2.0 * np.pi * frequency * time)
    return (2.0**0.5 * 20e-6 * 10.0 ** (level / 20.0) * sine).astype(np.float32)


@torch.no_grad()
def eager(audio):
    """One run over the whole signal in float64."""
    module = Moore2016Loudness(specific=True, dtype=torch.float64)
    names = [port.name for port in module.output_ports]
    return {n: v.numpy() for n, v in zip(names, module(torch.from_numpy(audio)), strict=True)}


def noise(*shape):
    return (0.05 * np.random.default_rng(3).standard_normal(shape)).astype(np.float32)


def test_manifest(model):
    manifest = model.manifest
    assert [port.name for port in manifest.outputs] == [
        *("short_term", "long_term", "loudness", "specific")
    ]
    loudness = manifest.outputs[2]
    assert loudness.reduced_from == "long_term"
    assert loudness.reduction == "max of the sum over ears"
    assert (manifest.hop, manifest.frame_length, manifest.look_ahead) == (32, 0, 3071)
    stream = manifest.stream
    assert (stream.block, stream.skip, stream.latency) == (320, 95, 3072)
    assert [port.name for port in stream.outputs] == ["short_term", "long_term", "specific"]


@pytest.mark.parametrize("samples", [1, 33, 1000, SAMPLES, SAMPLES + 1, 9999])
def test_any_length_is_one_run_over_the_whole(model, samples):
    """Shorter ones end in silence, which has no part in the largest loudness."""
    audio = noise(2, samples)
    found, expected = model.process(audio), eager(audio)
    for name, value in expected.items():
        assert found[name].shape == value.shape
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5 * value.max())


def test_rows_of_a_batch(model):
    audio = noise(3, 2, 4000)
    audio[1] *= 0.1
    found = model.process(audio)
    assert found["loudness"].shape == (3,)
    assert found["specific"].shape == (3, 126, 2, 150)
    for row in range(3):
        alone = model.process(audio[row])
        for name, value in alone.items():
            np.testing.assert_array_equal(found[name][row], value)
    np.testing.assert_array_equal(found["loudness"], found["long_term"].sum(2).max(1))


@pytest.mark.parametrize(
    ("level", "sone", "level_phon"), [(40, 1.0000435, 40.0), (60, 4.1275118, 60.0)]
)
def test_published_loudness_through_file_and_stream(model, level, sone, level_phon):
    sound = tone(level, 41600)
    loudness = model.process(np.stack([sound, sound]))["loudness"]
    assert loudness == pytest.approx(sone, rel=1e-4)
    assert phon(loudness) == pytest.approx(level_phon, abs=0.2)


def test_stream_pushed_in_pieces(model):
    audio = noise(2, 5000)
    expected = eager(audio)
    with model.stream() as stream:
        pieces = [stream.push(audio[:, first : first + 777]) for first in range(0, 5000, 777)]
        pieces.append(stream.flush())
    for name in ("short_term", "long_term", "specific"):
        found = np.concatenate([piece[name] for piece in pieces])
        peak = expected[name].max()
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-5 * peak)


def test_without_a_stream_longer_signals_are_refused(model):
    alone = Model(model.manifest, model._backend)
    assert alone.process(noise(2, SAMPLES))["loudness"] > 0
    with pytest.raises(InputError, match="are all overlap"):
        alone.process(noise(2, SAMPLES + 1))


def test_mono_is_refused(model):
    with pytest.raises(InputError, match=r"needs shape \(2, T\) or \(B, 2, T\), got \(1, 4000\)"):
        model.process(noise(1, 4000))
