"""Draw the pictures of docs/gallery: run each script there, and put what it saves into docs/pictures.

A script is what a reader would type: it loads models from ./artifacts, reads ./speech.wav, and saves a PNG with
its own name beside them. So each one runs in a folder that has these, with the style of the gallery.
"""

from __future__ import annotations

import argparse
import contextlib
import runpy
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import matplotlib as mpl
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "gallery"
PICTURES = ROOT / "docs" / "pictures"
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"


def main() -> int:
    """Draw all pictures, or those that are named, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of scripts (default: all)")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", metavar="DIR")
    parser.add_argument("-o", "--output", type=Path, default=PICTURES, metavar="DIR")
    arguments = parser.parse_args()
    scripts = sorted(GALLERY.glob("*.py"))
    known = {script.stem: script for script in scripts}
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"{unknown[0]}: no such script in {GALLERY}; there are {', '.join(known)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for script in [known[name] for name in arguments.names] or scripts:
        started = time.monotonic()
        path = draw(script, arguments.artifacts, arguments.output)
        print(
            f"{path.name:28} {path.stat().st_size / 1000:4.0f} kB  {time.monotonic() - started:4.1f} s"
        )
    return 0


def draw(script: Path, artifacts: Path, output: Path) -> Path:
    """Run a script of the gallery and return where its picture is.

    Parameters
    ----------
    script : Path
        Saves ``<its name>.png`` in the current folder.
    artifacts : Path
        Where published folders are.
    output : Path
        Where the picture goes.
    """
    mpl.use("agg")
    import matplotlib.pyplot as plt

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("artifacts").symlink_to(artifacts.resolve())
        shutil.copy(SPEECH, "speech.wav")
        with mpl.rc_context(fname=GALLERY / "gallery.mplstyle"), warnings.catch_warnings():
            # That the recording is resampled, as process_file says, is known here.
            warnings.simplefilter("ignore", UserWarning)
            runpy.run_path(str(script))
        plt.close("all")
        picture = output / f"{script.stem}.png"
        # 256 colours: a third of the bytes, and nobody sees a difference.
        Image.open(picture.name).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )
        return picture


if __name__ == "__main__":
    sys.exit(main())
