"""CASP and Dau 1997 from sound pressure to the internal representation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export.export.capture import quiet_torch
from amt_export.modules import (
    AdaptationLoops,
    CASPHairCell,
    Dau1997,
    DauHairCell,
    Decimation,
    ModulationFilterbank,
    Paulick2024,
)
from amt_export.modules.filterbanks import ears
from amt_export.modules.forms import StreamForm, WholeForm
from support.filters import load_golden, noise, relative
from support.representation import casp_golden, channels_first, of_peak, sine

SMALL = {"fc": torch.tensor([500.0, 1000.0, 5000.0])}
DAU = {"fs": 16000, "flow": 500.0, "fhigh": 1500.0}


@pytest.fixture
def stored_ears(monkeypatch):
    """The FIRs that the golden case was made with; designed ones differ by up to 2e-3."""
    case = load_golden("ears")
    for name in ("outer", "middle"):
        taps = case[f"{name}_ear_fir_44100"].numpy()
        monkeypatch.setattr(ears, f"{name}_ear_response", lambda _fs, _order, taps=taps: taps)


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-7), (torch.float32, 3e-4)])
def test_casp_from_end_to_end(stored_ears, dtype, allowed):
    """Some channels of the golden case, whole and as a stream."""
    case = casp_golden("casp_full")
    chosen = [0, 17, 33, 49]
    audio = torch.from_numpy(case["x"] * float(case["scale"]))[None].to(dtype)
    casp = Paulick2024(fc=torch.from_numpy(case["fc"][chosen]), dtype=dtype)
    assert casp.modulation.counts.tolist() == case["counts"][chosen].tolist()
    np.testing.assert_allclose(casp.modulation.mfc, case["mfc"], rtol=1e-6)
    with torch.no_grad():
        whole = casp(audio)
    expected = torch.from_numpy(case["mod"][chosen])
    assert whole.shape == (1, 4, 12, audio.shape[1] // 4)
    assert of_peak(whole[0, :, :, ::96], expected) < allowed
    assert not whole[~casp.modulation.mask.expand(1, -1, -1)].any()
    stream = StreamForm(casp, 512, (1, 44100))
    with torch.no_grad():
        (late,) = stream.run(audio[:, : 512 * 20])
    assert of_peak(late[..., 10:], whole[..., : late.shape[-1] - 10]) < 2e-6
    assert float(late[..., :10].abs().max()) < 1e-6


def test_casp_is_the_chain_of_its_parts():
    casp = Paulick2024(**SMALL, dtype=torch.float64)
    audio = 0.02 * noise(2, 3003)
    velocity = casp.drnl(casp.middle_ear(casp.outer_ear(audio)))
    adapted = casp.adaptation(casp.hair_cell(velocity))
    expected = casp.modulation(casp.decimation(adapted))
    found = casp(audio)
    assert found.shape == (2, 3, 12, 750)
    assert of_peak(found, expected) < 1e-8
    assert torch.equal(casp(audio[0]), casp(audio[:1])[0])


def test_casp_of_2008_squares_the_envelope():
    casp = Paulick2024(**SMALL, model="jepsen2008", subject="HIx", dtype=torch.float64)
    audio = 0.02 * noise(1, 2000)
    envelope = casp.hair_cell(casp.drnl(casp.ears(audio)))
    adapted = casp.adaptation(1e5 * envelope**2)
    assert of_peak(casp(audio), casp.modulation(casp.decimation(adapted))) < 1e-12
    assert casp.adaptation.sweeps == (18, 16, 12, 9, 7)
    assert casp.adaptation.tau[0] == 0.005


def test_steady_tones_in_casp(stored_ears):
    """Mean potential and mean adapted output of the channel at 983 Hz, last 100 ms of 2 s."""
    fs = 44100
    centre = casp_golden("casp_full")["fc"]
    channel = int(np.abs(centre - 1000.0).argmin())
    casp = Paulick2024(fc=torch.from_numpy(centre[[channel]]), dtype=torch.float64)
    levels = range(0, 101, 10)
    tones = torch.from_numpy(np.stack([sine(1000.0, level, 2 * fs, fs) for level in levels]))
    with torch.no_grad():
        potential = casp.hair_cell(casp.drnl(casp.ears(tones)))
        adapted = casp.adaptation(potential)
    last = slice(-fs // 10, None)
    low = [0.00114, 0.01127, 0.11221, 1.07792, 4.10223]  # mV
    high = [6.78729, 10.37083, 15.15555, 21.19498, 26.34914, 28.72721]
    np.testing.assert_allclose(1e3 * potential[:, 0, last].mean(-1), low + high, rtol=5e-3)
    steady = [0.092, 4.877, 13.213, 25.516, 35.803, 40.461, 44.774, 48.959, 52.918, 55.646, 56.78]
    np.testing.assert_allclose(adapted[:, 0, last].mean(-1), steady, atol=0.02)


def test_dau_is_the_chain_of_its_parts_in_both_scales():
    case = casp_golden("dau1997")
    audio = torch.from_numpy(case["x_16000_2"] * float(case["scale_16000_2"]))[None]
    dau = Dau1997(16000, dboffset=100.0, dtype=torch.float64)
    np.testing.assert_allclose(dau.centre_frequencies(), case["fc"], rtol=1e-12)
    subbands = dau.filterbank(audio)[:, [0, 7, 14, 29]]
    assert relative(subbands, channels_first(case["gt_16000_2"])) < 1e-8
    whole = dau(audio)
    assert whole.shape == (1, 30, 12, 1600)
    for channel in (0, 7, 14, 29):
        expected = torch.from_numpy(case[f"mod_16000_2_ch{channel}"].T.copy())
        assert of_peak(whole[0, channel, : len(expected), ::16], expected) < 1e-7
    # A pascal is 93.98 dB SPL.
    pascals = Dau1997(16000, dboffset=93.97940008672037, dtype=torch.float64)
    assert of_peak(pascals(2.0 * audio), whole) < 1e-9
    assert of_peak(Dau1997(16000)(2.0 * audio.float()), whole) < 1e-5


@pytest.mark.parametrize("block", [512, 64])
def test_a_stream_of_dau_is_the_whole(block):
    dau = Dau1997(**DAU)
    audio = 0.02 * noise(2, 16 * block, dtype=torch.float32)
    audio[:, :200] = 0.0
    with torch.no_grad():
        (found,) = StreamForm(dau, block, (2, 16000)).run(audio)
        assert of_peak(found, dau(audio)) < 2e-6


def test_a_state_of_zeros_is_rest():
    """Apps begin a stream with zeros."""
    for module, block in ((Dau1997(**DAU), 64), (Paulick2024(**SMALL), 128)):
        form = StreamForm(module, block, (1, 16000))
        audio = 0.02 * noise(1, block, dtype=torch.float32)
        zeros = [torch.zeros_like(state) for state in form.initial_states()]
        with torch.no_grad():
            found, expected = form(audio, *zeros), form(audio, *form.initial_states())
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("block", [510, 66])
def test_blocks_of_a_stream_are_whole_frames(block):
    with pytest.raises(ValueError, match="multiple of"):
        StreamForm(Paulick2024(**SMALL), block, (1, 44100))


@pytest.mark.parametrize("build", [lambda: Dau1997(**DAU), lambda: Paulick2024(**SMALL)])
def test_script_trace_and_frozen_forms_are_eager(build):
    module = build().eval()
    audio = 0.02 * noise(1, 1200, dtype=torch.float32)
    with torch.no_grad(), quiet_torch():
        expected = module(audio)
        scripted = torch.jit.script(module)
        frozen = WholeForm(module.freeze(1200))
        forms = [scripted(audio), scripted(audio[0])[None], frozen(audio)[0]]
        forms.append(torch.jit.trace(frozen, audio)(audio)[0])
        for found in forms:
            assert of_peak(found, expected) < 1e-6


def test_casp_changes_its_sweeps_with_its_dtype():
    casp = Paulick2024(**SMALL)
    assert casp.adaptation.sweeps == (6, 8, 7, 5, 5)
    assert casp.freeze(stream=512).adaptation.sweeps == (6, 8, 6, 5, 4)
    assert casp.double().adaptation.sweeps == (10, 11, 8, 6, 5)
    assert Paulick2024(**SMALL, sweeps=(1, 1, 1, 1, 1)).double().adaptation.sweeps == (1,) * 5


def test_what_is_known_of_them():
    casp, dau = Paulick2024(**SMALL), Dau1997(**DAU)
    assert (casp.hop(), casp.lead_frames(), casp.latency(), casp.frame_length()) == (4, 10, 40, 4)
    assert (dau.hop(), dau.lead_frames(), dau.latency()) == (1, 0, 0)
    for module in (casp, dau):
        centres, counts = module.modulation_filters()
        assert len(centres) == max(counts) == module.modulation.mfc.numel()
        assert module.output_ports[0].unit == "model units"
    assert casp.output_ports[0].axes == ("batch", "channel", "modulation", "frame")
    assert dau.output_ports[0].axes == ("batch", "channel", "modulation", "time")


def test_gradients_reach_the_audio():
    audio = (0.02 * noise(1, 1000, dtype=torch.float32)).requires_grad_()
    for module in (Dau1997(**DAU), Paulick2024(**SMALL)):
        audio.grad = None
        module(audio).square().sum().backward()
        assert torch.isfinite(audio.grad).all()
        assert audio.grad.any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Paulick2024(learnable=True), "learnable is True"),
        (lambda: Paulick2024(model="casp"), "model is 'casp'"),
        (lambda: Paulick2024(subject="NHx"), "subject is 'NHx'"),
        (lambda: Paulick2024(decimation="none"), "kind is 'none'"),
        (lambda: Paulick2024(fs=4000, fc=(250.0, 1000.0)), "fs is 4000"),
        (lambda: Dau1997(modulation="dau"), "modulation is 'dau'.*'verhey1999'"),
        (lambda: Dau1997(dboffset=float("nan")), "dboffset is nan"),
        (lambda: Dau1997(learnable=True), "learnable is True"),
        (lambda: Dau1997(flow=0.0), "flow"),
    ],
)
def test_what_cannot_be_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_not_finite_stays_in_its_row():
    for module in (Dau1997(**DAU), Paulick2024(**SMALL)):
        audio = 0.02 * noise(2, 1200, dtype=torch.float32)
        clean = module(audio)
        audio[1, 300] = float("inf")
        nonfinite = module(audio)
        assert torch.equal(nonfinite[0], clean[0])
        assert not torch.isfinite(nonfinite[1, :, 0, 310 // module.hop() + 2 :]).any()


def test_streams_of_the_stages_are_their_whole_forms():
    """Of three channels; the decimation's 10 frames late."""
    signal = 0.02 + 0.02 * torch.rand(1, 3, 1280, dtype=torch.float64)
    for module, late in (
        (CASPHairCell(16000), 0),
        (DauHairCell(16000, dtype=torch.float64), 0),
        (AdaptationLoops(16000, dtype=torch.float64), 0),
        (Decimation(dtype=torch.float64), 10),
        (ModulationFilterbank([500.0, 900.0, 2000.0], 16000, dtype=torch.float64), 0),
    ):
        with torch.no_grad():
            (found,) = StreamForm(module, 128, (1, 3, 1280)).run(signal)
            expected = module(signal)
        assert of_peak(found[..., late:], expected[..., : found.shape[-1] - late]) < 1e-6
