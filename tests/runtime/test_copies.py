"""Models in other processes, and what they say of themselves."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle

import numpy as np
import pytest
import soundfile

from amt_export import runtime
from amt_export.errors import ArtifactError, AudioError, BackendError, InputError
from amt_export.runtime import Model
from support.runtime import LENGTH, fir, noise, publish_fir, rewrite


@pytest.fixture
def folder(tmp_path):
    return publish_fir(tmp_path / "fir")


def worker(model, audio):
    return model.process(audio)["subbands"]


def test_a_model_goes_to_a_spawned_process(folder):
    audio = noise(150)
    model = runtime.load(folder, intra_op_num_threads=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.starmap(worker, [(model, audio)])
    np.testing.assert_allclose(found, fir(audio), atol=1e-5)


def test_a_pickle_keeps_a_relative_folder(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    pickled = pickle.dumps(runtime.load(folder.name))
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickled).manifest.name == "tiny"


def test_a_folder_that_was_built_anew_is_another_model(folder):
    pickled = pickle.dumps(runtime.load(folder))
    rewrite(folder, warm_up=12)
    with pytest.raises(ArtifactError, match="was built anew since it was pickled; load it again"):
        pickle.loads(pickled)


def test_a_copy_of_a_model_is_the_model(folder):
    model = runtime.load(folder)
    assert copy.copy(model) is model
    assert copy.deepcopy({"a": model})["a"] is model


def test_a_model_made_by_hand_cannot_be_pickled(folder):
    model = runtime.load(folder)
    with pytest.raises(BackendError, match=r"not opened with runtime\.load"):
        pickle.dumps(
            Model(model.manifest, runtime.open_form(folder, model.manifest, "onnx", "whole"))
        )


def test_a_model_says_what_it_is(folder):
    model = runtime.load(folder)
    assert repr(model) == "<Model tiny: audio [Pa] at 16000 Hz -> subbands [Pa], freqs [Hz]>"
    rewrite(folder, hop=160, centre_frequencies=(1000.0, 2000.0))
    assert repr(runtime.load(folder)).endswith("freqs [Hz], 2 channels, a frame every 10 ms>")
    assert model.sampling_rate == 16000
    assert model.inputs == model.manifest.inputs
    assert model.outputs == model.manifest.outputs
    assert model.centre_frequencies == ()


# ---------------------------------------------------------------- files


def test_a_file_is_its_samples_in_the_unit_of_the_model(folder, tmp_path):
    samples = 0.1 * noise(500).astype(float)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="DOUBLE")
    model = runtime.load(folder)
    pascal = samples * np.sqrt(2) * 2e-5 * 10 ** (93.98 / 20)
    found = model.process_file(tmp_path / "a.wav")["subbands"]
    np.testing.assert_allclose(found[0], model.process(pascal)["subbands"], rtol=1e-6)
    loud = model.process_file(tmp_path / "a.wav", 65.0)["subbands"]
    at_65 = samples / np.std(samples) * 2e-5 * 10 ** (65 / 20)
    np.testing.assert_allclose(loud[0], model.process(at_65)["subbands"], rtol=1e-5, atol=1e-9)
    raw = model.process_file(tmp_path / "a.wav", raw=True)["subbands"]
    np.testing.assert_array_equal(raw[0], model.process(samples)["subbands"])


def test_a_file_that_is_not_all_there_is_warned_of_on_request_only(folder, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * noise(500), 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-200])
    model = runtime.load(folder)
    with pytest.raises(AudioError, match="200 of 1000 bytes of samples missing"):
        model.process_file(path)
    with pytest.warns(UserWarning, match="truncated"):
        assert model.process_file(path, truncated=True)["subbands"].shape == (1, 3, 400)


def test_velocity_is_no_recording(folder, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * noise(500), 16000)
    from dataclasses import replace

    port = runtime.load(folder).inputs[0]
    rewrite(folder, inputs=(replace(port, unit="m/s"),))
    model = runtime.load(folder)
    with pytest.raises(AudioError, match="takes m/s"):
        model.process_file(tmp_path / "a.wav")
    assert model.process(noise(LENGTH))["subbands"].shape == (3, LENGTH)  # arrays are in its unit


def test_process_file_names_its_options(folder):
    message = "^lvl: no such option; process_file takes level, full_scale, diotic, raw, truncated, remove_dc$"
    with pytest.raises(InputError, match=message):
        runtime.load(folder).process_file("a.wav", lvl=65)
