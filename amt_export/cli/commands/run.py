"""``amt-export run``: a recording through a published model, to numbers and a picture."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export import runtime
from amt_export.audio.reader import AudioReader
from amt_export.cli.arguments import Commands, decibel, file_ending_in, one_of
from amt_export.cli.sinks import DiskSink, MemorySink, Outputs, PictureSink, Sink, npy_paths
from amt_export.cli.terminal.files import refuse
from amt_export.cli.terminal.progress import Report, bar
from amt_export.cli.terminal.tables import count, output, size
from amt_export.errors import InputError, require
from amt_export.manifest import Manifest, load_manifest
from amt_export.runtime.backends import OPENERS
from amt_export.runtime.joining import reduce_courses
from amt_export.runtime.windows import Framing

DESCRIPTION = """\
Run a recording of any length and sampling rate through a published model.

It is resampled to the model's rate when needed. Files know no sound pressure:
unless --level says how loud the recording was, a full-scale sine is taken to be
93.98 dB SPL. Nonlinear models answer differently at another level. A model that
takes no sound pressure (a DRNL takes stapes velocity, in m/s) refuses a
recording; --raw feeds it all the same, one unit of full scale as 1 m/s.

Models that were published with a streaming form run in constant memory, read
and written piece by piece: an .npy may be as long as the disk is large.
"""

EPILOG = """\
examples:
  amt-export run artifacts/gammatone_speech_16k speech.wav
  amt-export run artifacts/gammatone_speech_16k speech.wav --plot speech.png
  amt-export run artifacts/gammatone_music_44k music.flac -o out.npz --level 65
  amt-export run artifacts/gammatone_speech_16k night.flac -o night.npy
  amt-export run artifacts/moore2016_frontend_32k street.wav --plot street.png

reading the result:
  data = numpy.load("speech.npz")
  data["subbands"]             one array per output, axes as `info DIR` tells
  data["fs"], data["centre_frequencies"]
  json.loads(str(data["manifest"]))
  numpy.load("night.npy", mmap_mode="r")   the same array, read as it is used;
                               night.json has the rest; models with several
                               outputs write night.<output>.npy
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run", help="a recording through a published model", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a published folder")
    parser.add_argument("input", type=Path, metavar="INPUT", help="a WAV, FLAC, AIFF or OGG file")
    parser.add_argument(
        "-o",
        "--output",
        type=file_ending_in(".npz", ".npy"),
        metavar="OUT",
        help="write the outputs here: .npz for all in one file, made in memory, or .npy "
        "(default without --plot: INPUT's name in this folder, .npz)",
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
    parser.add_argument(
        "--full-scale",
        type=decibel,
        metavar="DB",
        help="level of a full-scale sine in dB SPL, where that of the recording is not known",
    )
    parser.add_argument(
        "--diotic",
        action="store_true",
        help="play a file of one channel to both ears of a model that has two",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="feed the samples as they are, in whatever unit the model takes",
    )
    parser.add_argument(
        "--truncated", action="store_true", help="take what there is of a file that ends early"
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Run the model, write what was asked for, and say what was done."""
    manifest = load_manifest(arguments.folder)
    if arguments.output is None and arguments.plot is None:
        arguments.output = Path(f"{arguments.input.stem}.npz")
    files = _files(arguments, manifest)
    for path in files:
        refuse(path, arguments.input)
        refuse(path, arguments.folder)
    if arguments.plot:
        require("matplotlib", "plot", "Drawing pictures")

    runner = _Runner(arguments.folder, manifest, arguments.backend)
    recording = AudioReader(
        arguments.input,
        manifest,
        arguments.level,
        full_scale=arguments.full_scale,
        diotic=arguments.diotic,
        raw=arguments.raw,
        truncated=arguments.truncated,
    )
    framing = Framing(manifest.hop, manifest.frame_length)
    if framing.frames(recording.samples) < 1:
        raise InputError(
            f"audio: {recording.samples} samples; this model needs at least {framing.shortest()}"
        )
    console = output()
    rate = f"{recording.file_fs} Hz"
    if recording.file_fs != recording.fs:
        rate += f" resampled to {recording.fs} Hz"
    channels = count(recording.channels, "channel")
    console.print(
        f"{recording.name}: {recording.seconds:.2f} s, {channels}, {rate}", soft_wrap=True
    )
    console.print(f"calibration: {recording.calibration}", soft_wrap=True)
    for remark in recording.remarks:
        console.print(f"warning: {remark}", soft_wrap=True)

    with ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in _sinks(arguments, manifest, recording)]
        started = time.perf_counter()
        with bar(f"{manifest.name}, {arguments.backend}") as report:
            for audio, outputs in runner.answers(recording, report):
                for sink in sinks:
                    sink.write(audio, outputs)
        elapsed = time.perf_counter() - started
    console.print(
        f"{manifest.name}, {arguments.backend}: {1000 * elapsed:.1f} ms, "
        f"{recording.seconds / elapsed:.1f} times real time",
        soft_wrap=True,
    )
    for path in files:
        console.print(f"wrote {path} ({size(path.stat().st_size)})", soft_wrap=True)
    return 0


def _files(arguments: Namespace, manifest: Manifest) -> list[Path]:
    """Return the files that will be written."""
    out, png = arguments.output, arguments.plot
    files = [] if out is None else [out]
    if out and _is_npy(out):
        files = [*npy_paths(out, manifest).values(), out.with_suffix(".json")]
    return [*files, *([png] if png else [])]


def _sinks(arguments: Namespace, manifest: Manifest, recording: AudioReader) -> list[Sink]:
    """Return what takes the outputs."""
    out, sinks = arguments.output, list[Sink]()
    if out:
        kind = DiskSink if _is_npy(out) else MemorySink
        sinks.append(kind(out, manifest, recording.samples, recording.fs))
    if arguments.plot:
        sinks.append(PictureSink(arguments.plot, manifest, recording))
    return sinks


def _is_npy(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


class _Runner:
    """A model opened for one recording: its streaming form, or the whole form where there is no other."""

    def __init__(self, folder: Path, manifest: Manifest, backend: str) -> None:
        self._manifest = manifest
        forms = {entry.form for entry in manifest.files if entry.format == backend}
        stream = manifest.stream
        # A batch of recordings is nothing that this command has.
        self._streams = "stream" in forms and stream is not None and stream.inputs[0].shape[0] == 1
        if self._streams:
            self._stream = runtime.load_stream(folder, backend)
        else:
            self._model = runtime.load(folder, backend)

    def answers(
        self, recording: AudioReader, report: Report
    ) -> Iterator[tuple[NDArray[Any], Outputs]]:
        """Yield pieces of audio, and the outputs that are known by then, batch axis included."""
        dtype = self._manifest.inputs[0].dtype
        if not self._streams:
            pieces = [piece.astype(dtype) for piece in recording.pieces()]
            audio = np.concatenate(pieces, axis=-1)
            yield audio, self._model.process(audio)
            return
        done = 0
        with self._stream as stream:
            outputs = None
            for piece in recording.pieces():
                audio = piece.astype(dtype)
                outputs = reduce_courses(stream.push(audio), self._manifest, outputs)
                yield audio, outputs
                done += audio.shape[-1]
                share = done / recording.samples
                report(f"{done / recording.fs:.0f} of {recording.seconds:.0f} s", share)
            yield audio[..., :0], reduce_courses(stream.flush(), self._manifest, outputs)
