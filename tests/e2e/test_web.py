"""examples/web, end to end: built, visited with headless Chromium, and compared with Python."""

import json
import os
import subprocess

import numpy as np
import pytest

from amt_export.manifest import load_manifest
from support.apps import EXAMPLES, answer, app_models, installed, program, worst

WEB = EXAMPLES / "web"


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """Build the page with the models, visit it; what was seen, and the folder of what was computed."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("two processes would build one page: run `make test-apps`")
    folders = app_models()
    for package in ("vite", "typescript", "onnxruntime-web", "playwright-core"):
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
    for model in seen["models"].values():
        assert model["verdict"] == "good"
        assert 0 < float(model["worst"]) < 4e-6
        assert f"worst difference {model['worst']} of peak" in model["status"]


def test_a_picture_appears_pauses_and_stands_still(visit):
    seen, _, _ = visit
    for model in seen["models"].values():
        assert model["before"]["colours"] < 50
        assert model["playing"]["status"].startswith("Listening to the sample")
        assert model["playing"]["colours"] > 1000
        assert 0.02 < model["playing"]["bright"] < 0.8
        assert " Hz: " in model["reading"]
        assert (model["paused"], model["stands"]) == ("Paused.", True)


def test_the_microphone_is_heard(visit):
    seen, _, _ = visit
    assert seen["microphone"]["status"] == "Listening to the microphone."
    assert seen["microphone"]["colours"] > 200  # beeps, once a second


def test_numbers_are_those_of_python(visit):
    seen, out, folders = visit
    for name, folder in folders.items():
        manifest = load_manifest(folder)
        audio = np.fromfile(out / f"{name}.audio.f32", np.float32)
        channels = len(manifest.centre_frequencies)
        found = np.fromfile(out / f"{name}.output.f32", np.float32).reshape(channels, -1)
        # Whole blocks only: nobody flushes a microphone.
        expected = answer(folder, audio)[:, : found.shape[1]]
        assert len(audio) == pytest.approx(6.698 * manifest.sampling_rate, rel=1e-3)
        assert len(audio) - found.shape[1] < manifest.stream.block
        difference = worst(found, expected)
        speed = len(audio) / manifest.sampling_rate / seen["models"][name]["seconds"]
        print(f"{name}: {difference:.1e} of peak off Python, {speed:.1f} times real time")
        assert difference < 1e-5  # the promise is 1e-4
        assert speed > 0.2  # a machine that does other things, too, says nothing about speed


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
    assert "do not trust the picture" in seen["wrong"]["status"]
    assert seen["foreigner"]["verdict"] == "bad"
    assert "not the one that was published" in seen["foreigner"]["status"]


def test_all_is_reached_by_keyboard_in_the_order_of_the_page(visit):
    seen, _, _ = visit
    assert seen["key"] == "Paused."  # by the space bar
    order = [name for name in seen["order"] if name != "BODY"]
    assert order[:7] == ["model", "sample", "open", "microphone", "loud", "channel", "SUMMARY"]


def test_it_works_offline_once_loaded(visit):
    seen, _, _ = visit
    assert seen["offline"].startswith("Ready. Verified here")
