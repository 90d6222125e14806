"""Checkpoints: trained values come through, everything else is one clear error and runs no code."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from amt_export.errors import CheckpointError
from amt_export.model_file.building import build_module
from amt_export.model_file.checkpoint import load_checkpoint
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank, GammatoneFilterbank
from amt_export.publish import publish
from support.filters import noise, relative, small_specs

SPEECH = {"fc": (700.0, 1300.0), "fs": 16000}


def trained() -> GammatoneFilterbank:
    module = GammatoneFilterbank(**SPEECH, learnable=True)
    with torch.no_grad():
        module.gains[1] *= 2.0
        module.poles[3] *= 0.99
    return module


def save(content, path):
    torch.save(content, path)
    return path


# Loading


@pytest.mark.parametrize("prefix", ["", "model.front_end."])
def test_trained_values_come_through(prefix, tmp_path):
    module = trained()
    state = {prefix + name: value for name, value in module.state_dict().items()}
    if prefix:
        state["model.back_end.weight"] = torch.ones(3)
    target = GammatoneFilterbank(**SPEECH)
    load_checkpoint(target, save(state, tmp_path / "a.pt"), prefix)
    audio = noise(1, 400, dtype=torch.float32)
    assert relative(target(audio), module(audio)) < 1e-6
    assert relative(target(audio), GammatoneFilterbank(**SPEECH)(audio)) > 0.1
    assert not list(target.parameters())


@pytest.mark.parametrize("make", [DRNLFilterbank, FastDRNLFilterbank])
def test_every_filterbank_loads_its_own(make, tmp_path):
    keywords = {"fc": (2000.0, 6000.0), "fs": 16000, "n_channels": 3}
    module = make(**keywords, learnable=True, dtype=torch.float64)
    with torch.no_grad():
        module.b[1] *= 1.5
    target = make(**keywords, dtype=torch.float64)
    load_checkpoint(target, save(module.state_dict(), tmp_path / "a.pt"))
    audio = 1e-4 * noise(1, 400)
    torch.testing.assert_close(target(audio), module(audio), rtol=0, atol=1e-15)


def test_the_old_file_format_loads_too(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(trained().state_dict(), path, _use_new_zipfile_serialization=False)
    load_checkpoint(GammatoneFilterbank(**SPEECH), path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_modules_dtype_is_kept(dtype, tmp_path):
    path = save(trained().double().state_dict(), tmp_path / "a.pt")
    target = GammatoneFilterbank(**SPEECH, dtype=dtype)
    load_checkpoint(target, path)
    assert target(noise(1, 100)).dtype == dtype
    assert target.poles.dtype == dtype.to_complex()


# Refusals


class Bomb:
    """What an attacker would pickle."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (open, (str(self.sentinel), "w"))


@pytest.mark.parametrize("how", ["torch", "old torch", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(how, tmp_path):
    sentinel, path = tmp_path / "it_ran", tmp_path / "a.pt"
    content = {"poles": Bomb(sentinel)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    assert not sentinel.exists()
    with pytest.raises(CheckpointError, match=r"a\.pt: holds more than tensors.*state_dict"):
        load_checkpoint(GammatoneFilterbank(**SPEECH), path)
    assert not sentinel.exists()


def test_a_whole_pickled_module_is_refused(tmp_path):
    path = save(nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="more than tensors"):
        load_checkpoint(GammatoneFilterbank(**SPEECH), path)


def test_all_misfits_are_listed(tmp_path):
    state = dict(trained().state_dict())
    state["extra"], state["more"] = torch.ones(1), torch.ones(1)
    del state["betamul"]
    state["poles"] = state["poles"][:-1]
    module = GammatoneFilterbank(**SPEECH)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(module, save(state, tmp_path / "a.pt"))
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "does not fit GammatoneFilterbank",
        "missing: betamul",
        "unexpected: extra, more",
        "misshaped: poles (4,) for (5,)",
    ):
        assert part in message
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), "nothing was loaded"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), complex(0, float("nan"))])
def test_values_that_are_not_finite_are_named(value, tmp_path):
    state = dict(trained().state_dict())
    state["poles"] = state["poles"].clone()
    state["poles"][2] = value
    with pytest.raises(CheckpointError, match="not finite: poles"):
        load_checkpoint(GammatoneFilterbank(**SPEECH), save(state, tmp_path / "a.pt"))


@pytest.mark.parametrize(
    "content",
    [
        [torch.ones(1)],
        torch.ones(3),
        {"state_dict": {"poles": torch.ones(1)}},
        {"poles": 1.0},
        {1: torch.ones(1)},
        {1: torch.ones(1), "poles": torch.ones(1)},
        None,
    ],
)
def test_what_is_no_state_dict_is_refused(content, tmp_path):
    with pytest.raises(CheckpointError, match="not a state_dict"):
        load_checkpoint(GammatoneFilterbank(**SPEECH), save(content, tmp_path / "a.pt"))


def test_a_prefix_that_nothing_has(tmp_path):
    path = save(trained().state_dict(), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"no name starts with 'drnl\.'"):
        load_checkpoint(GammatoneFilterbank(**SPEECH), path, "drnl.")


def test_files_that_are_not_there_or_folders(tmp_path):
    for path, message in ((tmp_path / "b.pt", "no such file"), (tmp_path, str(tmp_path))):
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(GammatoneFilterbank(**SPEECH), path)


def damaged(kind: str) -> list[bytes]:
    """Truncated and altered checkpoints, as a broken disk or download leaves them."""
    import io

    stream = io.BytesIO()
    torch.save(trained().state_dict(), stream, _use_new_zipfile_serialization=kind == "zip")
    good = stream.getvalue()
    random = np.random.default_rng(0)
    files = [good[:length] for length in range(0, len(good), len(good) // 60)]
    for _ in range(200):
        altered = bytearray(good)
        for position in random.integers(0, len(good), 4):
            altered[position] = random.integers(256)
        files.append(bytes(altered))
    files += [random.bytes(int(random.integers(0, 60))) for _ in range(60)]
    return files


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["zip", "old"])
def test_a_damaged_file_is_one_kind_of_error(kind, tmp_path):
    path = tmp_path / "a.pt"
    module = GammatoneFilterbank(torch.tensor([700.0] * 5), 16000)
    messages = []
    for data in damaged(kind):
        path.write_bytes(data)
        try:
            load_checkpoint(module, path)
        except CheckpointError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert not [message for message in messages if "\n" in message]


# Into artifacts


def test_a_trained_change_shows_in_the_exported_onnx(published, tmp_path):
    spec = small_specs()["gammatone"]
    module = build_module(spec)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    state["gains"][2] *= 3.0
    path = save({f"front.{name}": value for name, value in state.items()}, tmp_path / "a.pt")
    publish(spec, tmp_path / "out", formats=["onnx"], checkpoint=path, checkpoint_prefix="front.")
    audio = noise(1, 2000, dtype=torch.float32).numpy()

    def run(folder):
        session = onnxruntime.InferenceSession(
            folder / "gammatone.onnx", providers=["CPUExecutionProvider"]
        )
        return torch.from_numpy(session.run(None, {"audio": audio})[0])

    found, before = run(tmp_path / "out" / "gammatone"), run(published("gammatone"))
    before[:, 2] *= 3.0
    assert relative(found, before) < 2e-6


@pytest.mark.parametrize("name", ["gammatone", "drnl", "fast_drnl"])
def test_a_single_precision_checkpoint_can_be_published(name, tmp_path):
    """Values that were rounded once are those values, in float32 and in the float64 reference."""
    spec = small_specs()[name]
    if name == "gammatone":  # low channels at a high rate: poles within 1e-2 of the unit circle
        spec = replace(spec, parameters={"fc": (80.0, 4000.0), "fs": 44100})
    state = build_module(spec).state_dict()
    assert all(value.dtype in (torch.float32, torch.complex64) for value in state.values())
    path = save(state, tmp_path / "a.pt")
    manifest = publish(spec, tmp_path / "out", formats=["torchscript"], checkpoint=path)
    assert manifest.parity[0].worst < {"fast_drnl": 2e-5}.get(name, 1e-5)
    assert manifest.license == "", "whose values they are is not known"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_precisions_mean_the_same_trained_filter(dtype, tmp_path):
    """One checkpoint, one filter: what the float32 artifact is compared with."""
    spec = small_specs()["fast_drnl"]
    state = {name: value.clone() for name, value in build_module(spec).state_dict().items()}
    state["ir_lin_flipped"][1] *= 1.1
    path = save(state, tmp_path / "a.pt")
    audio = noise(1, 1500, dtype=torch.float32)
    module = build_module(spec, dtype, path)
    plain = build_module(spec, dtype)
    assert relative(module(audio)[:, 1], plain(audio)[:, 1]) > 1e-2
