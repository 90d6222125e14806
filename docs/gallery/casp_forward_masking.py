"""Forward masking: the adapted signal of a short tone, alone and after a masker."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from amt_export.modules import Paulick2024

FS = 44100
casp = Paulick2024(fc=torch.tensor([1000.0]))
time = np.arange(FS // 2) / FS
tone = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * 1000 * time)
masker = 10 ** (80 / 20) * tone * (time < 0.2)
figure, axes = plt.subplots(2, 1, sharex=True, sharey=True, figsize=(5.6, 4.4))
for ax, start in zip(axes, (0.21, 0.35), strict=True):
    probe = 10 ** (50 / 20) * tone * ((time > start) & (time < start + 0.02))
    with torch.no_grad():
        sounds = torch.from_numpy(np.stack([probe, masker + probe]))
        adapted = casp.adaptation(casp.hair_cell(casp.drnl(casp.ears(sounds))))[:, 0].numpy()
    alone, masked = (np.convolve(one, np.ones(220) / 220, "same") for one in adapted)  # 5 ms
    ax.plot(time, alone, label="probe alone")
    ax.plot(time, masked, label="after a masker of 80 dB SPL")
    ax.set_ylabel("adapted (MU)")
    ax.set_title(f"probe of 50 dB SPL, {1000 * (start - 0.2):.0f} ms after the masker")
axes[0].legend(loc="upper right")
axes[1].set_xlim(0.15, 0.45)
axes[1].set_xlabel("time (s)")
plt.savefig("casp_forward_masking.png")
