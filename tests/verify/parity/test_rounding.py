"""Tolerances of banks that hardly hear a tone: float32 is allowed what it leaves there, and little more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amt_export.errors import ParityError
from amt_export.model_file import ModelSpec, load_spec
from amt_export.publish import publish
from support.filters import ROOT


def bank(origin: str, fc: list[float], fs: int, **more: object) -> ModelSpec:
    """A published model with a few other channels and 2000 samples, and no tolerance of its own."""
    spec = load_spec(ROOT / "models" / f"{origin}.toml").resized(samples=2000)
    raw: dict[str, object] = {"fc": fc, "fs": fs, **more}
    return replace(spec, parameters=raw, raw_parameters=raw, given=frozenset())


FAR = {
    "gammatone": bank("gammatone_speech_16k", [300.0, 1000.0, 3000.0], 16000),
    "casp": bank("casp_44k", [176.3, 3926.6], 44100),
}


@pytest.mark.parametrize("name", FAR)
def test_a_bank_far_from_a_tone_is_published_with_a_tolerance_near_what_float32_leaves(
    name, tmp_path
):
    """Files are allowed less than float32 is, since they differ from the same float32 numbers."""
    rows = publish(FAR[name], tmp_path, formats=["onnx"]).parity
    left = {row.form: row for row in rows if row.format == "float64"}
    for form in ("whole", "stream"):
        assert 3e-5 < left[form].worst <= left[form].tolerance < 12.0 * left[form].worst
    for row in rows:
        if row.format == "onnx":
            assert row.worst <= row.tolerance <= max(3e-5, 3.0 * left[row.form].worst)


def test_a_bank_that_hears_the_tones_has_the_default(tmp_path):
    spec = bank("gammatone_speech_16k", [500.0, 1000.0, 2000.0, 4000.0, 7000.0], 16000)
    manifest = publish(spec, tmp_path, formats=["torchscript"])
    assert {row.tolerance for row in manifest.parity if row.format == "float64"} == {1e-5}


def test_a_tolerance_of_the_model_file_is_not_raised(tmp_path):
    spec = replace(FAR["gammatone"], given=frozenset({"float64"}))
    with pytest.raises(ParityError, match=r"differs from float64 by .* 1e-05 are allowed"):
        publish(spec, tmp_path, formats=["torchscript"])
    assert not list(tmp_path.iterdir())
