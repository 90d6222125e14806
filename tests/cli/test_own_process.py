"""Calls that `bench` times in processes of their own."""

from __future__ import annotations

import os
import time
from functools import partial

import pytest

from amt_export.cli.own_process import OwnProcess, timed
from amt_export.errors import AmtExportError, MissingDependencyError


def writing_its_process(path):
    """Make a call that appends the number of its process."""

    def call():
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")

    return call


def failing(error):
    raise error


def sleeping(seconds):
    return partial(time.sleep, seconds)


def ending():
    return partial(os._exit, 3)


def nothing():
    return None


def test_all_calls_run_in_one_other_process(tmp_path):
    path = tmp_path / "processes"
    process = OwnProcess(partial(writing_its_process, path))
    assert process.there_is_one
    process.seconds(0.0)
    assert len(path.read_text().split()) == 1
    process.seconds(0.05)
    process.close()
    numbers = path.read_text().split()
    assert len(numbers) > 2, "others come before the one that is timed"
    assert len(set(numbers)) == 1
    assert int(numbers[0]) != os.getpid()


def test_one_call_is_timed():
    process = OwnProcess(partial(sleeping, 0.05))
    assert process.seconds(0.12) >= 0.05
    process.close()
    assert timed(partial(time.sleep, 0.05), 0.0) >= 0.05


def test_no_call_is_told_apart():
    process = OwnProcess(nothing)
    assert not process.there_is_one
    process.close()


def test_what_making_the_call_raises_is_raised():
    with pytest.raises(MissingDependencyError, match="needs torch"):
        OwnProcess(partial(failing, MissingDependencyError("m.pt needs torch")))


def test_a_process_that_ends_is_one_line():
    process = OwnProcess(ending)
    with pytest.raises(AmtExportError, match="ended with exit code 3"):
        process.seconds(0.0)
