"""What mkdocs does to the pages beyond markdown: facts of models, references, gallery, equations as MathML.

A page says where with a comment on a line of its own:

    <!-- facts: NAME ... -->     table of each model file: interface, size, error, speed, and the file itself
    <!-- response: NAME -->      frequency response of a published model
    <!-- cite: KEY ... -->       references of amt_export/report/references.bib, with DOI and BibTeX
    <!-- models -->              all models in one table
    <!-- machine -->             where their speeds were measured
    <!-- picture: NAME -->       a picture of docs/pictures; nothing where it is not there yet
    <!-- help -->                `--help` of every command
    <!-- notebook: PATH -->      a notebook of this repository
    <!-- gallery -->             every picture of docs/pictures with the program of docs/gallery that made it
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs_bibliography import cite
from docs_commands import help_of_commands
from docs_facts import facts, machine, models, response
from docs_lines import keep_together
from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
Macro = Callable[[list[str]], str]


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
    made = f"[How it was made]({{up}}gallery.md#{name})"
    return f"{enlarged(title, name)}\n\n*{title}. {made}*"


def enlarged(title: str, name: str) -> str:
    """A picture that opens in its full size, since its letters are small on a phone."""
    source = f"{{up}}pictures/{name}.png"
    return f"[![{title}]({source}){{ loading=lazy }}]({source})"


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
            f"{enlarged(title, program.stem)}\n\n"
            f'```python title="docs/gallery/{program.name}"\n{body.rstrip()}\n```\n'
        )
    return "\n".join(pieces) or "`scripts/draw_gallery.py` draws the pictures; none is here yet."


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
    up = "../" * page.file.src_uri.count("/")

    def named(found: re.Match[str]) -> str:
        if (DOCS / found[2]).exists():  # docs/examples is on the site
            return found[0]
        return f"`{found[2]}`" if found[1] == found[2] else f"{found[1]} (`{found[2]}`)"

    markdown = OUTSIDE.sub(named, markdown)

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


def on_post_page(output: str, **_: Any) -> str:
    """Line breaks where they do not hurt, menus and contents included."""
    return keep_together(output)


def unescape(text: str) -> str:
    """Take back what HTML needs."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def on_files(files: Any, config: Any) -> Any:
    """The drawing of the algorithm lies beside the code that it explains."""
    source = ROOT / "amt_export" / "recurrence" / "prefix_scan.svg"
    files.append(File.generated(config, "prefix_scan.svg", abs_src_path=str(source)))
    return files
