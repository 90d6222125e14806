"""Adapted output over the level of a steady tone: CASP with and without outer hair cells, Dau 1997."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from amt_export.modules import Dau1997, Paulick2024

FS = 44100
levels = np.arange(0, 101, 10)
tone = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * 1000 * np.arange(FS) / FS)
tones = torch.from_numpy(10 ** (levels[:, None] / 20) * tone)
with torch.no_grad():
    for subject, label in (("NH", "CASP"), ("HIx", "CASP, no outer hair cells")):
        casp = Paulick2024(fc=torch.tensor([1000.0]), subject=subject)
        adapted = casp.adaptation(casp.hair_cell(casp.drnl(casp.ears(tones))))
        plt.plot(levels, adapted[:, 0, -FS // 5 :].mean(-1), label=label)
    dau = Dau1997(FS, flow=950.0, fhigh=1050.0)
    adapted = dau.adaptation(dau.hair_cell(dau.scale * dau.filterbank(tones)))
    plt.plot(levels, adapted[:, 0, -FS // 5 :].mean(-1), label="Dau et al. 1997")
plt.xlabel("level of the tone (dB SPL)")
plt.ylabel("adapted, steady (MU)")
plt.legend()
plt.savefig("casp_input_output.png")
