"""Processes that build models keep their memory."""

import ctypes
import gc
import resource
import sys

import numpy as np
import pytest

from amt_export.cli import allocator

SIZE = 8 << 20  # bytes of an array


def page_faults() -> int:
    """How often the system had to hand out a page while some arrays came and went together."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        arrays = [np.ones(SIZE // 8) for _ in range(6)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_memory_that_was_used_once_stays():
    allocator.tune_memory_management()
    page_faults()
    assert page_faults() < SIZE // resource.getpagesize(), "not even one array's"


def test_what_was_imported_is_not_searched_for_garbage():
    allocator.tune_memory_management()
    assert gc.get_freeze_count() > len(sys.modules)


def test_garbage_is_searched_for_less_often():
    usual = gc.get_threshold()
    try:
        gc.set_threshold(700)
        allocator.tune_memory_management()
        gc.collect()
        before = gc.get_stats()[0]["collections"]
        kept = [[] for _ in range(10_000)]  # noqa: F841
        assert gc.get_stats()[0]["collections"] == before
    finally:
        gc.set_threshold(*usual)


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _name: object())
    allocator.tune_memory_management()
