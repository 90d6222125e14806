"""A published folder appears as a whole: staged beside its place, written to disk, exchanged in one step.

Builds stage in hidden folders and lock them. The folder of a killed build has no lock, and the next build
removes it. Where the system cannot exchange two folders in one step, the old one is moved aside
first, and moved back by whoever looks next if the new one did not arrive.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from amt_export.manifest.safe_files import is_safe_name

fcntl: Any = None  # Windows has other locks; there nothing is removed
with suppress(ImportError):
    fcntl = importlib.import_module("fcntl")

BUILDING = ".building-"
STAGING = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9._-]*\.building-[a-z0-9_]{8}")
PREVIOUS = ".previous"
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux, linux/fcntl.h and linux/fs.h


@contextmanager
def staging(out: Path, name: str) -> Iterator[Path]:
    """An empty hidden folder below `out` that is removed in the end. It repairs what killed builds left first.

    Raises
    ------
    OSError
        If `out` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Named before it is made: whenever an interruption comes, the folder is removed.
    folder = out / f".{name}{BUILDING}{secrets.token_hex(4)}"
    held = None
    try:
        with _locked(out, wait=True):
            _sweep(out)
            _restore(out)
            folder.mkdir(mode=0o700)
            held = _hold(folder, wait=False)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def put_in_place(folder: Path, target: Path) -> None:
    """Write a folder to disk and put it in the place of another one, or where there was none.

    Parameters
    ----------
    folder : Path
        On the same disk; holds what was at `target` afterwards, or is gone.
    target : Path

    Raises
    ------
    OSError
        If that fails; then everything is as before.
    """
    _sync_tree(folder)
    if not target.exists():
        folder.rename(target)
    elif not _exchange(folder, target):
        with _locked(target.parent, wait=True):
            _replace_in_two_steps(folder, target)
    _sync(target.parent)


def repair(out: Path) -> None:
    """Move back a folder that a killed build had moved aside; `staging` does so too."""
    with suppress(OSError), _locked(out, wait=False) as held:
        if held:
            _restore(out)


def _replace_in_two_steps(folder: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}{PREVIOUS}")
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)
    try:
        folder.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(folder: Path, target: Path) -> bool:
    """Exchange two folders in one step. False where the system or the file system cannot."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = (os.fsencode(folder), os.fsencode(target))
    if function(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(target))


def _sweep(out: Path) -> None:
    """Remove staging folders that no build holds."""
    if fcntl is None:
        return
    for folder in out.iterdir():
        if STAGING.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
            held = _hold(folder, wait=False)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _restore(out: Path) -> None:
    """Bring back folders that were moved aside and not replaced."""
    for aside in out.glob(f".*{PREVIOUS}"):
        target = aside.with_name(aside.name.removeprefix(".").removesuffix(PREVIOUS))
        ours = is_safe_name(target.name) and aside.is_dir() and not aside.is_symlink()
        if ours and not os.path.lexists(target):
            aside.rename(target)


@contextmanager
def _locked(folder: Path, wait: bool) -> Iterator[bool]:
    """Lock a folder against other builds; yields whether that succeeded."""
    held = _hold(folder, wait)
    try:
        yield held is not None or fcntl is None
    finally:
        if held is not None:
            os.close(held)


def _hold(folder: Path, wait: bool) -> int | None:
    """Lock a folder until the descriptor is closed or the process ends; None if somebody holds it."""
    if fcntl is None:
        return None
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # locked by somebody, or a file system without locks: then nothing is removed
        os.close(opened)
        return None
    return opened


def _sync_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            _sync(Path(parent) / name)
        _sync(Path(parent))


def _sync(path: Path) -> None:
    """Flush a file or folder to disk, where the system can."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
