"""What all modules share: their own dtype whatever surrounds them, and tensors only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export import erb, modules
from amt_export.export.capture import quiet_torch
from amt_export.modules import ERBIntegration, ExcitationPattern, GammatoneFilterbank

TINY = {"fc": (1000.0, 2000.0), "fs": 16000}
KEYWORDS = {
    "GammatoneFilterbank": TINY,
    "DRNLFilterbank": {**TINY, "n_channels": 2, "dtype": torch.float32},
    "FastDRNLFilterbank": {**TINY, "n_channels": 2, "ir_length": 256},
    "CASPFrontEnd": {**TINY, "n_channels": 2},
    "AdaptationLoops": {"fs": 16000, "sweeps": (2, 2, 2, 2, 2)},
    "CASPHairCell": {"fs": 16000, "dtype": torch.float32},
    "DauHairCell": {"fs": 16000},
    "Decimation": {},
    "ModulationFilterbank": {"fc": [500.0, 900.0], "fs": 16000},
    "OuterEarFilter": {"fs": 16000},
    "MiddleEarFilter": {"fs": 16000},
}
SHAPES = {
    "AdaptationLoops": [(2, 2, 500)],
    "CASPHairCell": [(2, 2, 500)],
    "DauHairCell": [(2, 2, 500)],
    "Decimation": [(2, 2, 500)],
    "ModulationFilterbank": [(2, 2, 500)],
    "MultiResolutionFFT": [(2, 3000)],
    "Glasberg2002FrontEnd": [(2, 3000)],
    "Moore2016Spectrum": [(2, 2, 2200)],
    "Moore2016FrontEnd": [(2, 2, 2200)],
    "ERBIntegration": [(2, 3, 1025)],
    "ExcitationPattern": [(2, 3, 150)],
    "Moore2016ExcitationPattern": [(2, 3, 300), (2, 3, 300)],
}
# Their `learnable` is there to say that there is no such form.
NOT_TRAINED = (
    "AdaptationLoops",
    "CASPHairCell",
    "DauHairCell",
    "Decimation",
    "ModulationFilterbank",
)
# A new module needs keywords or shapes above.
NAMES = [name for name in modules.__all__ if name in KEYWORDS or name in SHAPES]
HALVES = [torch.float16, torch.bfloat16]


def made(name, **more):
    return getattr(modules, name)(**KEYWORDS.get(name, {}), **more).eval()


def inputs(name):
    generator = torch.Generator().manual_seed(0)
    shapes = SHAPES.get(name, [(2, 500)])
    return [1.0 + 50.0 * torch.rand(shape, generator=generator) for shape in shapes]


def outputs(module, name):
    with torch.no_grad():
        result = module(*inputs(name))
    return (result,) if isinstance(result, torch.Tensor) else result


def same(found, expected):
    return all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))


def takes(name, keyword):
    return keyword in getattr(modules, name).__init__.__annotations__


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name, learnable):
    trained = takes(name, "learnable") and name not in NOT_TRAINED
    module = made(name, **({"learnable": learnable} if trained else {}))
    expected = outputs(module, name)
    for dtype in HALVES:
        with torch.autocast("cpu", dtype=dtype):
            assert same(outputs(module, name), expected)
            assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == dtype, "still on outside"


@pytest.mark.parametrize("name", NAMES)
def test_a_scripted_module_refuses_autocast(name):
    module = made(name)
    with quiet_torch():
        scripted = torch.jit.script(module)
    for _ in range(3):  # TorchScript optimises what has run twice
        with (
            torch.autocast("cpu", dtype=torch.bfloat16),
            pytest.raises(torch.jit.Error, match=r"cannot turn torch\.autocast off"),
        ):
            outputs(scripted, name)
        assert all(torch.isfinite(output).all() for output in outputs(scripted, name))


def test_autocast_is_off_in_compiled_code_too():
    module = made("GammatoneFilterbank")
    expected = outputs(module, "GammatoneFilterbank")
    compiled = torch.compile(module, backend="eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = outputs(compiled, "GammatoneFilterbank")
    torch.testing.assert_close(found, expected[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cast",
    [
        lambda module: module.half(),
        lambda module: module.bfloat16(),
        lambda module: module.to(torch.float16),
        lambda module: module.to("cpu", dtype=torch.bfloat16),
        lambda module: module.type(torch.float16),
    ],
)
def test_a_cast_to_half_precision_is_refused_and_changes_nothing(name, cast):
    module = made(name)
    expected = outputs(module, name)
    with pytest.raises(TypeError, match=f"{name} computes in float32 or float64, not in torch"):
        cast(module)
    assert same(outputs(module, name), expected)


@pytest.mark.parametrize("name", [name for name in NAMES if takes(name, "dtype")])
@pytest.mark.parametrize("dtype", [*HALVES, torch.complex64, torch.int32])
def test_other_dtypes_are_refused_by_the_constructor(name, dtype):
    with pytest.raises(TypeError, match="computes in float32 or float64, not in torch"):
        getattr(modules, name)(**{**KEYWORDS.get(name, {}), "dtype": dtype})


IN_TIME = [n for n in NAMES if getattr(modules, n).input_ports[0].axes[-1] == "time"]


@pytest.mark.parametrize("name", IN_TIME)
def test_a_module_frozen_for_a_short_input_answers_for_a_long_one_or_refuses_it(name):
    module = made(name)
    frozen = module.freeze(inputs(name)[0].shape[-1] // 5)
    try:
        found = outputs(frozen, name)
    except ValueError as error:
        found, refusal = None, str(error)
    if found is None:
        assert "this filter was built for at most" in refusal
        return
    for answer, expected in zip(found, outputs(module, name), strict=True):
        allowed = 1e-5 * float(expected.abs().max())
        torch.testing.assert_close(answer, expected, rtol=1e-5, atol=allowed)


@pytest.mark.parametrize("name", NAMES)
def test_the_meta_device_has_shapes_only(name):
    module = made(name)
    expected = outputs(module, name)
    module = module.to("meta")
    with torch.device("meta"):
        results = module(*[value.to("meta") for value in inputs(name)])
    results = (results,) if isinstance(results, torch.Tensor) else results
    assert [r.shape for r in results] == [e.shape for e in expected]
    assert all(result.is_meta for result in results)
    assert same(outputs(module.to_empty(device="cpu"), name), expected), "the design is back"


@pytest.mark.parametrize("name", NAMES)
def test_numpy_arrays_are_refused(name):
    arrays = [value.numpy() for value in inputs(name)]
    with pytest.raises(TypeError, match=f"{name} takes tensors, not ndarray; torch.from_numpy"):
        made(name)(*arrays)


def test_numpy_arrays_are_refused_beside_forward():
    numbers = np.array([500.0, 1000.0])
    for function in (
        *(erb.audfiltbw, erb.f2erb, erb.fc2erb, erb.erb2fc, erb.f2erbrate, erb.erbrate2f),
        ExcitationPattern().get_spreading_slopes,
        lambda fc: GammatoneFilterbank(fc, 16000),
    ):
        with pytest.raises(TypeError, match=r"torch\.from_numpy"):
            function(numbers)


@pytest.mark.parametrize("level", [60, 60.0, torch.tensor(60), torch.tensor(60.0)])
def test_a_level_may_be_a_number(level):
    upper, lower = ExcitationPattern().get_spreading_slopes(level)
    assert (upper.item(), lower.item()) == (27.0, 11.0)
    assert upper.shape == lower.shape == ()


@pytest.mark.parametrize("learnable", [False, True])
def test_bands_reach_beyond_half_the_sampling_rate(learnable):
    module = ERBIntegration(fs=32000, f_min=20.0, f_max=16000.0, learnable=learnable)
    freqs = torch.linspace(0.0, 16000.0, 1025)
    level = module(torch.full((1, 1025), 1e-6), freqs)[0]
    width = module.get_erb_bandwidths()
    assert module.get_erb_frequencies()[-1] > 16000.0
    assert torch.isfinite(level).all()
    if not learnable:  # as loud as what lies below fs/2
        top = 10.0 * torch.log10(1e-6 * (16000.0 - 16421.3 + width[-1] / 2) / 4e-10)
        assert abs(level[-1] - top) < 0.2
    wide = ERBIntegration(fs=32000, f_min=20.0, f_max=16000.0, erb_step=14.0)
    assert wide.get_erb_frequencies()[-1] > 18000.0
    silent = wide(torch.full((1, 1025), 1e-6), freqs)[0, -1].item()
    assert silent == pytest.approx(-26.02, abs=0.01), "no bins: the floor"
