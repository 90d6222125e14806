"""A corpus on Spark: shards of a plan through `mapInPandas`. Needs a Java runtime (17 or newer).

    amt-export corpus plan recordings/ -o plan.parquet
    spark-submit extract.py MODEL plan.parquet OUT

Start it again when it was killed: finished shards are skipped. Every executor must reach the recordings and OUT
under the same paths.
"""

from __future__ import annotations

import argparse
import os
import sys

from pyspark.sql import SparkSession

from amt_export import corpus


def main() -> int:
    """Extract, and say what came out."""
    parser = argparse.ArgumentParser(description="a corpus on Spark")
    parser.add_argument("model", help="a published folder")
    parser.add_argument("plan", help="of `amt-export corpus plan`")
    parser.add_argument("out", help="folder of Parquet files")
    parser.add_argument("--hop", type=float)
    parser.add_argument("--master", help="e.g. local[8]; default: what spark-submit says")
    given = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of the executors on this machine
    builder = SparkSession.builder.appName("amt_export")
    if given.master:
        builder = builder.master(given.master)
    spark = (
        builder.config("spark.ui.enabled", "false")
        # A batch of mapInPandas is one shard; by default Spark collects 10,000 rows first.
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    shards = corpus.Shards(corpus.Extractor(given.model, given.hop), given.out)
    plan = spark.read.parquet(given.plan).select("shard")
    # One shard in a task, so that a task that is lost costs one shard and executors share evenly.
    tasks = plan.repartition(max(1, plan.count()))
    reports = tasks.mapInPandas(shards.pandas, shards.schema_spark).collect()
    spark.stop()
    made = [report for report in reports if not report.skipped]
    bad = sum(report.bad for report in reports)
    print(
        f"{sum(report.rows for report in reports)} recordings, {len(made)} shards made, "
        f"{len(reports) - len(made)} there already, {bad} bad, "
        f"{sum(report.cpu_seconds for report in reports):.1f} s of processor time in shards"
    )
    return 3 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
