"""What the tests of shards share: a run to its end, and what a folder holds then."""

from __future__ import annotations

from amt_export import corpus


def contents(folder):
    """All that is in a folder of shards, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finish(shards, planned, **options):
    return list(corpus.run(shards, planned.shards, **options))
