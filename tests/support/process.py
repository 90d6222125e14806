"""Programs that tests run, to their end."""

from __future__ import annotations

import subprocess


def ran(*command, **options) -> subprocess.CompletedProcess:
    """Run a program and keep what it prints, as text."""
    kept = {"capture_output": True, "text": True} | options
    return subprocess.run([*map(str, command)], check=False, **kept)


def succeeded(*command, **options) -> str:
    """Run a program that must end well; return its standard output."""
    done = ran(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
