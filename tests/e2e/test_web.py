"""examples/web, end to end: built, visited with headless Chromium, and compared with Python."""

import json
import os
import subprocess

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

WEB = EXAMPLES / "web"
NAMES = (FRAMES, SAMPLES, LOUDNESS)


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """Build the page with the models, visit it; what was seen, and the folder of what was computed."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("two processes would build one page: run `make test-apps`")
    folders = [app_model(name) for name in NAMES]
    for package in ("vite", "typescript", "onnxruntime-web", "playwright-core", "amt-export"):
        installed("web", package)
    chromium = program("chromium", "chromium-browser", "google-chrome")
    node, npm = program("node"), program("npm")
    out = tmp_path_factory.mktemp("web")

    def run(*command):
        done = subprocess.run(
            command,
            cwd=WEB,
            env=os.environ | {"CHROMIUM": chromium},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(node, "scripts/copy-models.mjs", *map(str, folders))
    run(npm, "run", "build")
    seen = json.loads(run(node, "tests/e2e.mjs", str(out)))
    return seen, out, {folder.name: folder for folder in folders}


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
