"""What a million hours of recordings cost, for each model: time, storage, money; a table of docs/scale.md.

    python scripts/cost_of_a_corpus.py artifacts/*/ --write

Speech goes through `Extractor` on one thread; processor time and Parquet bytes are measured and multiplied.
Prices are arguments: take those of your provider.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from amt_export.corpus import Extractor, Shards
from amt_export.errors import AmtExportError

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"
DOCS = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- cost -->\n", "<!-- end of cost -->\n"
HOURS = 1e6
CORE_HOUR, TB_MONTH = (
    0.04,
    23.0,
)  # $; list prices of large providers, of a virtual core and of object storage
RAW_BYTES = 4  # of a float32 sample of a subband


def recording(folder: Path, fs: int, ears: int, seconds: float) -> Path:
    """Write speech of a duration at a model's rate."""
    speech, file_fs = soundfile.read(SPEECH)
    speech = soxr.resample(speech, file_fs, fs)
    count = round(seconds * fs)
    speech = np.tile(speech, 1 + count // len(speech))[:count]
    speech += 1e-3 * np.random.default_rng(0).standard_normal(count)  # no two minutes are the same
    file = folder / f"{fs}.{ears}.wav"
    soundfile.write(file, np.stack([speech] * ears, axis=1), fs, subtype="PCM_16")
    return file


def measured(folder: Path, seconds: float) -> dict[str, float | str]:
    """Extract speech with one model."""
    extract = Extractor(folder)
    manifest = extract.manifest
    fs = round(manifest.sampling_rate or 0)
    ears = 2 if "ear" in manifest.inputs[0].axes else 1
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        extract({"path": [recording(base, fs, ears, 2.0)]})  # opens the model
        file = recording(base, fs, ears, seconds)
        started = time.process_time()
        report = Shards(extract, base / "out").shard([str(file)])
        cpu = time.process_time() - started
        if report["bad"]:
            raise SystemExit(f"{folder}: {extract.row(str(file))['error']}")
        size = (base / "out" / report["file"]).stat().st_size
    raw = sum(
        np.prod([size or 1 for size in port.shape])
        * RAW_BYTES
        / (manifest.inputs[0].shape[-1] / fs)
        for port in manifest.outputs
    )
    return {
        "model": manifest.name,
        "columns": len(extract.frames.columns),
        "hop_ms": 1e3 * extract.frames.hop,
        "hours_per_core_hour": seconds / cpu,
        "MB_per_hour": size / 1e6 / (seconds / 3600),
        "raw_GB_per_hour": raw * 3600 / 1e9,
    }


def table(rows: list[dict[str, float | str]], core_hour: float, tb_month: float) -> str:
    """Return the table in Markdown."""
    lines = [
        "| model | columns, hop | h per core-h | core-hours | $ | MB per h | TB | $ a month | as is, TB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        core_hours = HOURS / float(row["hours_per_core_hour"])
        terabytes = HOURS * float(row["MB_per_hour"]) / 1e6
        raw = HOURS * float(row["raw_GB_per_hour"]) / 1e3
        lines.append(
            f"| `{row['model']}` | {row['columns']}, {row['hop_ms']:g} ms "
            f"| {row['hours_per_core_hour']:.3g} | {core_hours:,.0f} | {core_hours * core_hour:,.0f} "
            f"| {row['MB_per_hour']:.3g} | {terabytes:,.1f} | {terabytes * tb_month:,.0f} | {raw:,.0f} |"
        )
    prices = f"At ${core_hour:g} for a core-hour and ${tb_month:g} for a TB and month."
    return "\n".join([*lines, "", prices, ""])


def main() -> None:
    """Measure, print, and put the table where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=120.0, help="of speech for each model")
    parser.add_argument("--core-hour", type=float, default=CORE_HOUR, help="$")
    parser.add_argument("--tb-month", type=float, default=TB_MONTH, help="$")
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    given = parser.parse_args()
    rows = []
    for folder in given.folders:
        try:
            rows.append(measured(folder, given.seconds))
        except AmtExportError as error:
            print(f"left out: {error}", flush=True)
            continue
        print(json.dumps(rows[-1]), flush=True)
    text = table(rows, given.core_hour, given.tb_month)
    print(text)
    if given.write:
        page = DOCS.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(before + BEGIN + text + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
