"""The code blocks of README.md, run one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_trials.environment import ROOT, Environment, WheelError

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
