"""A tone of 1 kHz with a modulation of 20 Hz, and of 100 Hz, in the modulation filters of Dau et al. 1997."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from amt_export.modules import Dau1997

FS = 16000
dau = Dau1997(FS, flow=950.0, fhigh=1050.0)
time = np.arange(FS) / FS
tone = 2e-5 * 10 ** (60 / 20) * np.sin(2 * np.pi * 1000 * time)
rates = (4, 20, 100)
sounds = np.stack([(1 + np.sin(2 * np.pi * rate * time)) * tone for rate in rates])
with torch.no_grad():
    settled = dau(torch.from_numpy(sounds))[:, 0, :, FS // 2 :]
centres = [f"{hertz:.0f}" for hertz in dau.modulation.mfc.tolist()]
for rate, filters in zip(rates, settled, strict=True):
    plt.plot(centres[1:], filters[1:].square().mean(-1).sqrt(), "o-", label=f"{rate} Hz")
plt.xlabel("modulation filter (Hz)")
plt.ylabel("rms (MU)")
plt.legend(title="modulation of the tone")
plt.savefig("casp_modulation.png")
