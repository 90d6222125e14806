"""Core ML packages from the command line: proven by the interpreter, refused where they are wrong."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from amt_export.cli.main import main
from amt_export.coreml_interpreter import open_package
from amt_export.errors import ArtifactError, ParityError
from amt_export.export import FORMATS, capture
from amt_export.manifest import load_manifest
from amt_export.verify.parity import check_folder
from support.coreml import (
    block_of,
    change_weight,
    edited,
    publish_two_windows,
    weight_file,
)
from support.folders import sign

MAC = sys.platform == "darwin"  # where packages are run by Core ML itself


class Late(nn.Module):
    """One frame too late."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, audio):
        psd, freqs = self.module(audio)
        return torch.cat([psd[:, :1], psd[:, :-1]], dim=1), freqs


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return publish_two_windows(tmp_path_factory.mktemp("published"), "coreml")


def test_the_interpreter_says_that_it_was_it(published, capsys):
    (row, freqs) = (r for r in load_manifest(published).parity if r.format == "coreml")
    how = ("execution", "CPU_ONLY") if MAC else ("interpreter", "numpy")
    assert (row.verified_by, row.provider) == how
    assert 0.0 < row.worst <= row.tolerance == 1e-5
    assert (freqs.output, freqs.worst, freqs.tolerance) == ("freqs", 0.0, 0.0)
    assert how[0] in (published / "README.md").read_text()
    assert main(["check", str(published)]) == 0
    output = capsys.readouterr().out
    assert "coreml" in output
    assert how[0] in output


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("weight", "coreml differs"),
        ("truncated", "truncated"),
        ("specification", "coremltools cannot read it"),
        ("foreign", "schema is None, this version reads 1 and 2"),
        ("operator", "unexpected operators: einsum"),
        ("type", "the program declares int32"),
    ],
)
def test_check_refuses_a_damaged_package(how, message, published, proven, tmp_path, capsys):
    folder = Path(shutil.copytree(published, tmp_path / "small"))
    package = folder / "small.mlpackage"
    path = weight_file(package)
    if how == "weight":
        assert change_weight(package, 64, 0.01)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-70])
    elif how == "specification":
        specification = open_package(package).specification
        specification.write_bytes(specification.read_bytes()[:500])
    elif how == "foreign":
        shutil.rmtree(package)
        shutil.copytree(proven("gammatone").package, package)
    else:
        with edited(package) as model:
            operation = next(o for o in block_of(model).operations if o.type == "concat")
            if how == "operator":
                operation.type = "einsum"
            else:
                operation.outputs[0].type.tensorType.dataType = 23
    sign(folder)
    assert main(["check", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line or MAC, "Core ML has words of its own for what it does not compile"
    with pytest.raises((ArtifactError, ParityError)):
        check_folder(folder)


def test_build_refuses_a_wrong_package(published, tmp_path, monkeypatch, capsys):
    kind = FORMATS["coreml"]

    def export(program, path, metadata):
        names = (program.input_names, program.output_names)
        kind.export(capture(Late(program.module).eval(), program.inputs, *names), path, metadata)

    monkeypatch.setitem(FORMATS, "coreml", replace(kind, export=export))
    model = published.with_suffix(".toml")
    assert main(["build", str(model), "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "coreml differs from eager torch" in line
    assert not list((tmp_path / "out").iterdir())
