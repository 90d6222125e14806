"""A clean environment, and the folder of a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".venv-wheels"
DIST = WORK / "dist"
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"

# The recordings that the README speaks of.
RECORDINGS = ("speech.wav", "street.wav")


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
    **variables : str
        Variables of what runs in it.
    """

    def __init__(self, name: str, python: str = sys.executable, **variables: str) -> None:
        self.extra = variables
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
        variables = self.variables()
        if any("pip install" in word for word in command):
            variables.pop("PYTHONWARNINGS", None)  # pip's warnings are not ours
        done = subprocess.run(
            command,
            cwd=self.home,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != code:
            shown = " ".join(command)
            raise WheelError(f"{shown}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def variables(self) -> dict[str, str]:
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
            **self.extra,
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
