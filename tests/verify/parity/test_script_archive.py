"""A TorchScript file computes and does nothing else, as far as `check` opens it."""

from __future__ import annotations

import zipfile

import pytest
import torch

from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.verify.parity.script_archive import check_script
from support.folders import artifact, keep_only, sign


def rewritten(path, old, new):
    """An archive with other code."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(old, new) if old and "/code/" in name else data)
    return path


@pytest.mark.parametrize("spelling", ['torch.save(x, "{}")', 'torch . save(x, "{}")'])
def test_code_that_writes_a_file_is_refused(spelling, tmp_path):
    path, written = tmp_path / "m.ts.pt", tmp_path / "written"

    @torch.jit.script
    def double(x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x

    torch.jit.save(double, str(path))
    check_script(rewritten(path, b"", b""))  # not compressed, as this package publishes it
    call = spelling.format(written)
    rewritten(path, b"    return", f"    {call}\n    return".encode())
    with pytest.raises(ArtifactError, match=r"m\.ts\.pt: its code uses '\.save'"):
        check_script(path)
    torch.jit.load(path)(torch.ones(1))
    assert written.exists(), "so it is code that writes a file"


def test_check_does_not_open_it(copied, tmp_path, capsys):
    keep_only(copied, "torchscript")
    path = artifact(copied, "torchscript")
    assert main(["check", str(copied), "--vectors-only"]) == 0
    written = tmp_path / "written"
    rewritten(path, b"    return", f'    torch.save(0, "{written}")\n    return'.encode())
    sign(copied)
    assert main(["check", str(copied), "--vectors-only"]) == 1
    assert "which a model does not need" in capsys.readouterr().err
    assert not written.exists()
