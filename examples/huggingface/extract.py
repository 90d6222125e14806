"""Levels as a Hugging Face dataset: `datasets.map` over paths, to Parquet.

    python extract.py MODEL recordings/ levels.parquet --workers 4

`datasets` caches what a run that ended well has made; it does not resume one that was killed. For large corpora
run `amt-export corpus`, and open its folder: load_dataset("parquet", data_dir="levels").
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import Dataset, Features

from amt_export import corpus


def main() -> int:
    """Extract, and say what came out."""
    parser = argparse.ArgumentParser(description="levels as a Hugging Face dataset")
    parser.add_argument("model", help="a published folder")
    parser.add_argument("source", help="a folder, a recording or a list of them")
    parser.add_argument("out", help="a Parquet file")
    parser.add_argument("--hop", type=float)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    paths = [path for shard in corpus.plan([given.source]).shards for path in shard]
    extract = corpus.Extractor(given.model, given.hop)
    dataset = Dataset.from_dict({"path": paths}).map(
        extract,
        batched=True,
        batch_size=16,  # levels of 16 recordings of a minute have 6 MB
        num_proc=given.workers,  # forked: the model is opened in each worker, not here
        features=Features.from_arrow_schema(extract.schema_arrow),
    )
    dataset.to_parquet(str(Path(given.out)))
    bad = sum(error is not None for error in dataset["error"])
    print(f"{len(dataset)} recordings, {bad} bad: wrote {given.out}")
    return 3 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
