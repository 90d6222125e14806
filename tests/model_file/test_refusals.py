"""Bad model files: every kind is refused in one clear line."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amt_export.errors import SpecError
from amt_export.model_file import load_spec
from support.model_files import GOOD, MODULES, minimal

# (what to replace, by what, the error names it)
BAD = [
    # sections and keys
    ("[stream]", "[streem]", r"\[streem\].*unknown section.*did you mean 'stream'"),
    ("[model]", "", "unknown section"),
    ("block = 512", "block = 512\nhop = 2", r"\[stream\] hop = 2: unknown key; allowed: block"),
    ("onnx = 3e-6", "onxx = 3e-6", r"\[parity\] onxx.*did you mean 'onnx'"),
    ("[parity]\nonnx", "[parity_db]\npt2", r"\[parity_db\] pt2.*unknown key"),
    ("[stream]\nblock = 512\n[parity]", "[parity]\nstream = 1", r"\[parity\] stream"),
    # model
    ('"bank"', '"bench"', r"\[model\] name = \"bench\": must be the name of the file, 'bank'"),
    ('name = "bank"\n', "", r"\[model\] name: this key is missing"),
    ('name = "bank"', "name = 7", r"\[model\] name = 7: must be a non-empty string"),
    ('"Filterbank"', '"FilterBank"', r"unknown module; allowed: .*did you mean 'Filterbank'"),
    ('"a bank"', '" "', r"\[model\] description = \" \""),
    ('description = "a bank"\n', "", r"description: this key is missing"),
    # parameters
    ("fs = 16000", "fs = 16000\nordr = 3", r"\[parameters\] ordr = 3: unknown key; allowed: fc"),
    ("fs = 16000", 'fs = "16k"', r"fs = \"16k\": must be a finite number"),
    ("fs = 16000", "fs = true", r"fs = true: must be a finite number"),
    ("fs = 16000", "fs = nan", r"fs = NaN: must be a finite number"),
    ("fs = 16000", "fs = inf", r"fs = Infinity: must be a finite number"),
    ("fs = 16000", "", r"\[parameters\] fs: this key is missing"),
    ("fs = 16000", "fs = 16000\nn = 4.0", r"n = 4.0: must be an integer"),
    ("fs = 16000", "fs = 16000\nn = true", r"n = true: must be an integer"),
    ("fs = 16000", 'fs = 16000\nbetamul = "x"', r"betamul = \"x\": must be a finite number"),
    ("fs = 16000", 'fs = 16000\nimplementation = "sox"', r"must be one of 'sos', 'poly'"),
    ("fs = 16000", "fs = 16000\nwindow_lengths = [64, 1.5]", "must be a list of numbers"),
    ("fs = 16000", "fs = 16000\nwindow_lengths = 64", "must be a list of numbers"),
    ("fs = 16000", "fs = 16000\noptions = [1]", "must be a table"),
    ("fs = 16000", 'fs = 16000\ndtype = "float64"', r"dtype .*\[export\] precision sets it"),
    (
        "fs = 16000",
        "fs = 16000\nlearnable = true",
        "learnable = true: not a parameter; .*--checkpoint",
    ),
    ("fs = 16000", "fs = 16000\nfc = [500.0]", "either fc or fc_range"),
    ("fc_range = [100, 8000.0]", "", r"fc: this key is missing \(or fc_range"),
    ("[100, 8000.0]", "[100]", "must be two numbers"),
    ("[100, 8000.0]", '[100, "8k"]', "must be two numbers"),
    ("[100, 8000.0]", "100", "must be two numbers"),
    ("[100, 8000.0]", "[8000, 100]", "must be 0 < low < high"),
    ("[100, 8000.0]", "[0, 100]", "must be 0 < low < high"),
    ("fc_range = [100, 8000.0]", "fc = []", "must be a list of centre frequencies"),
    ("fc_range = [100, 8000.0]", "fc = [100, true]", "must be a list of centre frequencies"),
    ("fc_range = [100, 8000.0]", "fc = [100, -1]", "must be above zero"),
    # inputs
    ("[inputs]\naudio = [1, 16000]", "", r"\[inputs\]: this section is missing"),
    ("audio = [1, 16000]", "", r"\[inputs\] audio: this key is missing"),
    ("audio = [", "adio = [", r"\[inputs\] adio.*did you mean 'audio'"),
    ("[1, 16000]", "[16000]", r"must have 2 sizes: batch, time"),
    ("[1, 16000]", "[1, 2, 16000]", r"must have 2 sizes"),
    ("[1, 16000]", "[1, 0]", r"audio = \[1, 0\]: must be a list of sizes"),
    ("[1, 16000]", "[1, -5]", "must be a list of sizes"),
    ("[1, 16000]", "[1, 16000.0]", "must be a list of sizes"),
    ("[1, 16000]", "[true, 16000]", "must be a list of sizes"),
    ("[1, 16000]", "16000", "must be a list of sizes"),
    # export and stream
    ('"onnx", ', '"onxx", ', r"formats = .*unknown 'onxx'.*did you mean 'onnx'"),
    ('"onnx", ', '"onnx", "onnx", ', "names one twice"),
    ('["onnx", "torchscript"]', "[]", "at least one of torchscript"),
    ('["onnx", "torchscript"]', '"onnx"', "must be a list"),
    ('["onnx", "torchscript"]', "[[1]]", "unknown"),
    ('"float32"', '"float16"', r"precision = \"float16\": unknown precision.*did you mean"),
    ('"torchscript"]\nprecision = "float32"', '"coreml"]\nprecision = "float64"', "no float64"),
    ("block = 512", "block = 0", "must be an integer above zero"),
    ("block = 512", "block = 51.2", "must be an integer above zero"),
    ("block = 512", "", r"\[stream\] block: must be an integer above zero"),
    # tolerances
    # keys of earlier versions say what takes their place
    (
        "fs = 16000",
        "fs = 16000\nterms = 2",
        r"terms = 2: no longer a key; .*precision = \"float64\"",
    ),
    ('precision = "float32"', 'dtype = "float32"', r"dtype .*no longer a key; write precision"),
    ("onnx = 3e-6", "reference = 3e-6", r"reference = 3e-06: no longer a key; write float64"),
    ('precision = "float32"', 'batch = "free"', r"batch = \"free\": unknown batch"),
    ("3e-6", "0", "must be a finite number above zero"),
    ("3e-6", "-1e-6", "must be a finite number above zero"),
    ("3e-6", "inf", "must be a finite number above zero"),
    ("3e-6", "nan", "must be a finite number above zero"),
    ("3e-6", "true", "must be a finite number above zero"),
    ("3e-6", '"3e-6"', "must be a finite number above zero"),
    # not TOML
    ("[stream]", "[stream", "not TOML.*line"),
    ("block = 512", "block = 1\nblock = 2", "not TOML"),
]


@pytest.mark.parametrize(("old", "new", "named"), BAD)
def test_a_bad_file_is_refused_in_one_line(load, old, new, named):
    assert GOOD.count(old) >= 1
    with pytest.raises(SpecError, match=named) as caught:
        load(GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert "bank.toml: " in message
    assert "\n" not in message


REFERENCE = (
    r"\] {} = .*: no longer a key; write \[parameters\] reference = \"documented\" for \"{}\""
)


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        ("MultiResolutionFFT", 'merge = "aligned"', REFERENCE.format("merge", "aligned")),
        ("ExcitationPattern", 'summation = "natural"', REFERENCE.format("summation", "power")),
        (
            "Glasberg2002FrontEnd",
            'multi_fft_kwargs = { merge = "aligned" }',
            r"\[parameters\.multi_fft_kwargs" + REFERENCE.format("merge", "aligned"),
        ),
        (
            "Glasberg2002FrontEnd",
            'excitation_kwargs = { summation = "natural" }',
            REFERENCE.format("summation", "power"),
        ),
        # The others never had that key, and have no `reference`.
        ("Filterbank", 'merge = "aligned"', r"merge = \"aligned\": unknown key; allowed: fc"),
        ("Filterbank", 'summation = "natural"', "summation = .*unknown key"),
    ],
)
def test_a_key_of_earlier_versions_says_what_its_module_has_today(load, module, line, named):
    text = GOOD.replace('"Filterbank"', f'"{module}"', 1)
    with pytest.raises(SpecError, match=named):
        load(text.replace("fs = 16000", f"fs = 16000\n{line}", 1))


def test_a_section_must_be_a_table(load):
    with pytest.raises(SpecError, match=r"\[parity\] = 3: must be a table"):
        load("parity = 3\n" + GOOD[: GOOD.index("[parity]")])


def test_inputs_follow_forward(load):
    good = minimal("Pair", "freqs = [1, 9]\nlevels = [1, 9]")
    assert list(load(good).inputs) == ["freqs", "levels"]
    with pytest.raises(SpecError, match="order must be freqs, levels"):
        load(minimal("Pair", "levels = [1, 9]\nfreqs = [1, 9]"))
    with pytest.raises(SpecError, match=r"levels: this key is missing; .*freqs, levels"):
        load(minimal("Pair", "freqs = [1, 9]"))


def test_baked_inputs_are_not_listed(load):
    with pytest.raises(SpecError, match=r"freqs = .*built into the artifact.*takes psd"):
        load(minimal("Integration", "psd = [1, 32, 1025]\nfreqs = [1025]"))


def test_no_frequencies_where_the_module_takes_none(load):
    with pytest.raises(SpecError, match=r"fc_range = .*unknown key; allowed: fs"):
        load(minimal("Integration", "psd = [1, 2, 3]", "fc_range = [100.0, 200.0]"))


def test_unreadable_files(load, tmp_path):
    with pytest.raises(SpecError, match="No such file"):
        load_spec(tmp_path / "missing.toml", modules=MODULES)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SpecError, match=r"folder\.toml: Is a directory"):
        load_spec(tmp_path / "folder.toml", modules=MODULES)
    with pytest.raises(SpecError, match="not UTF-8"):
        load(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"\[model\]: this section is missing"):
        load("")
    with pytest.raises(SpecError, match="nested too deep"):
        load("x = " + "[" * 5000)
    with pytest.raises(SpecError, match=r"\[model\]: this section is missing"):
        load(b"\xef\xbb\xbf")  # the byte order mark of editors on Windows


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.binary(max_size=40))
def test_no_content_makes_another_error(load, content):
    with pytest.raises(SpecError):
        load(content.encode("utf-8", "replace") if isinstance(content, str) else content)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    section=st.sampled_from(["model", "parameters", "inputs", "export", "stream", "parity"]),
    key=st.from_regex(r"[a-z]{1,12}", fullmatch=True),
)
def test_no_unknown_key_passes(load, section, key):
    known = set().union(*(t for t in tomllib.loads(GOOD).values()))
    known |= {"fc", "n", "betamul", "options", "implementation", "reference", "coreml"}
    if key not in known:
        with pytest.raises(SpecError, match=rf"\[{section}\] {key} = 1: "):
            load(GOOD.replace(f"[{section}]\n", f"[{section}]\n{key} = 1\n"))
