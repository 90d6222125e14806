"""Install the wheels into clean environments and use them as a reader of the README does: `make test-wheels`.

    python scripts/test_wheels.py [--artifacts DIR] [--only app|torch|sdist|newer]

app    numpy, onnxruntime and what the README says to install: every code block of the README is run there, and
       every command that needs no torch; those that do must say so in one line
torch  the same with the extra `export`, without coremltools: `build` leaves Core ML out
sdist  unpacked, a few of its tests run
newer  both wheels in every newer Python that is on this machine

Builds the wheels first, of the published folders in DIR (default: artifacts). Without any, one model is built
for the purpose, and what the README does with others is left out, which the output says.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".venv-wheels"
DIST = WORK / "dist"
BUILT = ROOT / "build" / "wheels"
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"

# The recordings that the README speaks of.
RECORDINGS = ("speech.wav", "street.wav")
MODEL = "gammatone_speech_16k"
PACKAGE = "amt_export_models"

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
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class WheelError(Exception):
    """A command did not do what it should."""


class Environment:
    """A clean environment, and a folder of a user with recordings in it.

    Parameters
    ----------
    name : str
        Of the environment.
    python : str
        What makes it.
    """

    def __init__(self, name: str, python: str = sys.executable) -> None:
        folder = WORK / name
        shutil.rmtree(folder, ignore_errors=True)
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        if python == sys.executable:
            venv.create(folder / "venv", with_pip=True)
        else:
            subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        for recording in RECORDINGS:
            shutil.copy(SPEECH, self.home / recording)

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command as a user would, and return what it printed.

        Raises
        ------
        WheelError
            If it ends with another exit code.
        """
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != code:
            shown = " ".join(command)
            raise WheelError(f"{shown}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def variables(self) -> Mapping[str, str]:
        """Variables of the process: this environment first, and pip finds the wheels."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")
        }
        links = " ".join(filter(None, (DIST.as_uri(), inherited.get("PIP_FIND_LINKS"))))
        return {
            **inherited,
            "PATH": os.pathsep.join((str(self.bin), inherited.get("PATH", ""))),
            "PIP_FIND_LINKS": links,
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "MPLBACKEND": "agg",
            "COLUMNS": "80",
        }

    def python(self, code: str, expected: int = 0) -> str:
        """Run Python code."""
        return self.run("python", "-W", "ignore", "-c", code, code=expected)

    def amt(self, *arguments: str, code: int = 0) -> str:
        """Run amt-export."""
        return self.run("amt-export", *arguments, code=code)

    def needs_torch(self, *command: str) -> None:
        """Run what cannot work without torch, and see that one line says what to install.

        Raises
        ------
        WheelError
            If it says anything else.
        """
        last = self.run(*command, code=1).strip().splitlines()[-1]
        if "needs torch" not in last or "pip install 'amt_export[export]'" not in last:
            raise WheelError(f"{' '.join(command)}: says {last!r}")


def readme_blocks() -> Iterator[tuple[str, str]]:
    """Language and code of each block of the README that is for users: those that call make are not."""
    for language, code in FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if language in ("bash", "sh", "console", "python") and not re.search(r"^make ", code, re.M):
            yield language, code


def known_models() -> list[str]:
    """Names of all models in models/."""
    return [path.stem for path in (ROOT / "models").glob("*.toml")]


def run_readme(user: Environment) -> int:
    """Run the blocks of the README one after the other; return how many lines were run.

    Raises
    ------
    WheelError
        If one fails.
    """
    lines, unpacked = 0, None
    for language, code in readme_blocks():
        if unpacked is None and "pip install" not in code:
            raise WheelError("README.md: uses the package before it says how to install it")
        if unpacked is None:
            user.run("bash", "-ec", code)
            unpacked = set(user.amt("list", "--quiet").split())
            present = set(
                user.python("from amt_export import runtime; print(*runtime.models())").split()
            )
            lines += len(code.strip().splitlines())
            continue
        steps = [code] if language == "python" else code.strip().splitlines()
        for step in steps:
            absent = {name for name in known_models() if name in step} - present
            if absent:
                print(
                    f"  left out, as {', '.join(sorted(absent))} is not published: {step.strip()}"
                )
            elif language == "python":
                user.python(step)
                lines += len(step.strip().splitlines())
            else:
                user.run("bash", "-ec", step)
                lines += 1
    if unpacked is None:
        raise WheelError("README.md: has no block that installs the package")
    return lines


def test_app() -> None:
    """Without torch: the README, then every command."""
    user = Environment("app")
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


def test_torch() -> None:
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


def test_sdist() -> None:
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


def test_newer() -> None:
    """Both wheels in newer Pythons."""
    found = list(newer_pythons())
    for python in found:
        user = Environment(Path(python).name, python)
        # By their files, as long as there is no release on an index.
        program, models = (next(DIST.glob(f"{name}-*.whl")) for name in ("amt_export", PACKAGE))
        user.run("pip", "install", f"{program}[onnx,audio]", str(models))
        user.amt("run", MODEL, "speech.wav")
        print(f"  {user.run('python', '--version').strip()}: runs {MODEL}")
    if not found:
        print(f"  none of {', '.join(NEWER)} is on this machine")


PARTS = {"app": test_app, "torch": test_torch, "sdist": test_sdist, "newer": test_newer}


def build_wheels(artifacts: Path) -> None:
    """Build the wheels of what is published, or of one model that is built for it."""
    if not list(artifacts.glob("*/manifest.json")):
        artifacts = BUILT
        if not (BUILT / MODEL).is_dir():
            command = ["build", MODEL, "--format", "onnx", "--out", str(BUILT)]
            subprocess.run([sys.executable, "-m", "amt_export", *command], cwd=ROOT, check=True)
    shutil.rmtree(DIST, ignore_errors=True)
    command = [ROOT / "scripts" / "wheels.py", "--artifacts", artifacts, "--out", DIST, "--partial"]
    if subprocess.run([sys.executable, *command], check=False).returncode:
        sys.exit("the wheels could not be built")


def main() -> int:
    """Build, test the parts, and return 1 if one fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", metavar="DIR")
    parser.add_argument("--only", action="append", choices=PARTS)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # a log shows each part when it is done
    build_wheels(arguments.artifacts)
    failed = []
    for name in arguments.only or PARTS:
        started = time.monotonic()
        print(f"{name}:", flush=True)
        try:
            PARTS[name]()
        except WheelError as error:
            print(f"  failed: {error}", file=sys.stderr)
            failed.append(name)
        print(f"  {time.monotonic() - started:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "the wheels work")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
