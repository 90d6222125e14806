"""``amt-export run``: a recording through a published model, to numbers and a picture."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export import runtime
from amt_export.audio import ModelAudio, for_model, read_audio
from amt_export.cli.arguments import Commands, decibel, file_ending_in, one_of
from amt_export.cli.files import refuse, replacing
from amt_export.cli.progress import bar
from amt_export.cli.tables import count, output, size
from amt_export.errors import require
from amt_export.manifest import Manifest
from amt_export.runtime.backends import OPENERS

DESCRIPTION = """\
Run a recording of any length and sampling rate through a published model.

It is resampled to the model's rate when needed. Files know no sound pressure:
unless --level says how loud the recording was, a full-scale sine is taken to be
93.98 dB SPL. Nonlinear models (DRNL) answer differently at another level.
"""

EPILOG = """\
examples:
  amt-export run artifacts/gammatone_speech_16k speech.wav
  amt-export run artifacts/gammatone_speech_16k speech.wav --plot speech.png
  amt-export run artifacts/drnl_casp_44k music.flac -o music.npz --level 65

reading the result:
  data = numpy.load("speech.npz")
  data["subbands"]             one array per output, axes as `info DIR` tells
  data["fs"], data["centre_frequencies"]
  json.loads(str(data["manifest"]))
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run", help="a recording through a published model", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a published folder")
    parser.add_argument("input", type=Path, metavar="INPUT", help="a WAV, FLAC or OGG file")
    parser.add_argument(
        "-o",
        "--output",
        type=file_ending_in(".npz"),
        metavar="OUT.npz",
        help="write the outputs here (default without --plot: INPUT's name in this folder)",
    )
    parser.add_argument(
        "--plot", type=file_ending_in(".png"), metavar="OUT.png", help="draw the outputs"
    )
    parser.add_argument(
        "--backend",
        type=one_of(OPENERS, "backend"),
        default="onnx",
        metavar="B",
        help=f"{', '.join(OPENERS)} (default: onnx)",
    )
    parser.add_argument(
        "--level", type=decibel, metavar="DB", help="RMS level of the recording in dB SPL"
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Run the model, write what was asked for, and say what was done."""
    npz, png = arguments.output, arguments.plot
    if npz is None and png is None:
        npz = Path(f"{arguments.input.stem}.npz")
    for path in filter(None, (npz, png)):
        refuse(path, arguments.input)
        refuse(path, arguments.folder)
    if png:
        require("matplotlib", "plot", "Drawing pictures")

    model = runtime.load(arguments.folder, arguments.backend)
    recording = read_audio(arguments.input)
    audio = for_model(recording, model.manifest, arguments.level)
    console = output()
    seconds = audio.samples.shape[-1] / audio.fs
    rate = f"{recording.fs} Hz"
    if recording.fs != audio.fs:
        rate += f" resampled to {audio.fs} Hz"
    channels = count(len(recording.samples), "channel")
    console.print(f"{recording.name}: {seconds:.2f} s, {channels}, {rate}", soft_wrap=True)
    console.print(f"calibration: {audio.calibration}", soft_wrap=True)

    with bar(f"{model.manifest.name}, {arguments.backend}"):
        started = time.perf_counter()
        outputs = model.process(audio.samples)
        elapsed = time.perf_counter() - started
    console.print(
        f"{model.manifest.name}, {arguments.backend}: {1000 * elapsed:.1f} ms, "
        f"{seconds / elapsed:.1f} times real time",
        soft_wrap=True,
    )
    if npz:
        _write_npz(npz, outputs, model.manifest, audio.fs)
        console.print(f"wrote {npz} ({size(npz.stat().st_size)})", soft_wrap=True)
    if png:
        _write_png(png, outputs, model.manifest, audio, recording.name)
        console.print(f"wrote {png}", soft_wrap=True)
    return 0


def _write_npz(
    path: Path, outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: int
) -> None:
    """Write outputs with their batch axis, as the axes in the manifest say."""
    arrays: dict[str, Any] = {
        **outputs,
        "fs": np.float64(fs),
        "centre_frequencies": np.asarray(manifest.centre_frequencies, np.float64),
        "manifest": np.str_(manifest.to_json()),
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def _write_png(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    manifest: Manifest,
    audio: ModelAudio,
    title: str,
) -> None:
    from amt_export import plot

    with bar(path.name), replacing(path) as temporary:
        figure = plot.cochleagram(outputs, manifest, audio.fs, title, audio.samples)
        plot.save(figure, temporary)
