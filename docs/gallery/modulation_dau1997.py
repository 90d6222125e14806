"""Internal representation of modulated tones after Dau et al. (1997): each modulation has its filter."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from amt_export.modules import Dau1997

model = Dau1997(16000)
channel = np.argmin(np.abs(np.subtract(model.centre_frequencies(), 1000)))
time = torch.arange(16000) / 16000
tone = 2e-5 * 10 ** (60 / 20) * torch.sin(2 * torch.pi * 1000 * time)  # Pa
centres, counts = model.modulation_filters()
for rate in (5, 17, 46):
    modulated = (1 + torch.sin(2 * torch.pi * rate * time)) * tone
    with torch.no_grad():
        representation = model(modulated[None])[0, channel, : counts[channel], 8000:]
    rms = representation.square().mean(dim=-1).sqrt()
    plt.semilogx(centres[1 : len(rms)], rms[1:], "o-", label=f"{rate} Hz")
plt.xticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
plt.minorticks_off()
plt.xlabel("centre frequency of the modulation filter (Hz)")
plt.ylabel("RMS (model units)")
plt.ylim(0, 160)
plt.legend(title="modulation of the tone", ncols=3)
plt.savefig("modulation_dau1997.png")
