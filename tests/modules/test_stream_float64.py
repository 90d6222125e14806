"""Streams compute in float64 what would take several float32 terms: where, how exactly, and for whom not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from amt_export.cli.main import main
from amt_export.design.rounding import Sums
from amt_export.lint import READERS, lint
from amt_export.manifest import METADATA_KEY, load_manifest
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank, GammatoneFilterbank
from amt_export.modules.stream_form import StreamForm
from amt_export.numerics.blocks import to_blocks
from amt_export.publish import publish
from amt_export.recurrence.linear_filter import BlockFilter, filter_blocks, in_terms, summed
from amt_export.recurrence.operators import block_operators, grouping
from amt_export.recurrence.operators import settled as settled_tables
from amt_export.recurrence.tables import laid_out
from support.filters import noise, recursion, relative, small_specs, system_of

FLOAT64 = torch.float64
BLOCK = 256
FS = 16000
MAKERS = {
    "gammatone": lambda **more: GammatoneFilterbank((100.0, 7000.0), FS, **more),
    "drnl": lambda **more: DRNLFilterbank((250.0, 7000.0), FS, 6, **more),
}


def form_of(name: str, float64: bool = True, **more: object) -> StreamForm:
    module = MAKERS[name](**{"dtype": torch.float32, **more}).eval()
    return StreamForm(module, BLOCK, (1, BLOCK), float64)


def inner_dtypes(form: StreamForm) -> dict[str, torch.dtype]:
    return {
        name.removeprefix("module."): buffer.dtype
        for name, buffer in form.named_buffers()
        if name.endswith(".numbers")
    }


@pytest.mark.parametrize("name", MAKERS)
def test_what_needs_terms_is_in_float64_and_what_comes_and_goes_is_not(name):
    form = form_of(name)
    assert form.widens
    results = form(*form.silence())
    assert {value.dtype for value in (*form.rest(), *results)} == {torch.float32}
    kinds = inner_dtypes(form)
    if name == "gammatone":
        assert kinds == {"filter.numbers": FLOAT64}
    else:  # behind the compression one term is enough
        assert kinds == {
            "linear.numbers": FLOAT64,
            "before.numbers": FLOAT64,
            "behind.numbers": torch.float32,
        }


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("more", [{"terms": 2}, {"terms": 1}, {"dtype": FLOAT64}])
def test_nobody_else_gets_it(name, more):
    """Terms that were asked for are float32, and a float64 module has nothing to widen."""
    form = form_of(name, **more)
    assert not form.widens
    dtype = more.get("dtype", torch.float32)
    assert set(inner_dtypes(form).values()) == {dtype}
    assert {value.dtype for value in form(*form.silence())} == {dtype}


def test_modules_without_terms_have_nothing_to_widen():
    module = FastDRNLFilterbank((700.0, 2500.0), FS, 3, dtype=torch.float32, ir_length=512)
    assert not StreamForm(module.eval(), BLOCK, (1, BLOCK)).widens


@pytest.mark.parametrize("name", MAKERS)
def test_with_and_without_it_states_are_the_same(name):
    """One manifest describes all formats; a state of one goes on in the other."""
    wide, narrow = form_of(name), form_of(name, float64=False)
    assert not narrow.widens
    assert [s.shape for s in wide.rest()] == [s.shape for s in narrow.rest()]
    audio = 0.05 * noise(1, 2 * BLOCK, dtype=torch.float32)
    _, *states = wide(audio[:, :BLOCK], *wide.rest())
    found, *_ = narrow(audio[:, BLOCK:], *states)
    expected, *_ = wide(audio[:, BLOCK:], *states)
    assert relative(found, expected) < 2e-6


@pytest.mark.parametrize("frequency", [125.0, 500.0, 2000.0, 7000.0])
def test_distant_tones_are_closer_to_float64(frequency):
    """A tone far outside a channel is what float32 terms are there for; float64 leaves less of an error."""
    time = torch.arange(8 * BLOCK, dtype=FLOAT64) / FS
    audio = (0.1 * torch.sin(2 * torch.pi * frequency * time)).float()[None]
    (exact,) = form_of("gammatone", dtype=FLOAT64).run(audio.double())
    loudest = exact.abs().amax()

    def error(form: StreamForm) -> float:
        (found,) = form.run(audio)
        scale = torch.clamp(exact.abs().amax(-1), min=0.01 * float(loudest))
        return float(((found - exact).abs().amax(-1) / scale).max())

    wide, narrow = error(form_of("gammatone")), error(form_of("gammatone", float64=False))
    assert wide < 3e-7
    assert wide < narrow


@pytest.mark.parametrize(
    ("fs", "fc", "order", "block"),
    [
        (8000, [3600.0], 3, 502),
        (8000, [100.0, 400.0, 3600.0], 2, 199),
        (11025, [4410.0, 5512.5], 3, 149),
    ],
)
def test_long_blocks_of_a_stream_need_it_too(fs, fc, order, block):
    """Blocks with no small divisor are the filter's own, and one term sums as many numbers."""
    bank = GammatoneFilterbank(torch.tensor(fc), fs, n=order).eval()
    precise = GammatoneFilterbank(torch.tensor(fc), fs, n=order, dtype=FLOAT64).eval()
    form, exact = StreamForm(bank, block, (1, block)), StreamForm(precise, block, (1, block))
    assert form.widens
    time = torch.arange(4 * block, dtype=FLOAT64) / fs
    audio = (0.1 * torch.sin(2 * torch.pi * 125.0 * time)).float()[None]
    assert relative(form.run(audio)[0], exact.run(audio.double())[0]) < 2e-6


@given(
    value=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6),
    count=st.integers(1, 3),
)
@settings(max_examples=50, deadline=None)
def test_states_keep_24_bits_a_term(value, count):
    state = torch.full((1, 2, 1, 3), value, dtype=FLOAT64)
    terms = in_terms(state, count, torch.float32)
    assert terms.shape == (1, 2, count, 3)
    assert terms.dtype == torch.float32
    back = summed(terms, FLOAT64)
    assert back.shape == state.shape
    assert float((back - state).abs().max()) <= max(2.0 ** (-24 * count), 2.0**-52) * abs(value)


# ---------------------------------------------------------------- the state behind the last block


@given(
    count=st.integers(1, 60),
    radius=st.floats(0.3, 0.999),
    sums=st.sampled_from([Sums(1, False), Sums(2, False), Sums(2, True)]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_it_comes_from_the_product_that_makes_the_others(count, radius, sums, seed):
    """With room for it on the top level, or without: it is what the recursion has."""
    block, order, pole = 16, 3, radius * np.exp(0.7j)
    system = system_of([pole], order, None)
    audio = noise(1, 1, 3 * count * block, seed=seed)
    expected = torch.from_numpy(recursion(audio[0, 0].numpy(), pole, order, None))[None]
    for goes_on in (True, False):
        found = grouping(count, None, goes_on)
        operators = block_operators(system, block, *found)
        tables = laid_out(settled_tables(operators, FLOAT64, *sums))
        state = torch.zeros(1, 1, 1 if sums.lean else sums.terms, 2 * order, dtype=FLOAT64)
        pieces = []
        for third in audio.chunk(3, dim=-1):
            piece, state = filter_blocks(to_blocks(third, block), tables, state)
            pieces.append(piece)
        assert relative(torch.cat(pieces, 2)[:, 0], expected) < 1e-9


def test_a_stream_has_room_for_it_and_a_whole_signal_has_not():
    keeper, system = BlockFilter(), system_of([0.999 * np.exp(0.3j)], 2, None)
    keeper.count = 16
    keeper.design(system, 32, torch.zeros(1), Sums(1, False))
    assert keeper.radices == [4, 4]
    keeper.stream(16, False)
    keeper.design(system, 32, torch.zeros(1), Sums(1, False))
    assert keeper.radices == [4, 5]


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("float64")
    spec = replace(small_specs()["gammatone"].resized(samples=600), name="ears", stream_block=96)
    publish(spec, out)
    return out / "ears"


def test_the_manifest_says_so_and_lint_believes_it(folder):
    assert json.loads((folder / "manifest.json").read_text())["stream"]["float64"] is True
    assert not lint(folder)
    model = onnx.load(folder / "ears.stream.onnx")
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert TensorProto.DOUBLE in kinds
    ports = (*model.graph.input, *model.graph.output)
    assert {port.type.tensor_type.elem_type for port in ports} == {TensorProto.FLOAT}


def test_core_ml_has_float32_terms(folder):
    dtypes = set(READERS[".mlpackage"](folder / "ears.stream.mlpackage").dtypes.values())
    assert "float32" in dtypes
    assert "float64" not in dtypes
    assert "float64" in READERS[".onnx"](folder / "ears.stream.onnx").dtypes.values()
    proved = {row.format for row in load_manifest(folder).parity if row.form == "stream"}
    assert proved >= {"coreml", "onnx"}


def test_both_streams_are_proved_against_float64(folder, capsys):
    rows = load_manifest(folder).parity
    eager = {
        row.provider: row.worst for row in rows if (row.format, row.form) == ("reference", "stream")
    }
    assert list(eager) == ["torch", "float32"]
    assert 0 < eager["torch"] < eager["float32"] < 2e-6
    assert main(["info", str(folder)]) == 0
    assert "GammatoneFilterbank, float64" in capsys.readouterr().out
    page = (folder / "parity.md").read_text()
    assert "reference, stream (float32)" in page
    assert "`float32`: the stream as formats without float64 have it" in page


def test_core_ml_alone_has_no_float64(tmp_path):
    spec = replace(small_specs()["gammatone"].resized(samples=600), name="ears", stream_block=96)
    manifest = publish(spec, tmp_path, formats=["coreml"])
    assert manifest.stream is not None
    assert manifest.precision == "float32"
    eager = [row.provider for row in manifest.parity if row.format == "reference"]
    assert eager == ["torch", "torch"]
    assert "`float32`" not in (tmp_path / "ears" / "parity.md").read_text()


@pytest.mark.parametrize("says", [None, False])
def test_leaks_of_a_stream_are_found(says, folder, tmp_path):
    """Where no manifest says that it is meant, or one says that it is not."""
    model = onnx.load(folder / "ears.stream.onnx")
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    if says is None:
        model.metadata_props.remove(entry)
    else:
        content = json.loads(entry.value)
        content["stream"]["float64"] = says
        entry.value = json.dumps(content)
    onnx.save(model, tmp_path / "ears.stream.onnx")
    assert "float64" in {finding.rule for finding in lint(tmp_path / "ears.stream.onnx")}


def test_leaks_of_the_whole_form_are_found(folder, tmp_path):
    """It has no leave to, whatever its manifest says of the stream."""
    model = onnx.load(folder / "ears.onnx")
    model.graph.node.append(helper.make_node("Cast", ["audio"], ["wide"], to=TensorProto.DOUBLE))
    onnx.save(model, tmp_path / "ears.onnx")
    assert "float64" in {finding.rule for finding in lint(tmp_path / "ears.onnx")}
