"""ERB scales: what they mean, then the golden numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from amt_export import erb

GOLDEN = np.load(Path(__file__).parent / "golden" / "erb.npz")
FUNCTIONS = [erb.audfiltbw, erb.f2erb, erb.fc2erb, erb.erb2fc, erb.f2erbrate, erb.erbrate2f]
FREQUENCIES = st.floats(1e-3, 96000.0)


def relative(value, expected):
    return np.abs(np.asarray(value) / expected - 1.0).max()


@given(FREQUENCIES)
def test_scales_are_inverted(frequency):
    f = torch.tensor(frequency, dtype=torch.float64)
    assert relative(erb.erb2fc(erb.fc2erb(f)), frequency) < 1e-12
    assert relative(erb.erbrate2f(erb.f2erbrate(f)), frequency) < 1e-12


@pytest.mark.parametrize("scale", [erb.fc2erb, erb.f2erbrate])
def test_one_cam_is_one_bandwidth(scale):
    f = torch.tensor([100.0, 1000.0, 8000.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(scale(f).sum(), f)
    assert relative(slope * erb.f2erb(f.detach()), 1.0) < 2e-3  # the models' constants are rounded


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(function, dtype):
    for shape in [(), (3,), (2, 1, 4)]:
        result = function(torch.ones(shape, dtype=dtype))
        assert result.shape == shape
        assert result.dtype == dtype


@pytest.mark.parametrize("function", FUNCTIONS)
def test_plain_numbers_are_taken_too(function):
    assert function(20.0).item() == pytest.approx(function(torch.tensor(20.0)).item())


@pytest.mark.parametrize("name", ["audfiltbw", "f2erb", "fc2erb", "f2erbrate"])
def test_golden(name):
    assert relative(getattr(erb, name)(torch.tensor(GOLDEN["f"])), GOLDEN[name]) < 1e-12


@pytest.mark.parametrize("name", ["erb2fc", "erbrate2f"])
def test_golden_inverse(name):
    assert relative(getattr(erb, name)(torch.tensor(GOLDEN["f"] / 500)), GOLDEN[name]) < 1e-12


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("space_100_8000", {"flow": 100, "fhigh": 8000}),
        ("space_half", {"flow": 100, "fhigh": 8000, "bwmul": 0.5}),
        ("space_base1k", {"flow": 80, "fhigh": 12000, "basef": 1000}),
    ],
)
def test_golden_spacing(name, arguments):
    grid = erb.erbspacebw(**arguments, dtype=torch.float64)
    assert grid.shape == GOLDEN[name].shape
    assert relative(grid, GOLDEN[name]) < 1e-12


def test_documented_spacing():
    grid = erb.erbspacebw(100, 8000)
    assert grid.dtype == torch.float32
    assert len(grid) == 30
    assert [round(f, 4) for f in grid[:3].tolist()] == [100.0, 138.6141, 181.7625]


@given(flow=st.floats(1.0, 2000.0), ratio=st.floats(1.01, 20.0), bwmul=st.floats(0.05, 5.0))
def test_spacing_is_even_and_hits_both_ends(flow, ratio, bwmul):
    fhigh = flow * ratio
    grid = erb.erbspacebw(flow, fhigh, bwmul, dtype=torch.float64)
    assert grid[0] == flow
    if len(grid) > 1:
        assert grid[-1] == fhigh
        steps = erb.fc2erb(grid).diff()
        assert steps.min() > bwmul * (1 - 1e-6)
        assert steps.max() - steps.min() < 1e-9


@given(
    flow=st.floats(20.0, 500.0), fhigh=st.floats(2000.0, 20000.0), basef=st.floats(500.0, 2000.0)
)
def test_spacing_through_a_base_frequency(flow, fhigh, basef):
    grid = erb.erbspacebw(flow, fhigh, 0.7, basef, dtype=torch.float64)
    assert (grid / basef - 1).abs().min() < 1e-12
    assert grid.min() >= flow
    assert grid.max() <= fhigh
    assert (erb.fc2erb(grid).diff() - 0.7).abs().max() < 1e-9
    # one step further would leave the range
    low, high = erb.fc2erb(torch.tensor([flow, fhigh], dtype=torch.float64))
    scale = erb.fc2erb(grid)
    assert scale[0] - low < 0.7 + 1e-9
    assert high - scale[-1] < 0.7 + 1e-9


@pytest.mark.parametrize("end", [100.0, 8000.0])
def test_a_base_at_an_end_stays_in_the_range(end):
    grid = erb.erbspacebw(100, 8000, basef=end, dtype=torch.float64)
    assert (grid / end - 1).abs().min() < 1e-12
    assert grid.min() >= 100
    assert grid.max() <= 8000


def test_spacing_is_cast_once():
    wide = erb.erbspacebw(50, 15000, 0.1, dtype=torch.float64)
    assert torch.equal(erb.erbspacebw(50, 15000, 0.1), wide.float())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 8000), "flow .* got 0"),
        ((-5.5, 8000), "flow .* got -5.5"),
        ((float("nan"), 8000), "flow .* got nan"),
        ((100, 100), "fhigh .* got 100"),
        ((100, float("inf")), "fhigh .* got inf"),
        ((100, 8000, 0), "bwmul .* got 0"),
        ((100, 8000, -1.0), "bwmul .* got -1.0"),
        ((100, 8000, 1.0, 0.0), "basef .* got 0.0"),
        ((100, 110, 1.0, 50.0), "basef=50.0"),
    ],
)
def test_impossible_spacing_names_the_value(arguments, named):
    with pytest.raises(ValueError, match=named):
        erb.erbspacebw(*arguments)
