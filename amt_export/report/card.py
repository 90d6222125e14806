"""`README.md` of a published folder: the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from urllib.parse import quote

from amt_export.manifest import Manifest, Port
from amt_export.manifest.parity_row import BATCHES
from amt_export.manifest.phrases import count
from amt_export.manifest.ports import FRAME_LEVELS
from amt_export.report.about import LEVELS, about
from amt_export.report.markdown import error_section, plain, table
from amt_export.report.papers import Paper, papers

PASCALS = """\
A recording holds numbers relative to full scale, and this model wants pascals. `amt-export run` and
`Model.process_file` convert: give the level of the recording (`--level 65`, `level=65.0`: its RMS in dB SPL)
or that of a full-scale sine (`--full-scale 94`). Without either a full-scale sine is taken to have 93.98 dB
SPL, which is 1 Pa RMS. `Model.process` takes arrays in pascals as they are.
"""

FULL_SCALE = """\
The input is relative to full scale: a sine of amplitude 1 has {db} dB SPL (`db_max`). `amt-export run` and
`Model.process_file` convert a recording when the level of the recording (`--level 65`) or that of a
full-scale sine (`--full-scale 94`) is given.
"""

VELOCITY = """\
The input is the velocity of the stapes in m/s, about 8e-7 m/s RMS for a tone of 1 kHz at 40 dB SPL. A
recording has to go through the ears first: `casp_44k` has them in front of this filterbank. `--raw`
(`raw=True`) feeds samples as they are.
"""

STAGE = """\
The input comes from another module, in the unit above, and there is nothing to calibrate. Calibrate the audio
that goes into the module before this one.
"""

TRAINED = """\
The values come from a checkpoint (SHA-256 {sha256}). Its licence is not known here; ask whoever trained it.
"""

OTHER_FILES = """\
`vectors.npz` holds test signals and the expected outputs in float64. `manifest.json` lists every file with its
hash; `amt-export check` compares them.
"""

NO_LICENSE = "Nothing was said about a licence."

MIT = "Code and coefficients of amt_export in these files: MIT, Copyright (c) 2026 The amt_export authors."


def model_card(manifest: Manifest, captions: Mapping[str, str] | None = None) -> str:
    """Return the model card.

    Parameters
    ----------
    manifest : Manifest
        With its files and its parity.
    captions : mapping, optional
        Name of each picture in the folder to what is said below it.

    Returns
    -------
    str
        Markdown: what the model computes, input, calibration, limits, papers to cite, licence, interface, error
        and files. No text of the manifest becomes markup.
    """
    sections = {
        "What it computes": _computes(manifest),
        "Input": [_ports(manifest.inputs, manifest), _rate(manifest)],
        "Calibration": [_calibration(manifest)],
        "Limits": [_items(_limits(manifest))],
        "Cite": [_items([_reference(paper) for paper in _papers(manifest)])],
        "Licence": _license(manifest),
        "Interface": _interface(manifest),
        "Error": error_section(manifest, captions),
        "Files": _files(manifest),
    }
    paragraphs = [f"# {manifest.name}", plain(manifest.description), _example(manifest)]
    for heading, body in sections.items():
        if kept := [text for text in body if text]:
            paragraphs += [f"## {heading}", *kept]
    return "\n\n".join(paragraphs) + "\n"


def dois(module: str) -> tuple[str, ...]:
    """Return the DOIs of the papers about a module, for `Manifest.references`."""
    known = papers()
    return tuple(known[key].doi for key in about(module).papers if known[key].doi)


def _papers(manifest: Manifest) -> list[Paper]:
    known = papers()
    return [known[key] for key in about(manifest.module).papers]


def _example(manifest: Manifest) -> str:
    """Three lines of Python that run the model."""
    port, output = manifest.inputs[0], manifest.outputs[0]
    if port.unit in ("Pa", "full scale") and port.name == "audio" and len(manifest.inputs) == 1:
        diotic = ", diotic=True" if "ear" in port.axes else ""
        call = f'model.process_file("recording.wav", level=65.0{diotic})  # dB SPL'
    elif port.name == "audio":
        call = f"model.process(audio)  # float array in {port.unit}, any length"
    else:
        call = (
            f"model({', '.join(f'{p.name}={p.name}' for p in manifest.inputs)})  # float32 arrays"
        )
    lines = [
        "from amt_export import runtime",
        "",
        f'model = runtime.load("{manifest.name}")',
        f"outputs = {call}",
        f'outputs["{output.name}"]  # {output.unit}: {", ".join(output.axes)}',
    ]
    return "\n".join(["```python", *lines, "```"])


def _computes(manifest: Manifest) -> list[str]:
    framed = any(
        port.name == FRAME_LEVELS and port.axes == ("batch", "channel", "frame")
        for port in manifest.outputs
    )
    computes = about(manifest.module).computes + (LEVELS if framed else "")
    values = ", ".join(f"{name} = {value}" for name, value in manifest.parameters.items())
    facts = [f"Module `{plain(manifest.module)}` of amt_export, computed in {manifest.precision}."]
    if values:
        facts.append(f"Parameters: {plain(values)}.")
    if centres := manifest.centre_frequencies:
        facts.append(f"{len(centres)} channels from {min(centres):.0f} to {max(centres):.0f} Hz.")
    if filters := manifest.mfc:
        facts.append(
            f"{len(filters)} modulation filters from {filters[0]:g} to {filters[-1]:.0f} Hz."
        )
    return [computes.strip(), " ".join(facts)]


def _calibration(manifest: Manifest) -> str:
    port = manifest.inputs[0]
    if port.name != "audio":
        return STAGE.strip()
    if port.unit == "full scale":
        parameters = manifest.parameters
        stage = parameters.get("spectrum_kwargs")
        first = stage if isinstance(stage, dict) else {}
        db = parameters.get("db_max", first.get("db_max", 93.98))
        return FULL_SCALE.format(db=plain(str(db))).strip()
    return (VELOCITY if port.unit == "m/s" else PASCALS).strip()


def _limits(manifest: Manifest) -> list[str]:
    found = list(about(manifest.module).limits)
    if manifest.batch == "static":
        rows = count(manifest.inputs[0].shape[0] or 1, "signal")
        longer = " `Model.process` takes any length." if _timing(manifest) else ""
        found.append(f"The files take arrays of exactly these shapes: {rows} at a time.{longer}")
    else:
        batches = " and ".join(map(str, BATCHES))
        found.append(
            "The files take any number of signals at a time, except Core ML. "
            f"Parity was measured with {batches}."
        )
    return found


def _license(manifest: Manifest) -> list[str]:
    if manifest.checkpoint is not None:
        return [TRAINED.format(sha256=manifest.checkpoint.sha256).strip(), MIT]
    if not manifest.license:
        return [NO_LICENSE]
    paragraphs = [f"{plain(manifest.license)}.", MIT]
    if "BSD" in manifest.license:
        text = files("amt_export.design").joinpath("outer_middle_ear.LICENSE.txt")
        paragraphs.append(f"```text\n{text.read_text(encoding='utf-8').strip()}\n```")
    return paragraphs


def _interface(manifest: Manifest) -> list[str]:
    paragraphs = [_ports(manifest.outputs, manifest), _items(_timing(manifest))]
    if (stream := manifest.stream) is not None:
        numbers = sum(_count(state.shape) for state in stream.states)
        late = f"{stream.latency} samples late" if stream.latency else "without delay"
        paragraphs.append(
            f"The streaming form takes {stream.block} samples a call and gives its outputs {late}. It has "
            f"{count(len(stream.states), 'state array')} ({numbers} numbers), an input and an output of "
            "every call; `Model.stream` keeps the state."
        )
    paragraphs.append(
        "The same facts are in `manifest.json`, and inside each file under the key `amt_export.manifest`."
    )
    return paragraphs


def _rate(manifest: Manifest) -> str:
    if manifest.sampling_rate is None or manifest.inputs[0].name != "audio":
        return ""
    return f"The sampling rate is {manifest.sampling_rate:g} Hz."


def _timing(manifest: Manifest) -> list[str]:
    if manifest.sampling_rate is None or manifest.inputs[0].name != "audio":
        return []
    found = []
    if manifest.hop > 1:
        milliseconds = 1000 * manifest.hop / manifest.sampling_rate
        found.append(f"One frame every {manifest.hop} samples ({milliseconds:.3g} ms).")
    found.append(
        f"An output depends on {manifest.warm_up} samples before it and {manifest.look_ahead or 'none'} "
        "after it."
    )
    return found


def _files(manifest: Manifest) -> list[str]:
    rows = [[e.path, str(e.bytes), e.sha256] for e in manifest.files]
    versions = ", ".join(plain(f"{name} {version}") for name, version in manifest.versions.items())
    return [
        table(["file", "bytes", "SHA-256"], rows),
        OTHER_FILES.strip(),
        f"Built with {versions}.",
    ]


def _ports(ports: Sequence[Port], manifest: Manifest) -> str:
    rows = [
        [port.name, _shape(port), ", ".join(port.axes), port.unit, port.dtype] for port in ports
    ]
    name = "input" if ports is manifest.inputs else "output"
    return table([name, "shape", "axes", "unit", "dtype"], rows)


def _shape(port: Port) -> str:
    return " x ".join("any" if size is None else str(size) for size in port.shape)


def _count(shape: Sequence[int | None]) -> int:
    product = 1
    for size in shape:
        product *= size or 1
    return product


def _reference(paper: Paper) -> str:
    """A citation with a link; a DOI may hold brackets, which would end one."""
    if not paper.doi:
        return paper.citation
    return f"{paper.citation}, [doi:{paper.doi}](https://doi.org/{quote(paper.doi, safe='/')})"


def _items(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
