"""Run published Core ML packages on a Mac, on every compute unit, against their own test vectors.

    pip install coremltools numpy
    python check_on_mac.py DIR [DIR ...]

Each DIR is a folder that `amt-export build` published, on any machine. Copy it to the Mac together with
this file: it needs neither torch nor amt_export. Exit code 0: every package runs as its manifest says, on
every compute unit; 1: one does not; 2: this is not a Mac, or nothing was asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

UNITS = ("CPU_ONLY", "CPU_AND_GPU", "ALL")
COLUMNS = ("format, provider", "output", "worst", "signal", "allowed", "verified by", "ok")
TO_THE_RIGHT = ("worst", "allowed")

# The metric is that of amt_export.verify.parity.metric; a test compares the two.
TIME_AXES = ("time", "frame")  # along these an output is a course in time; the others are channels
QUIET = 0.01  # a channel quieter than this share of the whole row is measured against that
ROW_AXES = ("batch", "ear")  # along these the same channels come again
SIGNAL_RANGE_DB = 60.0  # frame levels further below their signal's maximum do not count
RANGE_DB = 80.0  # levels further below their frame's maximum do not count


class CheckError(Exception):
    """What is wrong with a folder, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Check folders one after the other; one that fails does not stop the others."""
    parser = argparse.ArgumentParser(
        prog="check_on_mac.py",
        description="Run published Core ML packages on every compute unit of this Mac.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a published folder")
    folders = parser.parse_args(arguments).folders
    if not on_a_mac():
        print_error("Core ML runs on macOS only; here, amt-export check evaluates the packages")
        return 2
    try:
        import coremltools as ct
    except ImportError as error:
        print_error(f"coremltools cannot be imported ({error}); pip install coremltools numpy")
        return 1
    failed = 0
    for folder in folders:
        try:
            rows = check_folder(folder, ct)
        except CheckError as error:
            print_error(error)
            failed += 1
        else:
            print(folder.resolve().name, table(rows), "", sep="\n")
            failed += any(row[-1] != "yes" for row in rows)
    many = "folder" if len(folders) == 1 else "folders"
    print(f"{len(folders)} {many} checked, {f'{failed} failed' if failed else 'all is well'}")
    return 1 if failed else 0


def on_a_mac() -> bool:
    """Whether Core ML can run here."""
    return sys.platform == "darwin"


def print_error(what: object) -> None:
    """Say one line on standard error."""
    print(f"check_on_mac.py: error: {what}", file=sys.stderr)


# The folder


def check_folder(folder: Path, ct) -> list[tuple[str, ...]]:
    """Run every package of a folder on every compute unit.

    Returns
    -------
    list of tuple of str
        Rows of the table.
    """
    manifest = read_manifest(folder)
    try:
        entries = [entry for entry in manifest["files"] if entry["format"] == "coreml"]
        if not entries:
            raise CheckError(f"{folder}: holds no Core ML package")
        cases = read_vectors(folder / "vectors.npz", manifest)
        rows = []
        for entry in entries:
            package = folder / entry["path"]
            if not package.is_dir() or sha256_of(package) != entry["sha256"]:
                raise CheckError(f"{package}: missing, or not what was published; copy it again")
            for unit in UNITS:
                rows += check_package(package, entry["form"], unit, manifest, cases, ct)
    except (KeyError, TypeError, IndexError) as error:
        raise CheckError(f"{folder / 'manifest.json'}: lacks {error}; build it again") from error
    return rows


def read_manifest(folder: Path) -> dict:
    """The folder's manifest.json."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not JSON"
        raise CheckError(f"{path}: {reason}; expected a published folder") from error
    if not isinstance(manifest, dict) or manifest.get("schema") not in (1, 2):
        raise CheckError(f"{path}: not a manifest that this script reads")
    return manifest


def read_vectors(path: Path, manifest: dict) -> dict[str, tuple[dict, dict]]:
    """Signal to inputs and expected outputs, by name."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            signals = list(dict.fromkeys(key.split(".")[1] for key in arrays.files))
            cases = {
                signal: (
                    {p["name"]: arrays[f"in.{signal}.{p['name']}"] for p in manifest["inputs"]},
                    {p["name"]: arrays[f"out.{signal}.{p['name']}"] for p in manifest["outputs"]},
                )
                for signal in signals
            }
    except Exception as error:
        raise CheckError(f"{path}: no test vectors to be read ({error}); build it again") from error
    if not cases:
        raise CheckError(f"{path}: holds no signals; build it again")
    return cases


def sha256_of(path: Path) -> str:
    """The hash of a file, or of the list of all hashes and names of a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted((f.relative_to(path).as_posix(), f) for f in path.rglob("*") if f.is_file())
    listing = "".join(f"{sha256_of(file)}  {name}\n" for name, file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


# One package on one compute unit


def check_package(package: Path, form: str, unit: str, manifest: dict, cases: dict, ct) -> list:
    """Rows of the table: the worst signal of every output."""
    try:
        model = ct.models.MLModel(str(package), compute_units=getattr(ct.ComputeUnit, unit))
        worst: dict[str, tuple[float, str]] = {}
        for signal, (inputs, expected) in cases.items():
            found = run(model, form, manifest, inputs)
            for port in outputs_of(manifest, form):
                name = port["name"]
                value = compared(form, manifest, found[name], expected[name], port)
                if value > worst.get(name, (-1.0, ""))[0]:
                    worst[name] = (value, signal)
    except CheckError:
        raise
    except Exception as error:  # Core ML's own kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckError(f"{package}: does not run on {unit} ({reason})") from error
    rows = []
    for port in outputs_of(manifest, form):
        value, signal = worst[port["name"]]
        kind, allowed = kind_of(manifest, port["name"]), tolerance(manifest, form, port["name"])
        good = "yes" if value <= allowed else "NO"
        place = " ".join(("coreml", *([] if form == "whole" else [form]), unit))
        cells = (place, port["name"], amount(value, kind), signal, amount(allowed, ""), "execution")
        rows.append((*cells, good))
    return rows


def run(model, form: str, manifest: dict, inputs: dict) -> dict:
    """Outputs of a package by name, joined from blocks if it is the streaming form."""
    if form == "whole":
        return model.predict({name: value.astype(np.float32) for name, value in inputs.items()})
    stream = manifest["stream"]
    block, (name, audio) = stream["block"], *inputs.items()
    # As many blocks as it takes until the last frame has come out.
    samples = audio.shape[-1] + stream["latency"]
    samples += manifest["hop"] * stream.get("skip", 0)
    count = -(-samples // block)
    padded = np.zeros((*audio.shape[:-1], count * block), np.float32)
    padded[..., : audio.shape[-1]] = audio
    states = {
        state["input"]: np.full(state["shape"], state.get("initial", 0.0), np.float32)
        for state in stream["states"]
    }
    pieces = []
    for start in range(0, count * block, block):
        piece = np.ascontiguousarray(padded[..., start : start + block])
        pieces.append(model.predict({name: piece, **states}))
        states = {s["input"]: np.asarray(pieces[-1][s["output"]]) for s in stream["states"]}
    found = {}
    for port in outputs_of(manifest, form):
        parts = [np.asarray(piece[port["name"]]) for piece in pieces]
        axis = course(port["axes"])
        if not axis:  # the same for every block, as frequencies are
            found[port["name"]] = parts[0]
            continue
        first = stream.get("skip", 0)
        wanted = np.arange(first, first + port["shape"][axis[0]])
        joined = np.concatenate(parts, axis[0])
        found[port["name"]] = joined.take(wanted[wanted < joined.shape[axis[0]]], axis[0])
    return found


def outputs_of(manifest: dict, form: str) -> list[dict]:
    """The outputs of a form: a stream has none that stand for a whole signal."""
    whole = form == "whole"
    return [port for port in manifest["outputs"] if whole or not port.get("reduced_from")]


def compared(form: str, manifest: dict, found, expected, port: dict) -> float:
    """The difference of an output; of a stream without the frames that hear a mirror image."""
    axis = course(port["axes"])
    if form == "stream" and axis and manifest.get("padding") == "reflect":
        samples = manifest["inputs"][0]["shape"][-1]
        place = np.arange(expected.shape[axis[0]]) * manifest["hop"]
        inside = place >= manifest["warm_up"]
        inside &= place + manifest["look_ahead"] <= samples
        found, expected = (
            v.compress(inside[: v.shape[axis[0]]], axis[0]) for v in (found, expected)
        )
    kind = kind_of(manifest, port["name"])
    quiet = port.get("quiet", QUIET)
    return difference(
        np.asarray(found),
        np.asarray(expected),
        port["axes"],
        kind,
        port.get("floor"),
        quiet,
        port["name"],
    )


def kind_of(manifest: dict, output: str) -> str:
    """How an output is compared: "relative", "db" or "frequency"."""
    kinds = [row["kind"] for row in manifest["parity"] if row["output"] == output]
    if not kinds:
        raise CheckError(f"{manifest['name']}: its manifest does not say how to compare {output}")
    return kinds[0]


def tolerance(manifest: dict, form: str, output: str) -> float:
    """The package's own and that of single precision together: the vectors are double precision's."""
    allowed = {
        (row["format"], row["form"]): row["tolerance"]
        for row in manifest["parity"]
        if row["output"] == output
    }
    own = allowed.get(("coreml", form), allowed.get(("coreml", "whole")))
    if own is None or ("float64", "whole") not in allowed:
        raise CheckError(f"{manifest['name']}: its manifest does not say how accurate {output} is")
    return own + allowed["float64", "whole"]


# The metric


def course(axes: list) -> tuple[int, ...]:
    """Axes along which an output is a course in time."""
    return tuple(i for i, axis in enumerate(axes) if axis in TIME_AXES)


def difference(
    found,
    expected,
    axes: list,
    kind: str,
    floor: float | None = None,
    quiet: float = QUIET,
    name: str = "",
) -> float:
    """How far an output is off: relative to its channel's peak, in dB, or 0 if frequencies are equal.

    Infinite where shapes or values that are not finite differ. Levels at or below `floor` do not count.
    """
    if found.shape != expected.shape:
        return float("inf")
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return float("inf")
    found, expected = np.where(finite, found, 0.0), np.where(finite, expected, 0.0)
    if kind == "frequency":
        same = np.array_equal(found.astype(np.float32), expected.astype(np.float32))
        return 0.0 if same else float("inf")
    error = np.abs(found - expected)
    if kind == "db":
        channels = [i for i, axis in enumerate(axes) if axis not in TIME_AXES + ROW_AXES]
        loudest = np.max(expected, axis=channels[-1] if channels else -1, keepdims=True)
        counted = expected > loudest - RANGE_DB
        if name == "levels":
            signal = np.max(expected, axis=tuple(range(1, expected.ndim)), keepdims=True)
            counted &= expected > signal - SIGNAL_RANGE_DB
        if floor is not None:
            counted &= expected > floor
        return float(np.max(error, where=counted, initial=0.0))
    row = tuple(range(1, expected.ndim)) if axes[0] == "batch" else tuple(range(expected.ndim))
    error = np.max(error, axis=course(axes), keepdims=True)
    peak = np.max(np.abs(expected), axis=course(axes), keepdims=True)
    scale = np.maximum(peak, quiet * np.max(np.abs(expected), axis=row, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(error == 0.0, 0.0, error / scale)))


# The table


def amount(value: float, kind: str) -> str:
    """A difference as text, as amt-export writes it."""
    text = "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{text} dB" if kind == "db" else text


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows under their header, in columns."""
    lines = [COLUMNS, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join(
        " ".join(
            cell.rjust(width) if name in TO_THE_RIGHT else cell.ljust(width)
            for cell, width, name in zip(line, widths, COLUMNS, strict=True)
        ).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())
