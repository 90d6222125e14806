"""Fast DRNL as a module: what it takes and refuses, what it learns and loads, and its forms."""

from __future__ import annotations

import re

import pytest
import torch

from amt_export.modules import FastDRNLFilterbank
from support.fast_drnl import CASP, FLOAT64, KNEE, RESPONSES, SHORT, by_convolution
from support.filters import assert_forms_are_eager, gradient_error, noise, relative
from support.spectra import assert_state_dict

# Inputs and constructor


@pytest.mark.parametrize("samples", [0, 1, 500])
def test_shapes_with_and_without_a_batch(samples):
    module = FastDRNLFilterbank(**SHORT)
    audio = noise(2, samples, dtype=torch.float32)
    assert module(audio).shape == (2, 3, samples)
    assert module(audio[0]).shape == (3, samples)
    assert module(audio[0]).dtype == torch.float32
    assert torch.equal(module(audio[0]), module(audio[:1])[0])


def test_integers_are_cast_and_not_rescaled():
    module = FastDRNLFilterbank(**SHORT)
    audio = (100.0 * noise(1, 300)).to(torch.int16)
    assert torch.equal(module(audio), module(audio.float()))


def test_other_inputs_are_refused():
    module = FastDRNLFilterbank(**SHORT)
    with pytest.raises(TypeError, match="complex"):
        module(torch.zeros(1, 10, dtype=torch.complex64))
    with pytest.raises(ValueError, match="audio has 3 dimensions"):
        module(torch.zeros(1, 1, 10))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ir_length": 0}, "ir_length is 0"),
        ({"model": "casp"}, r"'casp'.*'paulick2024'"),
        ({"subject": "HI"}, r"'HI'.*'HIx'"),
        ({"fc": torch.tensor([9000.0])}, "9000"),
    ],
)
def test_the_constructor_names_the_offending_value(changed, message):
    with pytest.raises(ValueError, match=message):
        FastDRNLFilterbank(**{**SHORT, **changed})


def test_arguments_are_those_of_the_drnl():
    module = FastDRNLFilterbank(
        (2000.0, 6000.0), 16000, 3, "HIx", "jepsen2008", True, FLOAT64, ir_length=300
    )
    assert module.num_channels == 3
    assert (module.subject, module.model, module.learnable) == ("HIx", "jepsen2008", True)
    assert module(torch.zeros(5)).dtype == FLOAT64


def test_channels_that_lose_energy_are_named_in_one_warning():
    with pytest.warns(UserWarning, match="ir_length=512") as record:
        FastDRNLFilterbank(**CASP, n_channels=5, ir_length=512)
    assert len(record) == 1
    assert record[0].filename == __file__, "the warning points at the caller"
    named = re.search(r"channels at ([\d, ]+) Hz", str(record[0].message)).group(1)
    reference = FastDRNLFilterbank(**CASP, n_channels=5, ir_length=4096, dtype=FLOAT64)
    lossy = []
    for channel, centre in enumerate(reference.fc):
        responses = [getattr(reference, name)[channel, :2048] for name in RESPONSES]
        if any(float((r[512:] ** 2).sum() / (r**2).sum()) > 1e-6 for r in responses):
            lossy.append(round(float(centre)))
    assert [int(f) for f in named.split(",")] == lossy
    assert 0 < len(lossy) < 5


def test_the_warning_names_six_channels_at_most():
    for channels, more in ((6, ""), (7, " and 1 more"), (40, " and 34 more")):
        with pytest.warns(UserWarning, match="ir_length=64") as record:
            FastDRNLFilterbank((300.0, 600.0), 44100, n_channels=channels, ir_length=64)
        named = re.search(r"channels at ([\d, ]+) Hz(.*);", str(record[0].message))
        assert len(named.group(1).split(",")) == 6
        assert named.group(2) == more


# Learning


def test_gradients_are_finite_differences():
    module = FastDRNLFilterbank(**SHORT, learnable=True, dtype=FLOAT64)
    errors = gradient_error(module, KNEE * noise(1, 400))
    assert sorted(errors) == ["a", "b", "c"]
    assert max(errors.values()) < 1e-5, errors


def test_state_dict_has_torch_amts_names():
    assert_state_dict(
        lambda learnable: FastDRNLFilterbank(**CASP, learnable=learnable), "FastDRNLFilterbank"
    )


def test_only_the_compression_learns():
    module = FastDRNLFilterbank(**CASP, learnable=True)
    assert sorted(name for name, _ in module.named_parameters()) == ["a", "b", "c"]
    assert sum(p.numel() for p in module.parameters()) == 150


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", ["a", "b", "c", *RESPONSES, *(n + "_flipped" for n in RESPONSES)])
def test_a_loaded_value_changes_its_channel(name, learnable):
    module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64, learnable=learnable)
    audio = KNEE * noise(1, 600)
    before = module(audio).detach()
    module.load_state_dict({key: v.clone() for key, v in module.state_dict().items()})
    assert torch.equal(module(audio), before), "nothing changed, no bit changes"
    state = {key: value.clone() for key, value in module.state_dict().items()}
    state[name][1] *= 1.05
    module.load_state_dict(state)
    after = module(audio).detach()
    assert relative(after[:, 1], before[:, 1]) > 1e-3
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    assert relative(module.freeze(600)(audio), after) < 1e-10
    expected = FastDRNLFilterbank(**SHORT, dtype=FLOAT64)
    with torch.no_grad():
        tensor = getattr(expected, name.removesuffix("_flipped"))
        tensor.copy_(state[name].flip(-1) if name.endswith("_flipped") else state[name])
    assert relative(after[0], by_convolution(expected, audio[0])) < 1e-10


@pytest.mark.parametrize("name", RESPONSES)
def test_flipped_copies_are_reversed(name):
    module = FastDRNLFilterbank(**SHORT)
    assert torch.equal(getattr(module, name + "_flipped"), getattr(module, name).flip(-1))


# Forms


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_script_and_trace_are_eager(dtype, learnable):
    module = FastDRNLFilterbank(**SHORT, dtype=dtype, learnable=learnable)
    within = 2e-6 if dtype == torch.float32 else 1e-11
    assert_forms_are_eager(module, ((2, 900), (900,)), 1e-6, within)


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.to(FLOAT64)])
def test_a_cast_module_is_as_accurate_as_one_built_so(cast):
    audio = 0.1 * noise(1, 500)
    built, module = FastDRNLFilterbank(**SHORT, dtype=FLOAT64), FastDRNLFilterbank(**SHORT)
    assert torch.equal(cast(module)(audio), built(audio))


def test_the_representation_names_the_key_parameters():
    text = repr(FastDRNLFilterbank(**SHORT))
    for part in ("num_channels=3", "2000.0", "6000.0", "fs=16000", "'NH'", "'paulick2024'"):
        assert part in text
