"""The manifest: the published JSON, its round trip, and the checks of files."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amt_export.errors import ArtifactError
from amt_export.manifest import (
    FileEntry,
    Manifest,
    ParityRow,
    Port,
    StateInfo,
    StreamInfo,
    bytes_of,
    load_manifest,
    sha256_of,
    verify_files,
)
from support.manifests import EXAMPLE

OPTIONAL = (
    "schema",
    "precision",
    "batch",
    "look_ahead",
    "padding",
    "stream",
    "license",
    "references",
)
OPTIONAL += ("files", "other_files", "parity")
REQUIRED = [key for key in EXAMPLE if key not in OPTIONAL]


def manifest():
    return Manifest.from_json(json.dumps(EXAMPLE))


def test_the_documented_json_is_read_into_records():
    read = manifest()
    assert read.inputs == (Port("audio", ("batch", "time"), "Pa", shape=(1, 16000)),)
    assert read.stream == StreamInfo(
        512,
        0,
        (StateInfo("state_filter", "next_state_filter", (1, 2, 8), "filter memory"),),
        inputs=(Port("audio", ("batch", "time"), "Pa", shape=(1, 512)),),
        outputs=(Port("subbands", ("batch", "channel", "time"), "Pa", shape=(1, 2, 512)),),
    )
    assert isinstance(read.files[0], FileEntry)
    assert isinstance(read.parity[0], ParityRow)
    assert read.centre_frequencies == (100.0, 138.6141)


def test_writing_gives_the_documented_json_back_in_its_order():
    text = manifest().to_json()
    assert json.loads(text) == EXAMPLE
    assert list(json.loads(text)) == list(EXAMPLE)
    assert "µ" in text
    assert text.endswith("}\n")


def test_the_embedded_copy_lacks_files_and_parity_and_reads_back():
    embedded = manifest().embedded_json()
    assert json.loads(embedded) == {
        key: value
        for key, value in EXAMPLE.items()
        if key not in ("files", "other_files", "parity")
    }
    assert Manifest.from_json(embedded) == replace(manifest(), files=(), other_files=(), parity=())


def test_files_of_the_stream_have_its_states_among_their_inputs_and_outputs():
    read = manifest()
    stream = read.of("stream")
    assert [(p.name, p.shape) for p in stream.inputs] == [
        ("audio", (1, 512)),
        ("state_filter", (1, 2, 8)),
    ]
    assert [(p.name, p.shape) for p in stream.outputs] == [
        ("subbands", (1, 2, 512)),
        ("next_state_filter", (1, 2, 8)),
    ]
    assert Manifest.from_json(stream.embedded_json()) == replace(
        stream, files=(), other_files=(), parity=()
    )
    assert read.of("whole") is read
    with pytest.raises(ArtifactError, match=r"no streaming form; give its model file a \[stream\]"):
        replace(read, stream=None).of("stream")


def test_a_short_description_of_a_stream_is_enough():
    content = EXAMPLE | {"stream": {"block": 512, "latency": 0, "states": []}}
    assert Manifest.from_json(json.dumps(content)).stream == StreamInfo(512, 0, ())


def test_optional_parts_may_be_null():
    content = EXAMPLE | {"stream": None, "sampling_rate": None}
    content["parity"] = [EXAMPLE["parity"][0] | {"worst": None, "signal": None}]
    read = Manifest.from_json(json.dumps(content))
    assert read.stream is None
    assert read.sampling_rate is None
    assert read.parity[0].worst is None
    assert json.loads(read.to_json()) == content


def test_keys_of_later_versions_are_ignored():
    assert Manifest.from_json(json.dumps(EXAMPLE | {"colour": "blue"})) == manifest()


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_named(key):
    content = {name: value for name, value in EXAMPLE.items() if name != key}
    with pytest.raises(ArtifactError, match=f"somewhere: {key} is missing"):
        Manifest.from_json(json.dumps(content), "somewhere")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": 3}, "name is 3, not str"),
        ({"hop": True}, "hop is True, not int"),
        ({"hop": 1.0}, "hop is 1.0, not int"),
        ({"sampling_rate": "16k"}, "sampling_rate is '16k', not float"),
        ({"centre_frequencies": [1.0, None]}, r"centre_frequencies\[1\] is None"),
        ({"inputs": [{"name": "audio"}]}, r"inputs\[0\].axes is missing"),
        ({"inputs": ["audio"]}, r"inputs\[0\] is 'audio', not Port"),
        ({"stream": {"block": "x", "latency": 0, "states": []}}, "stream.block is 'x'"),
        ({"versions": {"torch": 2}}, "versions.torch is 2, not str"),
        ({"schema": 3}, "schema is 3"),
        ({"schema": None}, "schema is None"),
    ],
)
def test_a_wrong_value_is_named(change, named):
    with pytest.raises(ArtifactError, match=named):
        Manifest.from_json(json.dumps(EXAMPLE | change))


@given(st.integers(0, len(json.dumps(EXAMPLE)) - 1))
def test_a_truncated_manifest_is_refused(length):
    with pytest.raises(ArtifactError, match="not JSON"):
        Manifest.from_json(json.dumps(EXAMPLE)[:length])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_foreign_json_is_refused(value):
    with pytest.raises(ArtifactError):
        Manifest.from_json(json.dumps(value))


def test_a_difference_that_is_not_finite_cannot_be_published():
    row = replace(manifest().parity[0], worst=float("inf"))
    with pytest.raises(ValueError, match="JSON"):
        replace(manifest(), parity=(row,)).to_json()


def test_entry_finds_a_file_or_says_what_there_is():
    assert manifest().entry("onnx").path == "gammatone_speech_16k.onnx"
    with pytest.raises(ArtifactError, match=r"no coreml \(whole\).*only onnx \(whole\)"):
        manifest().entry("coreml")
    with pytest.raises(ArtifactError, match=r"no onnx \(stream\)"):
        manifest().entry("onnx", "stream")


@pytest.fixture
def published(tmp_path):
    """A folder with a file and a package of two files, and their entries."""
    (tmp_path / "m.onnx").write_bytes(b"graph")
    package = tmp_path / "m.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data" / "weights.bin").write_bytes(b"weights")
    (package / "Manifest.json").write_bytes(b"{}")
    return tmp_path, [
        FileEntry(name, kind, "whole", bytes_of(tmp_path / name), sha256_of(tmp_path / name), True)
        for name, kind in (("m.onnx", "onnx"), ("m.mlpackage", "coreml"))
    ]


def test_hashes(published):
    _, (file, package) = published
    assert file.sha256 == hashlib.sha256(b"graph").hexdigest()
    listing = (
        f"{hashlib.sha256(b'weights').hexdigest()}  Data/weights.bin\n"
        f"{hashlib.sha256(b'{}').hexdigest()}  Manifest.json\n"
    )
    assert package.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert (file.bytes, package.bytes) == (5, 9)


def test_untouched_files_verify(published):
    verify_files(*published)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("m.onnx", b"grap", "4 bytes, published with 5"),
        ("m.onnx", b"Graph", "SHA-256"),
        ("m.mlpackage/Data/weights.bin", b"Weights", "SHA-256"),
        ("m.mlpackage/extra", b"x", "10 bytes"),
    ],
)
def test_altered_files_are_refused(published, file, content, named):
    folder, entries = published
    (folder / file).write_bytes(content)
    with pytest.raises(ArtifactError, match=named):
        verify_files(folder, entries)


def test_a_renamed_file_in_a_package_is_refused(published):
    folder, entries = published
    data = folder / "m.mlpackage" / "Data"
    (data / "weights.bin").rename(data / "heights.bin")
    with pytest.raises(ArtifactError, match="SHA-256"):
        verify_files(folder, entries)


def test_a_missing_file_is_refused(published):
    folder, entries = published
    (folder / "m.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"m\.onnx: missing"):
        verify_files(folder, entries)


@pytest.mark.parametrize("path", ["../m.onnx", "/etc/hostname", "a/../../b"])
def test_a_path_out_of_the_folder_is_refused(published, path):
    folder, entries = published
    with pytest.raises(ArtifactError, match="outside the folder"):
        verify_files(folder, [replace(entries[0], path=path)])


def test_load_manifest_round_trip(tmp_path):
    (tmp_path / "manifest.json").write_text(manifest().to_json(), encoding="utf-8")
    assert load_manifest(tmp_path) == manifest()
    assert load_manifest(str(tmp_path)) == manifest()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"[1]"])
def test_load_manifest_refuses_other_folders(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json[:;] ") as caught:
        load_manifest(tmp_path)
    assert "\n" not in str(caught.value)
