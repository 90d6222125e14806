"""What training the gammatone filterbank needs: gradients, what learns, and values that come back."""

from __future__ import annotations

import pytest
import torch

from amt_export.modules import GammatoneFilterbank
from support.filters import gradient_error, noise, relative
from support.gammatone import FLOAT64, FORMS, SPEECH, recursion
from support.spectra import assert_state_dict


@pytest.mark.parametrize("implementation", FORMS)
def test_gradients_are_finite_differences(implementation):
    module = GammatoneFilterbank(
        torch.tensor([600.0, 2500.0]),
        16000,
        n=3 if implementation == "sos" else 2,
        learnable=True,
        dtype=FLOAT64,
        implementation=implementation,
    )
    errors = gradient_error(module, noise(1, 150))
    assert set(errors) == ({"poles", "gains"} if implementation == "sos" else {"a", "b"})
    assert max(errors.values()) < 1e-6, errors


def test_single_precision_gradients_follow_double_ones():
    gradients = []
    for dtype in (torch.float32, FLOAT64):
        module = GammatoneFilterbank((500.0, 4000.0), 16000, learnable=True, dtype=dtype)
        module(noise(1, 400)).pow(2).sum().backward()
        gradients.append(torch.view_as_real(module.poles.grad).double())
    assert relative(*gradients) < 1e-4


def test_gradients_reach_the_sound():
    module = GammatoneFilterbank(torch.tensor([500.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 70).requires_grad_()
    assert torch.autograd.gradcheck(module, (audio,))


def test_only_the_named_tensors_learn():
    sos = GammatoneFilterbank(**SPEECH, learnable=True)
    assert sum(p.numel() for p in sos.parameters()) == 60
    assert not list(GammatoneFilterbank(**SPEECH).parameters())


def test_a_step_of_training_changes_the_next_answer():
    module = GammatoneFilterbank(**SPEECH, learnable=True)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    (before**2).sum().backward()
    with torch.no_grad():
        module.gains -= 0.1 * module.gains
    after = module(audio)
    assert relative(after, 0.9 * before) < 1e-6
    assert torch.equal(module.freeze(300)(audio), module.freeze(300)(audio))
    assert relative(module.freeze(300)(audio), after) < 1e-6


# state_dict


@pytest.mark.parametrize("implementation", FORMS)
def test_state_dict_has_torch_amts_names(implementation):
    name = "GammatoneFilterbank" + ("" if implementation == "sos" else "(implementation='poly')")
    assert_state_dict(
        lambda learnable: GammatoneFilterbank(
            **SPEECH, learnable=learnable, implementation=implementation
        ),
        name,
    )


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("implementation", FORMS)
def test_an_unchanged_state_dict_changes_no_bit(implementation, learnable):
    module = GammatoneFilterbank(**SPEECH, implementation=implementation, learnable=learnable)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    module.load_state_dict({name: v.clone() for name, v in module.state_dict().items()})
    assert torch.equal(module(audio), before)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize(
    ("implementation", "name", "index"),
    [("sos", "poles", 3), ("sos", "gains", 3), ("poly", "a", (3, 2)), ("poly", "b", (3, 0))],
)
def test_a_loaded_value_changes_its_channel(implementation, name, index, learnable):
    module = GammatoneFilterbank(**SPEECH, implementation=implementation, learnable=learnable)
    audio = noise(1, 300, dtype=torch.float32)
    before = module(audio)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    # A coefficient of four equal poles: 1e-5 more and one of them is outside the unit circle.
    state[name][index] *= 0.99 if name != "a" else 1.0 - 1e-5
    module.load_state_dict(state)
    after = module(audio)
    others = [channel for channel in range(30) if channel != 3]
    assert relative(after[:, 3], before[:, 3]) > 1e-3
    same = 2e-6 if name == "poles" else 0.0
    assert relative(after[:, others], before[:, others]) <= same
    assert relative(module.freeze(300)(audio), after) < 1e-6
    if implementation == "sos":
        double = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
        reference = {key: value.clone() for key, value in double.state_dict().items()}
        reference[name][index] = state[name][index]
        double.load_state_dict(reference)
        expected = recursion(double, audio[0].double())
        assert relative(after[0, 3], expected[3]) < 1e-6
