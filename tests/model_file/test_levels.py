"""The table [levels] of a model file, and the model files that have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from amt_export.errors import SpecError
from amt_export.model_file import load_spec
from amt_export.model_file.building import build_module, build_stream
from amt_export.modules import FrameLevels

MODELS = Path(__file__).parents[2] / "models"
TEXT = """
[model]
name = "bank"
module = "{module}"
description = "a bank"
[parameters]
{parameters}
[inputs]
audio = {shape}
[levels]
{levels}
[stream]
block = {block}
"""


def spec(
    folder: Path,
    levels: str = "hop = 160",
    block: int = 320,
    module: str = "GammatoneFilterbank",
    parameters: str = "fc_range = [300.0, 4000.0]\nfs = 16000",
    shape: str = "[1, 1600]",
):
    path = folder / "bank.toml"
    text = TEXT.format(
        levels=levels, block=block, module=module, parameters=parameters, shape=shape
    )
    path.write_text(text, encoding="utf-8")
    return load_spec(path)


def test_the_module_is_the_filterbank_with_its_levels(tmp_path):
    read = spec(tmp_path)
    assert read.levels_hop == 160
    module = build_module(read)
    assert isinstance(module, FrameLevels)
    assert (module.hop(), type(module.filterbank).__name__) == (160, "GammatoneFilterbank")
    assert build_stream(read, module).shape == (1, 320)


@pytest.mark.parametrize(
    ("name", "hop", "block"),
    [("cochleagram_speech_16k", 160, 320), ("cochleagram_casp_44k", 441, 441)],
)
def test_frames_of_the_cochleagrams_are_10_ms(name, hop, block):
    read = load_spec(MODELS / f"{name}.toml")
    assert (read.levels_hop, read.stream_block) == (hop, block)
    assert hop == read.parameters["fs"] // 100


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("hop = 0", r"\[levels\] hop = 0: must be an integer above zero"),
        ("hop = 1.5", r"\[levels\] hop = 1.5: must be an integer"),
        ("hop = true", r"\[levels\] hop = true: must be an integer"),
        ("", r"\[levels\] hop: must be an integer above zero"),
        ("hops = 160", r"\[levels\] hops = 160: unknown key; allowed: hop; did you mean 'hop'"),
        ("hop = 160\nref = 1.0", r"\[levels\] ref = 1.0: unknown key"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, levels, message):
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, levels)


def test_a_hop_that_does_not_divide_the_block_names_blocks_that_do(tmp_path):
    read = spec(tmp_path, block=512)
    with pytest.raises(SpecError, match=r"bank.toml: \[stream\] block = 512: .*160.*480 or 640$"):
        build_stream(read, build_module(read))


def test_modules_without_subbands_have_no_levels(tmp_path):
    read = spec(
        tmp_path, module="Moore2016Spectrum", parameters="fs = 32000", shape="[1, 2, 32000]"
    )
    with pytest.raises(SpecError, match=r"bank.toml: \[levels\]: Moore2016Spectrum gives no subb"):
        build_module(read)


def test_a_checkpoint_is_for_what_can_be_trained(tmp_path):
    read = load_spec(MODELS / "casp_44k.toml")
    with pytest.raises(SpecError, match="CASPFrontEnd has nothing to be trained"):
        build_module(read, checkpoint=tmp_path / "none.pt")
