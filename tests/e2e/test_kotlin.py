"""examples/kotlin: compiled against declarations of Android's libraries, which cannot be had here."""

import subprocess

from support.apps import EXAMPLES, program


def test_it_compiles(tmp_path):
    compiler = program("kotlinc")
    kotlin = EXAMPLES / "kotlin"
    command = [compiler, kotlin / "Stream.kt", kotlin / "stubs", "-d", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "Stream.class").exists()
    assert "warning: Stream" not in done.stderr
