"""No `.pt2` file runs code of its own: every way that torch.export.load has is refused before torch sees it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.verify.parity.program_archive import checked_archive
from support.folders import artifact, keep_only, sign

PROGRAM = "models/model.json"
CONSTANTS = "data/constants/model_constants_config.json"
EXAMPLE = "data/sample_inputs/model.pt"


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("gain", torch.tensor([2.0, 3.0]), persistent=False)

    def forward(self, audio):
        return torch.cat([audio * self.gain, audio])


def exported(batch: bool = False) -> dict[str, bytes]:
    """Members of a small program, by name below the root folder."""
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if batch else None
    program = torch.export.export(Scale(), (torch.ones(3, 2),), dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:  # as this package exports
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    with zipfile.ZipFile(stream) as archive:
        return {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}


@pytest.fixture(scope="module")
def members():
    return exported()


def write(path: Path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"program/{name}", data)
    return path


class Bomb:
    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (os.mkdir, (str(self.sentinel),))


def saved(content, zipped=True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def changed(members, member, change) -> dict[str, bytes]:
    content = json.loads(members[member])
    change(content)
    return members | {member: json.dumps(content).encode()}


def code(sentinel) -> str:
    return f"__import__('pathlib').Path({str(sentinel)!r}).touch()"


def payloads(members, sentinel):
    bomb = Bomb(sentinel)

    def graph(content):
        return content["graph_module"]["graph"]

    def size(content):
        graph(content)["tensor_values"]["audio"]["sizes"][0] = {
            "as_expr": {"expr_str": code(sentinel), "hint": {"as_int": 3}}
        }

    def tree(content):
        call = content["graph_module"]["module_call_graph"][0]["signature"]
        call["in_spec"] = call["in_spec"].replace("builtins.dict", "collections.defaultdict")

    def name(content):
        call = content["graph_module"]["module_call_graph"][0]["signature"]
        call["forward_arg_names"] = [f"audio={code(sentinel)}"]

    def pickled(content):
        next(iter(content["config"].values()))["use_pickle"] = True

    def opaque(content):
        next(iter(content["config"].values()))["path_name"] = "opaque_obj_0"

    old = {
        "version": b"8.20",
        "serialized_exported_program.json": members[PROGRAM],
        "serialized_state_dict.pt": saved(bomb),
        "serialized_constants.pt": saved({}),
        "serialized_example_inputs.pt": saved(()),
    }
    return {
        "example": members | {EXAMPLE: saved(bomb)},
        "example of old torch": members | {EXAMPLE: saved(bomb, zipped=False)},
        "example, plain pickle": members | {EXAMPLE: pickle.dumps(bomb)},
        "example, compressed": members | {EXAMPLE: compressed(saved(torch.zeros(9)))},
        "constant": changed(members, CONSTANTS, pickled) | {"data/constants/tensor_0": saved(bomb)},
        "opaque object": changed(members, CONSTANTS, opaque)
        | {"data/constants/opaque_obj_0": pickle.dumps(bomb)},
        "legacy constants": members | {"data/constants/model.pt": saved({"gain": bomb})},
        "legacy weights": members | {"data/weights/model.pt": saved({"gain": bomb})},
        "legacy archive": old,
        "compiled code": members | {"data/aotinductor/model/a.so": b"\x7fELF"},
        "size": changed(members, PROGRAM, size),
        "guard": changed(members, PROGRAM, lambda c: c.update(guards_code=[code(sentinel)])),
        "operator": changed(
            members, PROGRAM, lambda c: graph(c)["nodes"][0].update(target="torch.hub.load")
        ),
        "file operator": changed(
            members,
            PROGRAM,
            lambda c: graph(c)["nodes"][0].update(target="torch.ops.aten.from_file.default"),
        ),
        "argument name": changed(members, PROGRAM, name),
        "argument tree": changed(members, PROGRAM, tree),
    }


def compressed(data: bytes) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in source.namelist():
            copy.writestr(name, source.read(name))
    return stream.getvalue()


KINDS = list(payloads(exported(), Path("none")))


@pytest.mark.parametrize("kind", KINDS)
def test_what_would_run_code_is_refused_before_torch_sees_it(kind, members, tmp_path):
    sentinel = tmp_path / "it_ran"
    path = write(tmp_path / "a.pt2", payloads(members, sentinel)[kind])
    with pytest.raises(ArtifactError, match=r"a\.pt2: .*; build the model again"):
        checked_archive(path)
    assert not sentinel.exists()


@pytest.mark.parametrize("kind", ["example", "constant", "size"])
def test_torch_alone_runs_it(kind, members, tmp_path):
    """So the payloads are ones."""
    sentinel = tmp_path / "it_ran"
    path = write(tmp_path / "a.pt2", payloads(members, sentinel)[kind])
    with contextlib.suppress(Exception):
        torch.export.load(path)
    assert sentinel.exists()


@pytest.mark.parametrize("batch", [False, True])
def test_what_torch_wrote_loads_and_answers_the_same(batch, tmp_path):
    path = write(tmp_path / "a.pt2", exported(batch))
    module = torch.export.load(checked_archive(path)).module()
    audio = torch.arange(10.0).reshape(5, 2) if batch else torch.arange(6.0).reshape(3, 2)
    assert torch.equal(module(audio), Scale()(audio))


def test_a_member_that_is_there_twice_is_refused(members, tmp_path):
    path = write(tmp_path / "a.pt2", members)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"program/{PROGRAM}", b"{}")
    with pytest.raises(ArtifactError, match="twice"):
        checked_archive(path)


def test_an_archive_that_unpacks_to_more_is_refused(members, tmp_path):
    path = write(tmp_path / "a.pt2", members, zipfile.ZIP_DEFLATED)
    with pytest.raises(ArtifactError, match="compressed"):
        checked_archive(path)


def test_every_truncation_is_one_error(members, tmp_path):
    data = write(tmp_path / "a.pt2", members).read_bytes()
    for length in range(1, len(data), 97):
        (tmp_path / "b.pt2").write_bytes(data[:length])
        with pytest.raises(ArtifactError):
            checked_archive(tmp_path / "b.pt2")


def test_check_refuses_a_folder_whose_hashes_are_right(copied, tmp_path, capsys):
    """Hashes protect against accidents: who made the folder made them, too."""
    keep_only(copied, "exported_program")
    sentinel, path = tmp_path / "it_ran", artifact(copied, "exported_program")
    with zipfile.ZipFile(path) as archive:
        members = {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}
    write(path, members | {EXAMPLE: saved(Bomb(sentinel))})
    sign(copied)
    assert main(["check", str(copied), "--vectors-only"]) == 1
    assert "loading it could run code, so it was not opened" in capsys.readouterr().err
    assert not sentinel.exists()
