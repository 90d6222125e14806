"""Models on a Triton server: what the repository says, and that Model and Stream answer as they do here."""

from __future__ import annotations

import gc
import pickle
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from google.protobuf import text_format

from amt_export import runtime
from amt_export.cli.main import main
from amt_export.errors import BackendError, PublishError, StreamError
from amt_export.manifest import load_manifest
from amt_export.manifest.ports import ELAPSED
from amt_export.runtime.axes import time_axis
from amt_export.runtime.triton import RepositoryOptions, write_model
from amt_export.runtime.triton.config import model_config
from support.cli import failed
from support.runtime import noise
from support.streams import publish_frames
from support.triton import (
    FakeServer,
    configurations,
    install,
    model_config_class,
    python_model,
    type_name,
)

ONNX_TYPES = {"TYPE_FP32": onnx.TensorProto.FLOAT, "TYPE_FP64": onnx.TensorProto.DOUBLE}
NAMES = {"small": "small", "frames": "tiny"}


@pytest.fixture(scope="module")
def folders(small_stream, tmp_path_factory):
    """A filterbank of one ear, and a model of both ears with frames."""
    return {"small": small_stream, "frames": publish_frames(tmp_path_factory.mktemp("frames"))}


@pytest.fixture
def serve(folders, tmp_path, monkeypatch):
    """Serve a folder; return the name to load, and the server."""

    def serve(name, **options):
        write_model(folders[name], tmp_path / "repository", RepositoryOptions(**options))
        server = FakeServer(tmp_path / "repository")
        install(monkeypatch, server)
        return f"triton://localhost:8001/{load_manifest(folders[name]).name}", server

    return serve


def shapes(values):
    return {
        value.name: [d.dim_value or -1 for d in value.type.tensor_type.shape.dim]
        for value in values
    }


@pytest.mark.parametrize("stateless", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_configurations_say_what_the_files_are(name, stateless, folders, tmp_path):
    options = RepositoryOptions(streams=7, instances=3, idle=2.5, stateless=stateless)
    served = write_model(folders[name], tmp_path, options)
    found = configurations(tmp_path)
    assert set(found) == set(served)
    for model, config in found.items():
        graph = onnx.load(tmp_path / model / "1" / "model.onnx").graph
        batching = config.sequence_batching
        inputs = {port.name: list(port.dims) for port in config.input}
        outputs = {port.name: list(port.dims) for port in config.output}
        inputs |= {state.input_name: list(state.dims) for state in batching.state}
        outputs |= {state.output_name: list(state.dims) for state in batching.state}
        assert inputs == shapes(graph.input)
        assert outputs == shapes(graph.output)
        kinds = {value.name: value.type.tensor_type.elem_type for value in graph.input}
        for port in config.input:
            assert ONNX_TYPES[type_name(port)] == kinds[port.name]
        assert (config.name, config.backend, config.max_batch_size) == (model, "onnxruntime", 0)
        assert config.instance_group[0].count == 3
        assert config.HasField("sequence_batching") == (model.endswith("_stream") and not stateless)
        if config.HasField("sequence_batching"):
            assert batching.max_sequence_idle_microseconds == 2_500_000
            assert batching.oldest.max_candidate_sequences == 7
            assert batching.state
        for state in batching.state:
            (initial,) = state.initial_state
            assert initial.zero_data
            assert list(initial.dims) == list(state.dims)
            assert initial.data_type == state.data_type
        text = config.parameters["amt_export.manifest"].string_value
        assert text == load_manifest(folders[name]).embedded_json()


def test_where_a_signal_begins_and_ends_the_client_says(folders):
    manifest = load_manifest(folders["small"])
    states = [replace(manifest.stream.states[0], input=f"state_{n}") for n in ("own", ELAPSED)]
    manifest = replace(manifest, stream=replace(manifest.stream, states=tuple(states)))
    config = text_format.Parse(
        model_config(manifest, "stream", RepositoryOptions()), model_config_class()()
    )
    assert [port.name for port in config.input] == ["audio", f"state_{ELAPSED}"]
    assert [state.input_name for state in config.sequence_batching.state] == ["state_own"]


def test_a_free_batch_is_batched(tmp_path):
    from support.triton import publish_free_batch

    write_model(publish_free_batch(tmp_path / "model"), tmp_path / "r", RepositoryOptions())
    (config,) = configurations(tmp_path / "r").values()
    assert config.max_batch_size > 1
    assert config.HasField("dynamic_batching")
    assert [list(port.dims) for port in config.input] == [[64]]


def test_the_whole_form_answers_the_same(serve, folders):
    url, _ = serve("small")
    audio = noise(5000)
    model, local = runtime.load(url), runtime.load(folders["small"])
    assert model.sampling_rate == 16000
    np.testing.assert_array_equal(
        model.process(audio)["subbands"], local.process(audio)["subbands"]
    )
    with pytest.raises(BackendError, match=r"localhost:8001/gone.*not found"):
        runtime.load("triton://localhost:8001/gone")


@pytest.mark.parametrize("stateless", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_streams_in_turns_answer_the_same(serve, folders, name, stateless):
    url, _ = serve(name, stateless=stateless)
    local, remote = runtime.load(folders[name]), runtime.load(url)
    port = local.manifest.stream.outputs[0]
    output, axis = port.name, time_axis(port) - 1
    count, rng = 5, np.random.default_rng(0)
    ears = local.inputs[0].shape[1:-1]
    signals = [noise(*ears, 700 + 61 * k, seed=k) for k in range(count)]
    expected, answers = [[] for _ in signals], [[] for _ in signals]
    here = [local.stream() for _ in signals]
    there = [remote.stream() for _ in signals]
    at = [0] * count
    for _ in range(60):
        k, size = int(rng.integers(count)), int(rng.integers(1, 200))
        piece = signals[k][..., at[k] : at[k] + size]
        at[k] += size
        expected[k].append(here[k].push(piece)[output])
        answers[k].append(there[k].push(piece)[output])
    for k in range(count):
        expected[k].append(here[k].flush()[output])
        answers[k].append(there[k].flush()[output])
        np.testing.assert_array_equal(
            np.concatenate(answers[k], axis), np.concatenate(expected[k], axis)
        )


def test_a_sequence_ends_with_its_stream(serve):
    url, server = serve("small")
    model = runtime.load(url)
    for _ in range(4):
        with model.stream() as stream:
            stream.push(noise(2000))
        gc.collect()
    with model.stream() as stream:
        stream.push(noise(2000))
        assert len(server.open) == 1
        stream.reset()
        stream.push(noise(2000))
        assert len(server.open) == 1
    starts = [call for call in server.calls if call[2]]
    assert len(starts) == len({call[1] for call in starts}) == 6


def test_states_of_a_stream_on_the_server_are_not_copied(serve):
    url, _ = serve("small")
    stream = runtime.load(url).stream()
    stream.push(noise(2000))
    fork = stream.__copy__()
    fork.push(noise(2000))
    with pytest.raises(StreamError, match="--stateless"):
        stream.push(noise(2000))


def test_states_of_a_stateless_stream_are_the_clients(serve, folders):
    url, _ = serve("small", stateless=True)
    stream, audio = runtime.load(url).stream(), noise(4000)
    stream.push(audio[:1700])
    again = pickle.loads(pickle.dumps(stream))
    local = runtime.load(folders["small"]).stream()
    local.push(audio[:1700])
    expected = local.push(audio[1700:])["subbands"]
    for each in (stream, again):
        np.testing.assert_array_equal(each.push(audio[1700:])["subbands"], expected)


def test_errors_of_the_server_are_one_line(serve):
    url, server = serve("small")
    model = runtime.load(url)
    server.down = True
    with pytest.raises(BackendError, match=r"^triton://localhost:8001/small: failed to connect to"):
        model.process(noise(3000))
    for bad in ("triton://small", "triton://host:1/", "triton://host:1/a/b"):
        with pytest.raises(BackendError, match="host:port/name"):
            runtime.load(bad)
    for config in server.configurations.values():
        config.parameters.clear()
    server.down = False
    with pytest.raises(BackendError, match="no model of amt-export"):
        runtime.load(url)


def test_without_tritonclient_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient", None)
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    with pytest.raises(ImportError, match=r"amt_export\[triton\]"):
        runtime.load("triton://localhost:8001/small")


def test_the_command_writes_a_repository(folders, tmp_path, capsys):
    repository = tmp_path / "repository"
    command = ["triton", *map(str, folders.values()), "--out", str(repository)]
    assert main([*command, "--python-backend"]) == 0
    assert "4 models" in capsys.readouterr().out
    config = configurations(repository)["small_stream"]
    assert config.backend == "python"
    assert config.HasField("sequence_batching")
    assert not config.sequence_batching.state
    compile((repository / "small" / "1" / "model.py").read_text(), "model.py", "exec")
    assert main(command) == 0
    assert configurations(repository)["small_stream"].backend == "onnxruntime"
    assert not list(repository.glob(".*"))
    assert main([*command[:2], *command[1:]]) == 0  # one of them twice
    assert capsys.readouterr().out.count("4 models") == 2
    assert main([*command[:2], "gone", "--out", str(tmp_path / "new")]) == 1
    assert not (tmp_path / "new").exists()


def test_the_python_backend_answers_the_same(folders, tmp_path, monkeypatch):
    options = RepositoryOptions(streams=2, python_backend=True)
    write_model(folders["small"], tmp_path, options)
    execute = python_model(tmp_path, "small_stream", monkeypatch)
    model = runtime.load(folders["small"])
    block, info = model.stream().block, model.manifest.stream
    audio = {key: noise(1, 3 * block, seed=key) for key in (11, 12, 13)}
    expected = {}
    for key, signal in audio.items():
        with model.stream() as stream:
            expected[key] = stream.push(signal)["subbands"]
    for k in range(3):
        for key in (11, 12):
            piece = audio[key][:, k * block : (k + 1) * block]
            (answer,) = execute(key, {"audio": piece}, start=k == 0, end=k == 2)
            found = expected[key][..., k * block : (k + 1) * block]
            np.testing.assert_array_equal(answer, found.reshape(info.outputs[0].shape))
    first = audio[13][:, :block]
    assert "has not begun" in execute(11, {"audio": first})  # it has ended
    for key in (21, 22, 23):
        execute(key, {"audio": first}, start=True)
    assert "idle for too long" in execute(
        21, {"audio": first}
    )  # more than `streams` have begun since
    execute(23, {"audio": first})


def test_a_repository_keeps_what_others_put_there(folders, tmp_path, capsys):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.pbtxt").write_text('name: "small"')
    error = failed(capsys, "triton", folders["small"], "--out", tmp_path)
    assert "no model that amt-export wrote" in error
    assert (tmp_path / "small" / "config.pbtxt").read_text() == 'name: "small"'
    (tmp_path / "file").touch()
    with pytest.raises(PublishError):
        write_model(folders["small"], tmp_path / "file", RepositoryOptions())
