"""Processes that build models keep their memory."""

import gc
import weakref

from amt_export.cli import allocator as long_work


class Node:
    """May refer to itself."""


def test_garbage_made_later_is_still_collected():
    long_work.prepare_for_long_work()
    node = Node()
    node.itself = node
    alive = weakref.ref(node)
    del node
    gc.collect()
    assert alive() is None


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(long_work.ctypes, "CDLL", lambda _name: object())
    long_work.prepare_for_long_work()
