"""The parts of the trial: without torch, with it, the sdist, newer Pythons."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from wheel_trials.environment import DIST, WORK, Environment, WheelError
from wheel_trials.readme import run_readme

MODEL = "gammatone_speech_16k"

# Tests that need neither minutes nor published models, but files of every kind that the sdist must hold.
SDIST_TESTS = (
    "tests/test_erb.py",
    "tests/model_file/test_spec.py",
    "tests/manifest/test_schema1.py",
    "tests/runtime/test_lookup.py",
)
NEWER = ("python3.12", "python3.13", "python3.14")
# Where pyenv keeps Pythons that are not on the path.
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"


def use_without_torch(user: Environment) -> None:
    """Run the README, then every command.

    Raises
    ------
    WheelError
        If one does not do what it should.
    """
    print(f"  README.md: {run_readme(user)} lines")
    user.python("import torch", expected=1)
    code = "from amt_export import runtime\nfor n in runtime.models(): runtime.load(n); print(n)"
    names = user.python(code).split()
    print(f"  {len(names)} models open by their names")
    listed = user.amt("list")
    for name in names:
        if not re.search(rf"^{name} .* pip ", listed, re.M):
            raise WheelError(f"list: does not say that {name} is installed\n{listed}")
    for arguments in (
        ("list", "--json"),
        ("info", MODEL),
        ("info", MODEL, "--json"),
        ("check", MODEL, "--vectors-only"),
        ("report", "--output", "parity.html"),
        ("run", MODEL, "speech.wav", "-o", "speech.npz"),
        ("bench", MODEL, "--repeats", "1"),
    ):
        user.amt(*arguments)
    if "live draws on a terminal" not in user.amt("live", MODEL, "speech.wav", code=1):
        raise WheelError("live: does not get as far as its terminal")
    if "no numbers compared" not in " ".join(user.amt("check", MODEL).split()):
        raise WheelError("check: does not say that the wheel holds no test vectors")
    for command in (
        ("amt-export", "build", MODEL),
        ("amt-export", "diff", MODEL, "--format", "onnx"),
        ("python", "-c", "import amt_export.erb"),
        ("python", "-c", "import amt_export.modules"),
    ):
        user.needs_torch(*command)
    print("  commands without torch work, the others say what to install")


def try_app() -> None:
    """Without torch: the README, then every command."""
    use_without_torch(Environment("app"))


def try_torch() -> None:
    """With torch and without coremltools: build, check, and use what was built."""
    user = Environment("torch")
    # By itself first: a build for the CPU where there is one, instead of gigabytes for a GPU.
    user.run("pip", "install", "torch==2.13.0")
    user.run("pip", "install", "amt_export[export,audio]", "amt_export_models")
    user.python("import coremltools", expected=1)
    built = user.amt("build", MODEL, "--samples", "2000")
    if (
        "Core ML is left out" not in built
        or f"published artifacts/{MODEL}: 6 artifacts" not in built
    ):
        raise WheelError(f"build: says\n{built}")
    last = user.amt("build", MODEL, "--format", "coreml", code=1).strip().splitlines()[-1]
    if "pip install 'amt_export[coreml]'" not in last:
        raise WheelError(f"build --format coreml: says {last!r}")
    user.amt("check", MODEL)
    user.amt("run", MODEL, "speech.wav")
    user.python(
        "from amt_export import erb, modules, runtime; "
        f"assert runtime.load({MODEL!r}).inputs[0].shape == (1, 2000), 'own artifacts come first'"
    )
    print("  build, check and run work without coremltools")


def try_sdist() -> None:
    """Unpack the sdist and run tests in it, with the packages of this environment."""
    (path,) = DIST.glob("*.tar.gz")
    folder = WORK / "sdist"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SDIST_TESTS]
    variables = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        command, cwd=source, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WheelError(f"sdist: tests fail\n{done.stdout}{done.stderr}")
    print(f"  {done.stdout.strip().splitlines()[-1]}")


def newer_pythons() -> Iterator[str]:
    """Paths of newer Pythons on this machine, one of each version."""
    for name in NEWER:
        candidates = [shutil.which(name), *sorted(PYENV.glob(f"*/bin/{name}"))]
        for python in map(str, filter(None, candidates)):
            # A name on the path may be one of pyenv's that stands for nothing.
            if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
                yield python
                break


def try_newer() -> None:
    """What needs no torch, in newer Pythons; warnings are errors there, so that deprecations are seen."""
    found = list(newer_pythons())
    for python in found:
        user = Environment(Path(python).name, python, PYTHONWARNINGS="error")
        print(f"  {user.run('python', '--version').strip()}:")
        use_without_torch(user)
    if not found:
        print(f"  none of {', '.join(NEWER)} is on this machine")


PARTS = {"app": try_app, "torch": try_torch, "sdist": try_sdist, "newer": try_newer}
