"""What mkdocs does to the pages beyond markdown: facts of models, references, gallery, equations as MathML.

A page says where with a comment on a line of its own:

    <!-- facts: NAME ... -->     table of each model file: interface, size, error, speed, and the file itself
    <!-- response: NAME -->      frequency response of a published model
    <!-- cite: KEY ... -->       references of docs/references.bib, with DOI and BibTeX
    <!-- models -->              all models in one table
    <!-- machine -->             where their speeds were measured
    <!-- picture: NAME -->       a picture of docs/pictures; nothing where it is not there yet
    <!-- help -->                `--help` of every command
    <!-- notebook: PATH -->      a notebook of this repository
    <!-- gallery -->             every picture of docs/pictures with the program of docs/gallery that made it
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
Macro = Callable[[list[str]], str]

# Module of a model file to the page about it.
PAGES = {
    "GammatoneFilterbank": "gammatone",
    "CASPFrontEnd": "casp",
    "DRNLFilterbank": "drnl",
    "FastDRNLFilterbank": "drnl",
    "Moore2016Loudness": "moore2016_loudness",
    "Moore2016Spectrum": "moore2016_excitation",
    "Moore2016ExcitationPattern": "moore2016_excitation",
    "Moore2016FrontEnd": "moore2016_excitation",
    "MultiResolutionFFT": "glasberg2002",
    "ERBIntegration": "glasberg2002",
    "ExcitationPattern": "glasberg2002",
    "Glasberg2002FrontEnd": "glasberg2002",
    "Paulick2024": "paulick2024",
    "Dau1997": "dau1997",
}


def page_of(model: dict[str, Any]) -> str:
    """The page about a model, without `.md`."""
    return "cochleagram" if model.get("levels_hop") else PAGES[model["module"]]


def all_models() -> dict[str, Any]:
    """What scripts/docs_models.py collected."""
    return json.loads((DOCS / "data" / "models.json").read_text(encoding="utf-8"))


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def port(entry: dict[str, Any]) -> str:
    """Name, shape, axes and unit of an input or output."""
    shape = ", ".join("any" if size is None else str(size) for size in entry["shape"])
    axes = ", ".join(entry["axes"])
    return f"`{entry['name']}` [{shape}] ({axes}), {entry['unit']}"


def error(entry: dict[str, Any]) -> str:
    """A difference and the signal that had it."""
    what = {"db": " dB", "absolute": " MU"}.get(entry["kind"], "")
    return f"{entry['worst']:.1e}{what} ({entry['signal']})"


def speed(model: dict[str, Any]) -> str:
    """Milliseconds of one thread for a second of audio, or for a call."""
    found = model.get("speed")
    if not found:
        return "not measured"
    value = found["ms"] / (found["seconds"] or 1)
    return (f"{value:.2g} ms" if value < 100 else f"{value:.0f} ms") + (
        "" if found["seconds"] else " a call"
    )


def indented(text: str) -> str:
    """A text four columns to the right."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def facts(names: list[str]) -> str:
    """Table of each model file."""
    return "\n\n".join(map(one_model, names))


def one_model(name: str) -> str:
    """Heading, table and file of one model."""
    toml = (ROOT / "models" / f"{name}.toml").read_text(encoding="utf-8").rstrip()
    source = f'??? note "models/{name}.toml"\n\n    ```toml\n{indented(toml)}\n    ```\n'
    model = all_models()["models"].get(name)
    if model is None:  # a new model file, of which docs/data has nothing yet
        about = tomllib.loads(toml)["model"]["description"]
        return f"### {name}\n\n{about}.\n\n{source}"
    rows = [
        ("input", "<br>".join(map(port, model["inputs"]))),
        ("output", "<br>".join(map(port, model["outputs"]))),
    ]
    if model["sampling_rate"]:
        rows.append(("sampling rate", f"{model['sampling_rate']:g} Hz"))
    if stream := model["stream"]:
        delay = f", {stream['latency']} samples later than the input" if stream["latency"] else ""
        rows.append(("stream", f"blocks of {stream['block']} samples{delay}"))
    size = megabytes(model["bytes"]["whole"])
    if "stream" in model["bytes"]:
        size += f", stream {megabytes(model['bytes']['stream'])}"
    rows += [
        ("ONNX file", size),
        (
            "float32 from float64",
            "<br>".join(f"`{o}`: {error(e)}" for o, e in model["float64"].items()),
        ),
        (
            "ONNX from eager torch",
            "<br>".join(f"`{o}`: {error(e)}" for o, e in model["onnx"].items()),
        ),
        (
            "time, one thread",
            speed(model) + (" for a second of audio" if model["sampling_rate"] else ""),
        ),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"### {name}\n\n{model['description']}.\n\n| | |\n|---|---|\n{table}\n\n{source}"


def models(_: list[str]) -> str:
    """All models in one table."""
    rows = ["| model | computes | takes | ONNX | one thread |", "|---|---|---|---|---|"]
    for name, model in sorted(all_models()["models"].items()):
        rate = f" at {model['sampling_rate']:g} Hz" if model["sampling_rate"] else ""
        cells = (
            f"[`{name}`]({{up}}models/{page_of(model)}.md#{name})",
            model["description"],
            ", ".join(port["unit"] for port in model["inputs"]) + rate,
            megabytes(model["bytes"]["whole"]),
            speed(model),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return '<div class="models" markdown>\n\n' + "\n".join(rows) + "\n\n</div>"


def machine(_: list[str]) -> str:
    """Where the speeds were measured."""
    return all_models()["machine"]


def response(names: list[str]) -> str:
    """Frequency response of a published model, drawn by `build`."""
    svg = (DOCS / "data" / f"{names[0]}.response.svg").read_text(encoding="utf-8")
    svg = re.sub(r"@media\(prefers-color-scheme:dark\)\{\.chart\{[^}]*\}\}", "", svg)
    return "\n" + re.sub(r"\n\s*\n", "\n", svg).strip() + "\n"


def bibliography() -> dict[str, str]:
    """The entries of docs/references.bib by key."""
    text = (DOCS / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{([\w:-]+),.*?^\}", text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^@\w+\{.*?^\}", text, re.DOTALL | re.MULTILINE)
    return dict(zip(entries, blocks, strict=True))


def field(entry: str, name: str) -> str:
    """A field of a BibTeX entry, each on a line of its own."""
    found = re.search(rf"^\s*{name}\s*=\s*\{{(.*)\}},?$", entry, re.MULTILINE)
    return found[1] if found else ""


def reference(entry: str) -> str:
    """One entry as a sentence with a link."""
    authors = [" ".join(reversed(a.split(", "))) for a in field(entry, "author").split(" and ")]
    names = ", ".join(authors[:-1]) + " and " + authors[-1] if len(authors) > 1 else authors[0]
    where = field(entry, "journal") or field(entry, "booktitle") or field(entry, "institution")
    volume, pages = field(entry, "volume"), field(entry, "pages").replace("--", "-")
    place = ", ".join(part for part in (f"*{where}* {volume}".strip(), pages) if part)
    said = f"{names} ({field(entry, 'year')}). {field(entry, 'title')}. {place}."
    if doi := field(entry, "doi"):
        said += f" [doi:{doi}](https://doi.org/{doi})"
    elif url := field(entry, "url"):
        said += f" <{url}>"
    return said.replace("{", "").replace("}", "")


def cite(keys: list[str]) -> str:
    """References with DOI, and their BibTeX."""
    entries = [bibliography()[key] for key in keys]
    listed = "\n".join(f"- {reference(entry)}" for entry in entries)
    bibtex = indented("\n\n".join(entries))
    return f'{listed}\n\n??? quote "BibTeX"\n\n    ```bibtex\n{bibtex}\n    ```\n'


def title_of(program: Path) -> str:
    """First line of a program's docstring, without markup: what its picture shows."""
    said = re.match(r'\s*"""(.*?)(?:"""|$)', program.read_text(encoding="utf-8"), re.MULTILINE)
    return re.sub(r'[\[\]"`]', "", said[1] if said else program.stem).strip().rstrip(".")


def picture(names: list[str]) -> str:
    """A picture of the gallery with its title; nothing where it was not made."""
    (name,) = names
    if not (DOCS / "pictures" / f"{name}.png").exists():
        return ""
    title = title_of(DOCS / "gallery" / f"{name}.py")
    source = f"{{up}}pictures/{name}.png"
    return f"![{title}]({source}){{ loading=lazy }}\n\n*{title}. [How it was made]({{up}}gallery.md#{name})*"


def notebook(paths: list[str]) -> str:
    """A notebook in percent format: its markdown as it is, its code in blocks."""
    text = (ROOT / paths[0]).read_text(encoding="utf-8")
    pieces = []
    for cell in re.split(r"^# %% ?", text, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if kind.strip() == "[markdown]":
            pieces.append(re.sub(r"^# ?", "", body.rstrip(), flags=re.MULTILINE))
        else:
            pieces.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(pieces)


def help_of_commands(_: list[str]) -> str:
    """What `amt-export COMMAND --help` says, 80 columns wide."""
    from amt_export.cli.main import main

    os.environ |= {"COLUMNS": "80", "NO_COLOR": "1"}
    pieces = []
    for command in sorted((ROOT / "amt_export" / "cli" / "commands").glob("[a-z]*.py")):
        said = StringIO()
        with redirect_stdout(said), suppress(SystemExit):
            main([command.stem, "--help"])
        pieces.append(f"## {command.stem}\n\n```text\n{said.getvalue().rstrip()}\n```\n")
    return "\n".join(pieces)


def gallery(_: list[str]) -> str:
    """Every picture with the program that made it; the first line of its docstring is the title."""
    pieces = []
    for program in sorted((DOCS / "gallery").glob("*.py")):
        if not (DOCS / "pictures" / f"{program.stem}.png").exists():
            continue
        code = program.read_text(encoding="utf-8")
        said = re.match(r'\s*""".*?"""\s*', code, re.DOTALL)
        body = code[said.end() :] if said else code
        title = title_of(program)
        heading, _, rest = title.partition(": ")
        about = f"{rest[0].upper()}{rest[1:]}.\n\n" if rest else ""
        pieces.append(
            f"## {heading} {{ #{program.stem} }}\n\n{about}"
            f"![{title}](pictures/{program.stem}.png){{ loading=lazy }}\n\n"
            f'```python title="docs/gallery/{program.name}"\n{body.rstrip()}\n```\n'
        )
    return "\n".join(pieces) or "The pictures are made by `scripts/pictures.py`; none is here yet."


MACROS: dict[str, Macro] = {
    "facts": facts,
    "response": response,
    "cite": cite,
    "models": models,
    "machine": machine,
    "picture": picture,
    "gallery": gallery,
    "help": help_of_commands,
    "notebook": notebook,
}
MACRO = re.compile(rf"<!-- ({'|'.join(MACROS)})(?:: (.*?))? -->")


# A link to a file of the repository that is no page: right on a host of repositories, nowhere on the site.
OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+((?:amt_export|examples|packages|scripts|tests)/[^)]+)\)"
)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put in what the comments ask for, and name files outside of the pages in place of linking to them."""
    markdown = OUTSIDE.sub(
        lambda found: f"`{found[2]}`" if found[1] == found[2] else f"{found[1]} (`{found[2]}`)",
        markdown,
    )
    up = "../" * page.file.src_uri.count("/")

    def put_in(found: re.Match[str]) -> str:
        return MACROS[found[1]]((found[2] or "").split()).replace("{up}", up)

    return MACRO.sub(put_in, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Equations as MathML, which every current browser draws without a script."""

    def inline(found: re.Match[str]) -> str:
        return convert(unescape(found[1]))

    def block(found: re.Match[str]) -> str:
        math = convert(unescape(found[1]), display="block")
        return f'<div class="arithmatex">{math}</div>'

    html = re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', inline, html, flags=re.DOTALL)
    return re.sub(
        r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', block, html, flags=re.DOTALL
    )


def unescape(text: str) -> str:
    """Take back what HTML needs."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def on_files(files: Any, config: Any) -> Any:
    """The drawing of the algorithm lies beside the code that it explains."""
    source = ROOT / "amt_export" / "recurrence" / "prefix_scan.svg"
    files.append(File.generated(config, "prefix_scan.svg", abs_src_path=str(source)))
    return files
