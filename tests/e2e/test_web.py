"""examples/web, end to end: built, visited with headless Chromium, and compared with Python."""

import json
import os

import numpy as np
import pytest

from amt_export.manifest import load_manifest
from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    SAMPLES,
    answer,
    app_model,
    installed,
    program,
)
from support.process import succeeded

WEB = EXAMPLES / "web"
NAMES = (FRAMES, SAMPLES, LOUDNESS)


@pytest.fixture(scope="module")
def built():
    """Build the page with the models; a function that runs a command there, and the folders of the models."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("two processes would build one page: run `make test-apps`")
    folders = [app_model(name) for name in NAMES]
    for package in ("vite", "typescript", "onnxruntime-web", "playwright-core", "ws", "amt-export"):
        installed("web", package)
    chromium = program("chromium", "chromium-browser", "google-chrome")
    node, npm = program("node"), program("npm")

    def run(*command):
        return succeeded(*command, cwd=WEB, env=os.environ | {"CHROMIUM": chromium})

    run(node, "scripts/copy-models.mjs", *folders)
    run(npm, "run", "build")
    return run, {folder.name: folder for folder in folders}


@pytest.fixture(scope="module")
def visit(built, tmp_path_factory):
    """Visit the page; what was seen, and the folder of what was computed."""
    run, folders = built
    out = tmp_path_factory.mktemp("web")
    return json.loads(run("node", "tests/e2e.mjs", out)), out, folders


@pytest.fixture(scope="module")
def service(built):
    """Visit the page with a stand-in for examples/service; what was seen and sent."""
    run, _ = built
    return json.loads(run("node", "tests/service.mjs"))


def test_nothing_goes_wrong_and_nothing_comes_from_elsewhere(visit):
    seen, _, folders = visit
    assert seen["errors"] == []
    assert seen["foreign"] == []
    assert list(seen["models"]) == list(folders)


def test_each_model_is_verified_on_the_page(visit):
    seen, _, _ = visit
    for name, model in seen["models"].items():
        assert model["verdict"] == "good"
        assert 0 < float(model["worst"]) < (1e-3 if name == FRAMES else 1e-5)
        assert f"worst difference {model['worst']} " in model["status"]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_appears_and_pauses(visit, name):
    seen, _, _ = visit
    model = seen["models"][name]
    assert model["before"]["colours"] < 50
    assert model["playing"]["status"].startswith("Listening to the sample")
    assert model["playing"]["colours"] > 100
    assert 0.002 < model["playing"]["bright"] < 0.8
    assert " Hz: " in model["reading"]
    unit = {SAMPLES: "dB SPL", FRAMES: "dB re 1 m/s", LOUDNESS: "sone/Cam"}[name]
    assert model["reading"].endswith(unit)
    assert model["paused"] == "Paused."
    assert model["loudness"] == (name == LOUDNESS)


def test_loudness_is_shown_in_sone_and_phon(visit):
    seen, _, _ = visit
    model = seen["models"][LOUDNESS]
    assert (
        5 < model["sone"] <= model["maximum-sone"] < 60
    )  # loud speech, at 94 dB SPL of full scale
    assert 60 < model["phon"] <= model["maximum-phon"] < 105


def test_the_level_of_full_scale_is_kept_and_heard(visit):
    seen, _, _ = visit
    assert seen["level"] == "113.98"
    assert seen["gain"] / seen["usual"] == pytest.approx(10.0, rel=1e-6)


def test_the_microphone_is_heard(visit):
    seen, _, _ = visit
    assert seen["microphone"]["status"] == "Listening to the microphone."
    assert seen["microphone"]["colours"] > 100  # beeps, once a second


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_those_of_python(visit, name):
    _, out, folders = visit
    manifest = load_manifest(folders[name])
    audio = np.fromfile(out / f"{name}.audio.f32", np.float32)
    if "ear" in manifest.inputs[0].axes:
        audio = audio.reshape(2, -1)
    assert audio.shape[-1] == pytest.approx(manifest.sampling_rate, rel=1e-3)
    expected = answer(folders[name], audio)[manifest.outputs[0].name]
    found = np.fromfile(out / f"{name}.output.f32", np.float32).reshape(expected.shape)
    difference = np.abs(found - expected).max()
    if manifest.outputs[0].kind == "db":
        assert difference < 1e-3
    else:
        assert difference < 2e-6 * np.abs(expected).max()


def test_files_are_read_or_complained_about(visit):
    seen, _, _ = visit
    assert seen["files"] == [
        "This is no audio file that the browser can read.",
        "Listening to mine.wav.",
        "Listening to dropped.wav.",
    ]


def test_a_wrong_model_is_told(visit):
    seen, _, _ = visit
    assert seen["wrong"]["verdict"] == "bad"
    assert "do not trust what is shown" in seen["wrong"]["status"]
    assert "is not the file that was published" in seen["foreigner"]["status"]


def test_all_is_reached_by_keyboard_in_the_order_of_the_page(visit):
    seen, _, _ = visit
    assert seen["key"] == "Paused."  # by the space bar
    order = [name for name in seen["order"] if name != "BODY"]
    expected = ["model", "sample", "open", "microphone", "loud", "channel", "level", "SUMMARY"]
    assert order[:8] == expected


def test_it_works_offline_once_loaded(visit):
    seen, _, _ = visit
    assert seen["offline"].startswith("Ready. Verified here")


def test_a_service_is_told_from_a_model_of_this_device(service):
    local, ready, host = service["local"], service["ready"], f"127.0.0.1:{service['port']}"
    assert service["errors"] == []
    assert local["claim"].endswith("no sound leaves it.")
    assert ready["claim"].endswith(f"the sound goes to ws://{host}/stream.")
    assert (local["verdict"], local["verdict-label"]) == ("good", "Verified here")
    assert (ready["verdict-label"], ready["worst"]) == ("Computed by", "four_channels_16k")
    assert ready["vectors"] == f"at {host}; not verified on this device"
    assert (ready["channels"], ready["delay"]) == ("4 channels", "20 ms")
    assert local["level"] == {"value": "113.98", "disabled": False, "why": ""}
    assert ready["level"]["value"] == "100"  # the service's
    assert ready["level"]["disabled"]
    assert host in ready["level"]["why"]


def test_a_service_gets_the_whole_recording_and_its_frames_are_drawn(service):
    assert service["reading"] == "1000 Hz: 40 dB SPL"
    assert service["end"]["status"] == "The end of the sample, speech_22k.wav."
    assert service["end"]["answers"].endswith(" ms")
    sent = service["sent"]["stream"]
    assert sent["samples"] == pytest.approx(6.698 * 16000, abs=512)
    assert 0.3 < sent["peak"] < 1  # relative to full scale: calibration is the service's
    assert sent["ends"] == 1
    assert sent["connections"] == 2  # the first one asked what the service gives
    assert service["sent"]["small"]["most"] == 2048  # bytes of a message, as the service wants them


def test_loudness_of_a_service_is_drawn_from_two_ears(service):
    assert service["sones"] == ["4.0", "60", False]  # and no picture, of which there are no columns
    assert service["sent"]["loudness"]["pairs"]  # left and right in turns
    assert service["sent"]["loudness"]["connections"] == 3


FAILURES = {
    "refused": "Cannot connect to ws://127.0.0.1:9/stream",
    "address": "begins with ws:// or wss://",
    "full": "are taken; try again later",
    "chat": "is not the description",
    "next": "is not the description",
    "phase": "which this page cannot draw",
    "dense": "which this page cannot draw",
    "changed": "has changed",
    "bad": "refused the sound: sample 7 is not finite.",
    "odd": "frames of a wrong length",
    "lost": "was lost; start again, or choose another model.",
    "idle": "has closed the connection: nothing came for 30 s.",
    "slow": "The service or the network is too slow; some sound is dropped.",
}


@pytest.mark.parametrize("path", FAILURES)
def test_what_fails_is_told_in_one_line(service, path):
    assert FAILURES[path] in service["failed"][path]
    assert service["disabled"]  # nothing can be played to no service


def test_one_goes_on_with_a_model_of_this_device(service):
    assert service["again"] == service["local"]
    assert service["drawn"]["colours"] > 100
    assert service["fresh"].startswith("Ready. Verified here")  # a service is never used unasked
    assert service["kept"].endswith("/silent")
