"""Moore2016ExcitationPattern."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.model_file import FORMATS, load_spec
from amt_export.modules.excitation.moore2016 import Moore2016ExcitationPattern
from amt_export.publish import publish
from support.filters import model_file
from support.spectra import (
    GOLDEN,
    assert_captured,
    assert_effects,
    assert_same,
    assert_state_dict,
    golden,
    ignored,
)


def components(rows: int = 5, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    freqs = 20 * 750 ** torch.rand(rows, count, generator=generator)
    return freqs, torch.rand(rows, count, generator=generator) * 90


def formula(
    freqs: np.ndarray,
    levels: np.ndarray,
    fc: np.ndarray,
    factor: float = 0.35,
    reference: float = 51.0,
    least: float = 0.1,
    limit: float = 4.0,
    form: str = "documented",
) -> np.ndarray:
    """The sum as it is written, for components (N,) and channels (C,)."""
    f, x = freqs[:, None], levels[:, None]

    def sharpness(f):
        return 4 * f / (24.673 * (4.368 * f / 1000 + 1))

    p, g = sharpness(fc), (f - fc) / fc
    if form == "torch_amt":
        p, g = sharpness(f), (fc - f) / f
    lower = np.maximum(p - factor * p / sharpness(1000.0) * (x - reference), least)
    z = np.where(g < 0, lower, p) * np.abs(g)
    weight = np.where(np.abs(np.log2(fc / f)) > limit, 1e-12, (1 + z) * np.exp(-z))
    return 10 * np.log10(((weight + 1e-12) * 10 ** (x / 10)).sum(0) + 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("learnable", [False, True])
def test_golden(dtype: torch.dtype, learnable: bool) -> None:
    case, source = golden("moore2016_excitation"), golden("moore2016_spectrum")
    module = Moore2016ExcitationPattern(learnable=learnable, dtype=dtype, reference="torch_amt")
    found = module(case["freqs"], case["levels"])
    assert found.dtype == dtype
    assert (found - case["excitation"]).abs().max() < 1e-3
    found = module(source["freqs_left"], source["levels_left"])
    assert (found - case["excitation_left"]).abs().max() < 1e-3
    torch.testing.assert_close(module._fc_channels.float(), case["fc"], rtol=1e-6, atol=0)


@pytest.mark.parametrize("learnable", [False, True])
def test_documented(learnable: bool) -> None:
    case = golden("moore2016_excitation_documented")
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        module = Moore2016ExcitationPattern(learnable=learnable, dtype=dtype)
        for name in ("", "frame_"):
            found = module(case[name + "freqs"], case[name + "levels"])
            assert (found - case[name + "excitation"]).abs().max() < tolerance


@pytest.mark.parametrize(
    ("form", "below", "above"), [("documented", -6.2, 61.0), ("torch_amt", 63.8, -21.9)]
)
def test_which_way_a_loud_tone_spreads(form: str, below: float, above: float) -> None:
    """90 dB at 1 kHz, in dB in the channels at 500.3 and 1972 Hz: upwards, as in the ear, or mirrored."""
    module = Moore2016ExcitationPattern(reference=form, dtype=torch.float64)
    excitation = module(torch.tensor([1000.0]), torch.tensor([90.0]))
    for centre, level in ((500.3, below), (1972.0, above)):
        channel = int((module._fc_channels - centre).abs().argmin())
        assert float(excitation[channel]) == pytest.approx(level, abs=0.1)


def test_amt() -> None:
    """Components of the toolbox, one by one: slopes by the level in an ERB, and nothing added."""
    with np.load(GOLDEN / "loudness" / "excitation.npz") as file:
        f, level, expected = (torch.from_numpy(file[name]) for name in ("f", "L", "E"))
    module = Moore2016ExcitationPattern(reference="amt", dtype=torch.float64)
    found = module(f[:, None], level[:, None])
    known = expected > -200.0
    torch.testing.assert_close(found[known], expected[known], rtol=0, atol=1e-9)
    assert float(module(f[:1] * 0, f[:1] * 0)[0]) == pytest.approx(-200.0)
    assert module.output_ports[0].floor == -200.0
    # Two at one place are as one of their power.
    two = torch.tensor([1000.0, 1000.0, 60.0, 60.0], dtype=torch.float64)
    twice, once = module(two[:2], two[2:]), module(two[:1], two[2:3] + 10.0 * math.log10(2.0))
    torch.testing.assert_close(twice, once, rtol=0, atol=1e-9)
    shaped = module(f.reshape(1, 13, 1).expand(2, 13, 1), level.reshape(1, 13, 1).expand(2, 13, 1))
    assert_same(shaped[1], found, 0, 1e-12)


def test_unknown_reference() -> None:
    with pytest.raises(ValueError, match="the choices are 'documented', 'torch_amt', 'amt'"):
        Moore2016ExcitationPattern(reference="matlab")


@settings(max_examples=80, deadline=None)
@given(
    f=st.floats(1.0, 16000.0),
    level=st.floats(-49.0, 150.0),
    limit=st.floats(0.5, 6.0),
    form=st.sampled_from(["documented", "torch_amt"]),
)
def test_one_component(f: float, level: float, limit: float, form: str) -> None:
    module = Moore2016ExcitationPattern(
        spreading_limit_octaves=limit, dtype=torch.float64, reference=form
    )
    fc = module._fc_channels.numpy()
    octaves = np.abs(np.log2(fc / f))
    clear = np.abs(octaves - limit) > 1e-9  # not right at the limit
    expected = formula(np.array([f]), np.array([level]), fc, limit=limit, form=form)
    component = torch.tensor([[f], [level]], dtype=torch.float64)
    found = module(component[0], component[1]).numpy()
    np.testing.assert_allclose(found[clear], expected[clear], atol=1e-6)


@pytest.mark.parametrize("channel", [0, 3, 60, 149])
def test_component_at_a_channel(channel: int) -> None:
    """Right at a channel, where the two sides meet, it has its own level there, and peaks there."""
    for dtype in (torch.float32, torch.float64):
        module = Moore2016ExcitationPattern(dtype=dtype)
        f = module._fc_channels[channel : channel + 1]
        found = module(f, torch.full_like(f, 60.0))
        assert int(found.argmax()) == channel
        assert float(found[channel]) == pytest.approx(60.0, abs=1e-4)


def test_many_components() -> None:
    freqs, levels = components()
    module = Moore2016ExcitationPattern()
    found = module(freqs, levels)
    for row in range(5):
        expected = formula(
            freqs[row].double().numpy(),
            levels[row].double().numpy(),
            module._fc_channels.double().numpy(),
        )
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-3)


def test_padding_and_silence() -> None:
    module = Moore2016ExcitationPattern()
    nothing = torch.zeros(3, 7)
    assert_same(module(nothing, nothing), torch.full((3, 150), -120.0), 0, 1e-4)
    assert_same(module(nothing + 1000, nothing - 50), torch.full((3, 150), -120.0), 0, 1e-4)
    freqs, levels = components()
    padding = nothing[:1].expand(5, 7)
    longer = module(torch.cat([freqs, padding], 1), torch.cat([levels, padding], 1))
    assert_same(longer, module(freqs, levels), 0, 1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", [0, 1])
def test_not_finite_stays_visible(bad: float, which: int) -> None:
    inputs = [x.clone() for x in components()]
    inputs[which][2, 5] = bad
    found = Moore2016ExcitationPattern()(*inputs)
    assert not found[2].isfinite().any()
    assert found[[0, 1, 3, 4]].isfinite().all()


def test_nan_level_of_a_padded_component_stays_visible() -> None:
    """What Moore2016Spectrum gives for a frame with NaN."""
    found = Moore2016ExcitationPattern()(
        torch.zeros(2, 9), torch.tensor([[0.0], [float("nan")]]).expand(2, 9)
    )
    assert found[0].isfinite().all()
    assert found[1].isnan().all()


def test_any_leading_dimensions() -> None:
    module = Moore2016ExcitationPattern()
    freqs, levels = components(24, 10)
    flat = module(freqs, levels)
    assert flat.shape == (24, 150)
    shaped = module(freqs.reshape(2, 3, 4, 10), levels.reshape(2, 3, 4, 10))
    assert_same(shaped, flat.reshape(2, 3, 4, 150), 0, 1e-4)
    assert_same(module(freqs[0], levels[0]), flat[0], 0, 1e-4)
    assert module(freqs.int(), levels.int()).dtype == torch.float32
    assert module.double()(freqs, levels).dtype == torch.float64


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"erb_lower": 39.0}, "39.0"),
        ({"erb_lower": 0.0}, "erb_lower is 0"),
        ({"erb_step": 0.0}, "erb_step is 0"),
        ({"spreading_limit_octaves": -1.0}, "-1"),
    ],
)
def test_bad_arguments(kwargs: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Moore2016ExcitationPattern(**kwargs)


def test_bad_calls() -> None:
    module = Moore2016ExcitationPattern()
    freqs, levels = components()
    with pytest.raises(ValueError, match="shape"):
        module(freqs, levels[:, :3])
    with pytest.raises(ValueError, match="shape"):
        module(freqs[0, 0], levels[0, 0])
    with pytest.raises(TypeError, match="complex"):
        module(freqs.to(torch.complex64), levels)


def test_channels() -> None:
    module = Moore2016ExcitationPattern(erb_step=0.1)
    assert module.n_channels == 373
    assert module._erb_channels[-1] == pytest.approx(38.95)
    assert len(Moore2016ExcitationPattern().centre_frequencies()) == 150
    assert "n_channels=150" in repr(Moore2016ExcitationPattern())


def test_state_dict() -> None:
    assert_state_dict(
        lambda learnable: Moore2016ExcitationPattern(learnable=learnable),
        "Moore2016ExcitationPattern",
    )


def test_entries_have_effect() -> None:
    freqs, levels = components()
    changes = {
        "_erb_channels": ignored,
        "_p_channels": ignored,
        "min_p_lower": lambda value: value * 9,
    }
    assert_effects(
        lambda learnable: Moore2016ExcitationPattern(learnable=learnable),
        (freqs, levels + 80),
        changes,
    )


def test_trained_values_are_clamped() -> None:
    freqs, levels = components()
    for name, edge, beyond in (
        ("level_dep_factor", 1.0, 1.5),
        ("reference_level", 30.0, 20.0),
        ("min_p_lower", 1.0, 3.0),
    ):
        trained, fixed = [], []
        for value in (edge, beyond):
            for learnable, found in ((True, trained), (False, fixed)):
                module = Moore2016ExcitationPattern(learnable=learnable)
                module.load_state_dict(module.state_dict() | {name: torch.tensor(value)})
                found.append(module(freqs, levels + 60))
        assert torch.equal(*trained)
        assert not torch.equal(*fixed)


def test_gradients() -> None:
    module = Moore2016ExcitationPattern(learnable=True, erb_step=4.0, dtype=torch.float64)
    names = [name for name, _ in module.named_parameters()]
    freqs, levels = (x.double() for x in components(2, 6))

    def excitation(*values: torch.Tensor) -> torch.Tensor:
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, parameters, (freqs, levels + 30))

    start = tuple(p.detach().clone().requires_grad_() for p in module.parameters())
    assert torch.autograd.gradcheck(excitation, start)
    level = levels.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(freqs, x), (level,))


@pytest.mark.parametrize("learnable", [False, True])
def test_captured(learnable: bool, tmp_path) -> None:
    module = Moore2016ExcitationPattern(learnable=learnable)
    assert_captured(module, components(11, 60), 60, tmp_path)


def test_graphs_work_on_other_pieces_than_eager_torch_and_give_the_same() -> None:
    """A graph has few large pieces, eager torch and TorchScript work row by row."""
    module = Moore2016ExcitationPattern().freeze(40)
    arguments = components(30)
    eager = module(*arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, arguments, check_trace=False)
    exported = torch.export.export(module, arguments, strict=False)
    scripted = torch.jit.script(Moore2016ExcitationPattern())
    for form in (traced, exported.module(), scripted):
        torch.testing.assert_close(form(*arguments), eager, rtol=0, atol=1e-5)


def test_a_few_frames_are_published_in_every_format(tmp_path):
    spec = load_spec(model_file("moore2016_excitation_32k"))
    few = dict.fromkeys(("freqs", "levels"), (1, 2, 958))
    manifest = publish(replace(spec, inputs=few), tmp_path)
    assert {entry.format for entry in manifest.files} == set(FORMATS)
