"""Model files: a good one is read exactly, and those of the repository are good."""

from dataclasses import replace
from pathlib import Path

import pytest

from amt_export.errors import SpecError
from amt_export.model_file import FORMATS, load_spec, model_files
from support.model_files import GOOD, MODULES, minimal

MODELS = Path(__file__).parents[2] / "models"


def test_a_good_file_is_read_exactly(load):
    spec = load(GOOD)
    assert (spec.name, spec.module, spec.description) == ("bank", "Filterbank", "a bank")
    assert spec.parameters == {"fc": (100.0, 8000.0), "fs": 16000}
    assert spec.raw_parameters == {"fc_range": [100, 8000.0], "fs": 16000}
    assert spec.inputs == {"audio": (1, 16000)}
    assert spec.formats == ("onnx", "torchscript")
    assert spec.precision == "float32"
    assert spec.stream_block == 512
    assert spec.path.name == "bank.toml"
    assert spec.parity == {
        "torchscript": 1e-6,
        "exported_program": 1e-6,
        "onnx": 3e-6,
        "coreml": 1e-5,
        "float64": 1e-5,
    }
    assert set(spec.parity_db.values()) == {1e-3}
    assert spec.parity_db.keys() == spec.parity.keys()


def test_defaults(load):
    spec = load(minimal("Integration", "psd = [1, 32, 1025]"))
    assert spec.formats == FORMATS
    assert spec.precision == "float32"
    assert spec.stream_block is None
    assert spec.parameters == {}


def test_explicit_frequencies_stay_a_list(load):
    spec = load(GOOD.replace("fc_range = [100, 8000.0]", "fc = [200, 500.0]"))
    assert spec.parameters["fc"] == [200.0, 500.0]
    assert all(type(f) is float for f in spec.parameters["fc"])


def test_an_explicit_signature_speaks_for_the_constructor(load):
    text = GOOD.replace('"Filterbank"', '"Fast"')
    spec = load(text.replace("fs = 16000", "fs = 16000\nir_length = 64"))
    assert spec.parameters["ir_length"] == 64
    with pytest.raises(SpecError, match=r"unknown key.*did you mean 'ir_length'"):
        load(text.replace("fs = 16000", "fs = 16000\nir_lenght = 64"))


@pytest.mark.parametrize(
    "line",
    [
        "n = 3",
        "betamul = 1",
        "betamul = 0.8",
        'implementation = "poly"',
        "window_lengths = [64, 32]",
        "options = {a = 1}",
    ],
)
def test_values_of_the_annotated_types_pass(load, line):
    key = line.split()[0]
    assert load(GOOD.replace("fs = 16000", f"fs = 16000\n{line}")).parameters[key] is not None


def test_a_float64_model_without_coreml(load):
    assert load(GOOD.replace('"float32"', '"float64"')).precision == "float64"


def test_names_are_looked_up_in_the_folder(load, tmp_path):
    load(GOOD)
    assert load_spec("bank", tmp_path, modules=MODULES).path == tmp_path / "bank.toml"
    with pytest.raises(SpecError, match=r"bonk: no such model.*did you mean 'bank'"):
        load_spec("bonk", tmp_path, modules=MODULES)
    with pytest.raises(SpecError, match=r"\.\./bank: no such model"):
        load_spec("../bank", tmp_path / "models", modules=MODULES)


def test_audio_of_another_size(load):
    spec = load(GOOD)
    assert spec.resized() is spec
    first, *_, last = spec.inputs["audio"]
    assert spec.resized(samples=50).inputs == {"audio": (first, 50)}
    assert spec.resized(batch=7).inputs == {"audio": (7, last)}
    assert spec.resized(50, 7).name == spec.name
    with pytest.raises(SpecError, match="samples is 0; it must be above zero"):
        spec.resized(samples=0)
    with pytest.raises(SpecError, match="takes psd, not audio"):
        replace(spec, inputs={"psd": (1, 32, 1025)}).resized(batch=2)


def test_model_files_are_sorted_and_in_the_repository():
    names = [path.stem for path in model_files(MODELS)]
    assert names == sorted(names)
    assert "gammatone_speech_16k" in names
    assert [path.name for path in model_files()] == [path.name for path in model_files(MODELS)]


@pytest.mark.parametrize("path", model_files(MODELS), ids=lambda path: path.stem)
def test_every_model_file_is_good(path):
    spec = load_spec(path)
    without = {"coreml"} if spec.precision == "float64" else set()  # Core ML has no float64
    assert set(spec.formats) == set(FORMATS) - without
