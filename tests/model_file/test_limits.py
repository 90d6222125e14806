"""Sizes are looked at before anything is allocated: each of these would take gigabytes or for ever."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import resource
import zipfile

import numpy as np
import pytest
import torch

from amt_export.cli.main import main
from amt_export.errors import CheckpointError, SpecError
from amt_export.model_file import load_spec
from amt_export.model_file.checkpoint import load_checkpoint, read_checkpoint
from amt_export.modules import GammatoneFilterbank
from support.cli import SMALL, failed


@pytest.fixture(autouse=True)
def _bounded_memory():
    """Whatever allocates more than 16 GB fails."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(tmp_path, module, parameters, inputs="audio = [1, 2000]", more="", name="m"):
    text = f'[model]\nname = "{name}"\nmodule = "{module}"\ndescription = "x"\n'
    path = tmp_path / f"{name}.toml"
    path.write_text(f"{text}[parameters]\n{parameters}\n[inputs]\n{inputs}\n{more}\n")
    with pytest.raises(SpecError, match=rf"{name}\.toml: ") as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FC = "fc_range = [100.0, 4000.0]\nfs = 16000"


@pytest.mark.parametrize(
    ("module", "parameters", "named"),
    [
        ("DRNLFilterbank", f"{FC}\nn_channels = 1000000000", "n_channels = 1000000000: must be at"),
        ("FastDRNLFilterbank", f"{FC}\nir_length = 1000000000", "ir_length = 1000000000: must be"),
        ("GammatoneFilterbank", f"{FC}\nn = 100000", "n = 100000: must be at most 20"),
        ("GammatoneFilterbank", f"fc = {[500.0] * 1001}\nfs = 16000", "has 1001 entries"),
        ("GammatoneFilterbank", "fc_range = [1.0, 1e300]\nfs = 1e301", "must be at most 1e"),
        ("MultiResolutionFFT", "window_lengths = [1000000000]", "must be at most 262144"),
    ],
)
def test_a_parameter_has_a_largest_value(module, parameters, named, tmp_path):
    assert named in refused(tmp_path, module, parameters)


def test_nested_parameters_have_too(tmp_path):
    nested = "[parameters.erb_kwargs]\nerb_step = 1e-9"
    message = refused(tmp_path, "Glasberg2002FrontEnd", f"fs = 32000\n{nested}")
    assert "erb_kwargs = " in message
    assert "erb_step must be at least 0.01" in message


@pytest.mark.parametrize("shape", [[1, 10**9], [10**9, 10], [2**62, 2**62]])
def test_an_input_has(shape, tmp_path):
    message = refused(tmp_path, "GammatoneFilterbank", FC, f"audio = {shape}")
    assert "[inputs] audio = " in message
    assert "more than the 16777216 elements allowed" in message


def test_a_block_has(tmp_path):
    message = refused(tmp_path, "GammatoneFilterbank", FC, more="[stream]\nblock = 1000000000")
    assert "[stream] block = 1000000000: must be at most" in message


@pytest.mark.parametrize("samples", ["1000000000", "1" + "0" * 30])
def test_the_command_line_has(samples, tmp_path, capsys):
    (tmp_path / "small.toml").write_text(SMALL)
    arguments = ("build", tmp_path / "small.toml", "--samples", samples, "--out", tmp_path / "out")
    assert "samples or batch: the input holds more than" in failed(capsys, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("samples", ["1e30", "-5", "1" * 5000])
def test_what_is_no_number_of_samples_is_bad_usage(samples, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["build", "--samples", samples])
    assert caught.value.code == 2
    assert "is not an integer above zero" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["\u00fc", "-rf", "a b", "<b>", ".m"])
def test_a_name_is_one_that_is_safe_everywhere(name, tmp_path):
    assert "only letters, digits" in refused(tmp_path, "GammatoneFilterbank", FC, name=name)


def test_a_description_is_one_line_without_control_characters(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("three channels", r"\u001b[31mred\u202e\n\ttwo"))
    assert load_spec(path).description == "[31mred  two"


@pytest.mark.parametrize(
    "content", ["x = " + "[" * 100_000, "x = " + "1" * 10_000, "\n" * (2**20 + 1)]
)
def test_a_model_file_that_is_none_is_one_line(content, tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(content)
    with pytest.raises(SpecError, match=r"m\.toml: ") as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)


# Checkpoints


def save(path, content, **options):
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(3).to_sparse(),
        lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
        lambda: torch.ones(3, device="meta"),
    ],
    ids=["sparse", "quantised", "meta"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_checkpoint_holds_plain_tensors(make, tmp_path):
    path = save(tmp_path / "a.pt", {"poles": make()})
    with pytest.raises(CheckpointError, match=r"a\.pt: holds more than tensors.*found torch"):
        read_checkpoint(path)


def rewritten(path, compression=zipfile.ZIP_STORED, change=lambda name, data: data):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, change(name, data))
    return path


def test_a_checkpoint_does_not_unpack_to_more_than_it_is(tmp_path):
    path = save(tmp_path / "a.pt", {"poles": torch.zeros(10**7)})
    assert rewritten(path, zipfile.ZIP_DEFLATED).stat().st_size < 10**6
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_has_the_bytes_that_it_states(legacy, tmp_path):
    """Without this torch reads beyond the end, or allocates what is stated."""
    path = save(
        tmp_path / "a.pt",
        {"poles": torch.zeros(1000)},
        _use_new_zipfile_serialization=not legacy,
    )
    number = pickle.dumps(1000, protocol=2)[2:-1]
    huge = pickle.dumps(2**31 - 1, protocol=2)[2:-1]

    def change(name, data):
        assert name.endswith("data.pkl") != (number not in data) or not name.endswith(".pkl")
        return data.replace(number, huge) if name.endswith("data.pkl") else data

    if legacy:
        path.write_bytes(change("data.pkl", path.read_bytes()))
    else:
        rewritten(path, change=change)
    with pytest.raises(CheckpointError, match=r"a\.pt: .* bytes"):
        read_checkpoint(path)


def test_a_memo_index_allocates_nothing(tmp_path):
    """The unpickler in C makes room for it."""
    (tmp_path / "a.pt").write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_complex_value_is_not_cut_to_its_real_part(tmp_path):
    module = GammatoneFilterbank(fc=(700.0, 1300.0), fs=16000)
    state = module.state_dict()
    state["betamul"] = state["betamul"] + 1j
    with pytest.raises(CheckpointError, match="complex for real: betamul"):
        load_checkpoint(module, save(tmp_path / "a.pt", state))


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="not a file"):
        read_checkpoint(tmp_path)


# Test vectors


def test_test_vectors_unpack_to_no_more_than_the_model_has(copied, capsys):
    stream = io.BytesIO()
    np.savez_compressed(stream, **{"in.click.audio": np.zeros((1, 10**8), np.float32)})
    (copied / "vectors.npz").write_bytes(stream.getvalue())
    # Whoever makes such a file also writes its hash into the manifest.
    manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    (entry,) = (e for e in manifest["other_files"] if e["path"] == "vectors.npz")
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    entry.update(bytes=len(stream.getvalue()), sha256=digest)
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    error = failed(capsys, "check", copied, "--vectors-only")
    assert "vectors.npz: unpacks to 400000" in error
