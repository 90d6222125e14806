"""docs/examples/forward_masking.py, on three channels: thresholds that the page about CASP prints."""

from __future__ import annotations

import runpy

import pytest
import torch

from amt_export.modules import Paulick2024
from support.filters import ROOT

CHANNELS = torch.tensor([840.0, 1000.0, 1190.0])


@pytest.mark.parametrize(
    ("subject", "printed"), [("NH", (23.2, 21.8, 13.4)), ("HIx", (54.8, 49.6, 43.6))]
)
def test_masking_decays_and_hearing_loss_lifts_thresholds(subject, printed):
    casp = Paulick2024(fc=CHANNELS, subject=subject).eval()
    example = runpy.run_path(str(ROOT / "docs" / "examples" / "forward_masking.py"))
    example["thresholds"].__globals__["SAMPLES"] = 14000  # nothing is heard after it

    def represent(audio):
        with torch.no_grad():
            return casp(torch.from_numpy(audio)[None]).numpy()

    found = example["thresholds"](represent)
    assert found == sorted(found, reverse=True)
    assert found == pytest.approx(printed, abs=0.8)
    assert found[0] - found[-1] > 5.0
    page = (ROOT / "docs" / "models" / "paulick2024.md").read_text(encoding="utf-8")
    assert " | ".join(f"{threshold:.0f} dB SPL" for threshold in printed) in page
