"""`[export] precision` and `batch`: what is published, whole and as a stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from amt_export import runtime
from amt_export.errors import SpecError
from amt_export.lint import errors_of, lint
from amt_export.publish import publish
from support.filters import small_specs


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A gammatone in double inside, for any batch."""
    spec = replace(small_specs()["gammatone"], precision="float64", batch="dynamic")
    spec = replace(spec, stream_block=100, parity=dict.fromkeys(spec.parity, 1e-6))
    out = tmp_path_factory.mktemp("double")
    publish(spec, out, formats=["onnx", "torchscript", "exported_program"])
    return out / "gammatone"


def test_inputs_and_outputs_are_float32_of_any_batch(published):
    manifest = runtime.load(published).manifest
    assert (manifest.precision, manifest.batch) == ("float64", "dynamic")
    for port in (*manifest.inputs, *manifest.outputs):
        assert port.shape[0] is None
        assert port.dtype == "float32"
    assert {state.dtype for state in manifest.stream.states} == {"float64"}
    assert {state.shape[0] for state in manifest.stream.states} == {None}
    graph = onnx.load(published / "gammatone.onnx").graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_double_is_as_accurate_as_its_output(published):
    rows = [r for r in runtime.load(published).manifest.parity if r.format == "float64"]
    assert {row.form for row in rows} == {"whole", "stream"}
    assert all(0.0 < row.worst < 1e-7 for row in rows)


def test_rows_of_a_batch_are_those_alone(published):
    model = runtime.load(published)
    audio = np.random.default_rng(0).standard_normal((3, 2000)).astype(np.float32)
    together = model(audio)["subbands"]
    alone = np.concatenate([model(row[None])["subbands"] for row in audio])
    np.testing.assert_allclose(together, alone, atol=1e-6 * np.abs(alone).max())
    with model.stream(batch=3) as stream:
        first, last = stream.push(audio), stream.flush()
    joined = np.concatenate([first["subbands"], last["subbands"]], axis=-1)
    np.testing.assert_allclose(joined, together, atol=1e-6 * np.abs(alone).max())


def test_the_card_says_which_batches_were_compared(published):
    assert "Parity was measured with 1 and 3." in (published / "README.md").read_text()


def test_lint_knows_what_the_manifest_says(published):
    assert not errors_of(lint(published))


def test_core_ml_has_no_double(tmp_path):
    spec = replace(small_specs()["gammatone"], precision="float64")
    with pytest.raises(SpecError, match="leave coreml out of formats, or take float32"):
        publish(spec, tmp_path, formats=["onnx", "coreml"])
    assert not list(tmp_path.iterdir())
