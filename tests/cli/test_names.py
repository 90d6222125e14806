"""Names of models instead of folders, output for programs, and what is left out without a package."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from amt_export.cli.main import main
from amt_export.errors import MissingDependencyError
from amt_export.manifest import load_manifest
from support.cli import SMALL, amt, environment, failed, misused, noise, refused, without
from support.folders import keep_only
from support.process import ran


@pytest.fixture
def here(built, monkeypatch):
    """The folder with models/small.toml and artifacts/small, as the working directory."""
    monkeypatch.chdir(built)
    return built


# ---------------------------------------------------------------- names


def test_info_takes_a_name_and_prints_the_manifest(here, capsys):
    folder = here / "artifacts" / "small"
    assert main(["info", "small"]) == 0
    text = capsys.readouterr().out
    assert "small: three channels" in text
    assert f"\nfolder: {folder}\n" in text  # on a line of its own, to be copied
    assert main(["info", "small", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document.pop("folder") == str(folder)
    assert document == json.loads(load_manifest(folder).to_json())


def test_info_of_a_single_file_names_no_folder(here, capsys):
    assert main(["info", "artifacts/small/small.onnx", "--json"]) == 0
    assert "folder" not in json.loads(capsys.readouterr().out)


def test_lint_and_report_take_what_is_published(here, capsys, tmp_path):
    assert main(["lint", "small"]) == 0
    assert "0 errors" in capsys.readouterr().out
    page = tmp_path / "parity.html"
    assert main(["report", "-o", str(page)]) == 0
    assert "small" in page.read_text(encoding="utf-8")


def test_run_takes_a_name(here, wav, tmp_path, capsys):
    recording, result = wav(noise(500)), tmp_path / "result.npz"
    assert main(["run", "small", str(recording), "-o", str(result), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert np.load(result)["subbands"].shape[-1] == 500
    for command in ("run", "live"):
        error = failed(capsys, command, "samll", recording)
        assert "samll: no such model; did you mean 'small'?" in error


def test_triton_takes_a_name(here, tmp_path, capsys):
    assert main(["triton", "small", "--out", str(tmp_path / "repository")]) == 0
    assert (tmp_path / "repository" / "small").is_dir()
    error = failed(capsys, "triton", "samll", "--out", tmp_path / "other")
    assert "did you mean 'small'?" in error


def test_check_takes_a_name_and_answers_in_json(here, capsys):
    assert main(["check", "small", "samll", "--vectors-only", "--json"]) == 1
    output = capsys.readouterr()
    good, bad = json.loads(output.out)
    assert (good["model"], good["folder"], good["error"]) == ("small", "artifacts/small", "")
    assert {row["format"] for row in good["vectors"]} >= {"onnx", "torchscript"}
    assert good["eager"] == []
    assert {"what": "comparison with eager torch", "reason": "left out, as asked"} in good[
        "not_run"
    ]
    assert "did you mean 'small'?" in bad["error"]
    assert "did you mean 'small'?" in output.err


def test_bench_answers_in_json(here, capsys, tmp_path):
    folder = tmp_path / "small"
    shutil.copytree("artifacts/small", folder)
    keep_only(folder, "onnx")
    assert main(["bench", str(folder), "--repeats", "1", "--no-peer", "--json"]) == 0
    (measured,) = json.loads(capsys.readouterr().out)
    (artifact,) = measured["artifacts"]
    assert (measured["model"], measured["audio_seconds"]) == ("small", 2000 / 16000)
    assert artifact["format"] == "onnx"
    assert artifact["bytes"] == load_manifest(folder).entry("onnx").bytes
    assert 0 < artifact["seconds"] < 10
    assert artifact["peak_memory"] > 10e6
    assert artifact["parity"]["worst"] <= artifact["parity"]["tolerance"]
    assert (measured["streams"], measured["torch_amt"]) == ([], None)


def test_bench_says_once_what_every_model_lacks(here, tmp_path):
    blocked = without(tmp_path, "torch")
    models = ("small", "artifacts/small")
    done = amt("bench", *models, "--repeats", "1", "--no-peer", cwd=here, first=[blocked])
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "amt-export: warning: not run: torchscript, exported_program: needs torch (no torch"
    )
    assert line.endswith("pip install 'amt_export[export]'")


# ---------------------------------------------------------------- without torch


@pytest.mark.parametrize("module", ["amt_export.erb", "amt_export.modules"])
def test_modules_say_in_one_line_that_they_need_torch(module, tmp_path):
    blocked = environment(without(tmp_path, "torch"))
    done = ran(sys.executable, "-c", f"import {module}", env=blocked)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith(f"{module} needs torch (no torch here): pip install 'amt_export[export]'")


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("info", "small"),
        ("check", "small", "--vectors-only"),
        ("report", "-o", "page.html"),
    ],
    ids=" ".join,
)
def test_what_apps_need_works_without_torch(arguments, here, tmp_path):
    arguments = [tmp_path / word if word == "page.html" else word for word in arguments]
    blocked = without(tmp_path, "torch", "onnx", "onnxscript", "coremltools", "scipy", "matplotlib")
    done = amt(*arguments, cwd=here, first=[blocked])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [("build", "small"), ("diff", "small", "--format", "onnx")], ids=" ".join
)
def test_what_needs_torch_says_how_to_install_it(arguments, here, tmp_path):
    line = refused(amt(*arguments, cwd=here, first=[without(tmp_path, "torch")]))
    assert "needs torch (no torch here): pip install 'amt_export[export]'" in line


# ---------------------------------------------------------------- build


def test_build_without_a_name_builds_own_models_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "there is no model file in models/; name a model" in misused(capsys, "build")


@pytest.fixture
def no_coremltools(monkeypatch):
    """As where coremltools is not installed."""
    from amt_export.cli.commands import build

    def require(name, extra, purpose):
        if name == "coremltools":
            message = f"{purpose} needs coremltools (none): pip install 'amt_export[{extra}]'"
            raise MissingDependencyError(message)

    monkeypatch.setattr(build, "require", require)


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "small.toml"
    text = SMALL.replace("[parity]", '[export]\nformats = ["onnx", "coreml"]\n\n[parity]')
    path.write_text(text, encoding="utf-8")
    return path


def test_a_build_without_coremltools_leaves_core_ml_out(
    model_file, no_coremltools, capsys, tmp_path
):
    out = tmp_path / "out"
    assert main(["build", str(model_file), "--out", str(out), "--samples", "200"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Core ML is left out: Building Core ML packages needs coremltools")
    assert first.endswith("pip install 'amt_export[coreml]'")
    # One line a model where nobody watches.
    assert second.startswith(f"published {out / 'small'}: 1 artifact, ")
    assert "allowed (" in second
    assert last == f"1 model, 1 artifact published in {out}"
    assert {entry.format for entry in load_manifest(out / "small").files} == {"onnx"}


def test_core_ml_that_was_asked_for_is_not_left_out(model_file, no_coremltools, capsys, tmp_path):
    out = tmp_path / "out"
    assert main(["build", str(model_file), "--format", "coreml", "--out", str(out)]) == 1
    output = capsys.readouterr()
    assert "pip install 'amt_export[coreml]'" in output.err
    assert not out.exists()


def test_quiet_leaves_errors_and_exit_codes(model_file, capsys, tmp_path):
    options = ["--format", "onnx", "--samples", "200", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["build", str(model_file), *options]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
    assert main(["check", str(tmp_path / "gone"), "-q"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("amt-export: error: ")
    assert main(["list"]) in (0, 1)
    assert capsys.readouterr().out, "only for the command that was asked to be quiet"


def test_quiet_shows_no_bar_on_a_terminal(monkeypatch):
    from rich.console import Console

    from amt_export.cli.terminal import progress
    from amt_export.cli.terminal.quiet import silenced

    shown = io.StringIO()
    monkeypatch.setattr(progress, "errors", lambda: Console(file=shown, force_terminal=True))
    with silenced(), progress.bar("model") as report:
        report("exporting", 0.5)
    assert shown.getvalue() == ""
    with progress.bar("model") as report:
        report("exporting", 0.5)
    assert "exporting" in shown.getvalue()


# ---------------------------------------------------------------- completion


def completions(line, cwd):
    """What the Tab key offers behind a line, asked as argcomplete's shell script asks."""
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(cwd / "completions"),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    code = "import sys; from amt_export.cli.main import main; sys.argv[0] = 'amt-export'; main()"
    subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment() | asked, check=False)
    return {word.strip() for word in (cwd / "completions").read_text().split("\n")}


def test_the_tab_key_offers_commands_names_choices_and_files(built, tmp_path):
    cwd = tmp_path / "here"
    cwd.mkdir()
    (cwd / "artifacts").symlink_to(built / "artifacts")
    (cwd / "speech.wav").write_bytes(b"")
    assert completions("amt-export be", cwd) == {"bench"}
    assert completions("amt-export info sm", cwd) == {"small"}
    assert completions("amt-export build gammatone_s", cwd) == {"gammatone_speech_16k"}
    assert completions("amt-export build --format o", cwd) == {"onnx"}
    assert completions("amt-export check --v", cwd) == {"--vectors-only"}
    assert completions("amt-export info sp", cwd) == {"speech.wav"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "amt-export" in capsys.readouterr().out


def test_completion_knows_no_other_shell(capsys):
    assert "did you mean 'bash'?" in misused(capsys, "completion", "bsh")
