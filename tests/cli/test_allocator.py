"""Processes that build models keep their memory."""

import gc
import weakref

from amt_export.cli import allocator


class Node:
    """May refer to itself."""


def test_garbage_made_later_is_still_collected():
    allocator.tune_memory_management()
    node = Node()
    node.itself = node
    alive = weakref.ref(node)
    del node
    gc.collect()
    assert alive() is None


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
