"""Many recordings: one picklable extractor, one idempotent shard function, for any engine or none.

::

    extract = Extractor("gammatone_speech_16k")
    extract({"path": ["a.wav", "b.flac"]})["levels"]
    Shards(extract, "levels")({"shard": [["a.wav", "b.flac"]]})
"""

from amt_export.corpus.check import Checked, check
from amt_export.corpus.extractor import Extractor
from amt_export.corpus.plan import Plan, plan, read_plan, write_plan
from amt_export.corpus.pool import run
from amt_export.corpus.shards import Shards

__all__ = [
    "Checked",
    "Extractor",
    "Plan",
    "Shards",
    "check",
    "plan",
    "read_plan",
    "run",
    "write_plan",
]
