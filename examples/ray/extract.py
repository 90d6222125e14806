"""A corpus on Ray Data: shards of a plan through a pool of actors, each with one opened model.

    amt-export corpus plan recordings/ -o plan.parquet
    python extract.py MODEL plan.parquet OUT --workers 7

Start it again when it was killed: finished shards are skipped. Every worker must reach the recordings and OUT
under the same paths.
"""

from __future__ import annotations

import argparse
import os

import ray

from amt_export import corpus


def main() -> int:
    """Extract, and say what came out."""
    parser = argparse.ArgumentParser(description="a corpus on Ray Data")
    parser.add_argument("model", help="a published folder")
    parser.add_argument("plan", help="of `amt-export corpus plan`")
    parser.add_argument("out", help="folder of Parquet files")
    # Reading the plan is a task as well: a pool that holds every CPU leaves none for it, and waits for ever.
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--hop", type=float)
    parser.add_argument("--address", help="of a cluster; default: this machine")
    given = parser.parse_args()
    if given.address:
        ray.init(given.address)
    else:
        ray.init(num_cpus=given.workers + 1, include_dashboard=False)
    shards = corpus.Shards(corpus.Extractor(given.model, given.hop), given.out)
    reports = (
        # One shard in a block, so that a block that is lost costs one shard and workers share evenly.
        ray.data.from_items([{"shard": shard} for shard in corpus.read_plan(given.plan).shards])
        .repartition(target_num_rows_per_block=1)
        .map_batches(
            Worker,
            fn_constructor_args=(shards,),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=given.workers),
        )
        .take_all()
    )
    made = [report for report in reports if not report["skipped"]]
    bad = sum(report["bad"] for report in reports)
    print(
        f"{sum(report['rows'] for report in reports)} recordings, {len(made)} shards made, "
        f"{len(reports) - len(made)} there already, {bad} bad, "
        f"{sum(report['cpu_seconds'] for report in reports):.1f} s of processor time in shards"
    )
    return 3 if bad else 0


class Worker:
    """An actor; Ray wants a class. The model is opened with the first shard, in the actor's process."""

    def __init__(self, shards: corpus.Shards) -> None:
        self.shards = shards

    def __call__(self, batch):
        """Extract the shards of a batch."""
        return self.shards(batch)


if __name__ == "__main__":
    raise SystemExit(main())
