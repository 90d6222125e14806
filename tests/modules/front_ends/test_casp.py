"""The front end of CASP: what a recording goes through."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy import signal

from amt_export.modules import CASPFrontEnd, DRNLFilterbank, MiddleEarFilter, OuterEarFilter
from amt_export.modules.forms import StreamForm
from support.filters import assert_forms_are_eager, noise, relative

FS = 44100
CASP = {"fc": (250.0, 8000.0), "fs": FS}
SPEECH = Path(__file__).parents[2] / "data" / "speech_22k.wav"


def input_output(centre: float, levels: np.ndarray, run=None, **keywords) -> np.ndarray:
    """Level in dB re 1 of the settled answers to tones at a CF, from silence."""
    module = CASPFrontEnd(torch.tensor([centre]), FS, **keywords)
    run = run or module
    time = torch.arange(int(0.3 * FS), dtype=torch.float64) / FS
    tone = torch.sin(2.0 * math.pi * centre * time)
    amplitudes = 2e-5 * math.sqrt(2.0) * 10.0 ** (torch.as_tensor(levels) / 20.0)
    answers = run((amplitudes[:, None] * tone).to(module.dtype)).detach().double()
    return 10.0 * np.log10(answers[:, 0, int(0.1 * FS) :].square().mean(-1).numpy())


def speech(level: float = 65.0) -> torch.Tensor:
    """The recording at 44.1 kHz and a level in dB SPL RMS, (1, T), Pa."""
    recording, rate = soundfile.read(SPEECH)
    assert rate == FS // 2
    audio = signal.resample_poly(recording, 2, 1)
    return torch.from_numpy(audio * 2e-5 * 10.0 ** (level / 20.0) / audio.std())[None]


# Signal truths


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_input_output_functions(golden, dtype):
    case = golden("ears")
    for row, centre in enumerate(case["io_CF"].tolist()):
        found = input_output(centre, case["io_level_db"].numpy(), dtype=dtype)
        expected = case["io_ears_paulick_db"][row].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.05, err_msg=f"{centre} Hz")


def test_it_compresses_at_levels_of_speech_and_not_without_hair_cells():
    levels = np.array([0.0, 10.0, 40.0, 60.0])
    normal = input_output(1000.0, levels)
    impaired = input_output(1000.0, levels, subject="HIx")
    assert 0.25 < (normal[3] - normal[2]) / 20.0 < 0.4
    assert (normal[1] - normal[0]) / 10.0 == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(np.diff(impaired), np.diff(levels), atol=0.01)


def test_hearing_speech_without_hair_cells():
    audio = speech()
    normal, impaired = (
        10.0 * torch.log10(CASPFrontEnd(**CASP, subject=subject)(audio)[0].square().mean(-1))
        for subject in ("NH", "HIx")
    )
    lost = normal - impaired
    assert float(lost.median()) > 8.0
    assert float(lost.min()) > 5.0
    assert float(lost.max()) < 20.0


def test_it_is_the_chain_of_its_parts():
    audio = 0.1 * noise(2, 1500)
    outer, middle = (ear(FS, dtype=torch.float64) for ear in (OuterEarFilter, MiddleEarFilter))
    for keywords in ({}, {"model": "jepsen2008", "subject": "HIx", "reference": "documented"}):
        module = CASPFrontEnd(**CASP, n_channels=4, dtype=torch.float64, **keywords)
        drnl = DRNLFilterbank(**CASP, n_channels=4, **{"reference": "amt"} | keywords)
        assert relative(module(audio), drnl(middle(outer(audio)))) < 1e-10
        assert torch.equal(module(audio[0]), module(audio[:1])[0])
        parts = module.middle_ear(module.outer_ear(audio))
        assert relative(module.ears(audio)[:, None], parts[:, None]) < 1e-12
        assert relative(module(audio), module.drnl(parts)) < 1e-10


@pytest.mark.parametrize("block", [512, 441])
def test_a_stream_is_the_whole(block):
    module = CASPFrontEnd(**CASP, n_channels=6)
    audio = speech()[:, 20000 : 20000 + 20 * block].float()
    (found,) = StreamForm(module, block, (1, FS)).run(audio)
    assert relative(found, module(audio)) < 3e-5


def test_what_is_known_of_it():
    module = CASPFrontEnd(**CASP)
    assert module.fs == FS
    assert module.num_channels == 50
    torch.testing.assert_close(module.fc[[0, -1]], torch.tensor([250.0, 8000.0]))
    assert module.centre_frequencies() == module.drnl.centre_frequencies()
    assert (module.input_ports[0].unit, module.output_ports[0].unit) == ("Pa", "m/s")
    assert module.output_ports[0].name == "velocity"
    assert module.warm_up() == 2 * 512 + module.drnl.warm_up()
    assert (module.hop(), module.frame_length(), module.look_ahead()) == (1, 1, 0)
    assert module.dtype == module(torch.zeros(1, 10)).dtype == torch.float32
    assert "reference='amt'" in repr(module)


def test_warm_up_is_enough():
    """Two sounds that differ only before the warm-up end alike."""
    module = CASPFrontEnd(**CASP, n_channels=3, dtype=torch.float64)
    past, rest = noise(1, 500), 0.1 * noise(1, module.warm_up() + 200, seed=1)
    with_past = module(torch.cat([past, rest], dim=1))[..., 500 + module.warm_up() :]
    assert relative(with_past, module(rest)[..., module.warm_up() :]) < 1e-6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reference": "torch_amt"}, "'torch_amt'.*'documented', 'amt'"),
        ({"subject": "nh"}, "'nh'.*'NH', 'HIx'"),
        ({"fs": 200, "fc": (50.0, 90.0)}, "fs is 200"),
        ({"fc": (250.0, 30000.0)}, "30000"),
    ],
)
def test_the_constructor_names_the_offending_value(changed, message):
    with pytest.raises(ValueError, match=message):
        CASPFrontEnd(**{**CASP, **changed})


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_script_and_trace_are_eager():
    module = CASPFrontEnd(**CASP, n_channels=3)
    assert_forms_are_eager(module, ((2, 700), (700,)), 1e-6, 3e-5)


def test_not_finite_stays_in_its_row():
    module = CASPFrontEnd(**CASP, n_channels=3)
    audio = noise(2, 700, dtype=torch.float32)
    clean = module(audio)
    audio[1, 300] = math.nan
    nonfinite = module(audio)
    assert torch.equal(nonfinite[0], clean[0])
    assert not torch.isfinite(nonfinite[1, :, 300:]).any()
