"""A tone begins: potential of the hair cell, adapted signal, and three of the modulation filters."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from amt_export.modules import Paulick2024

FS = 44100
casp = Paulick2024(fc=torch.tensor([1000.0]))
time = np.arange(FS // 2) / FS
on = (time > 0.05) & (time < 0.3)
tone = np.sqrt(2) * 2e-5 * 10 ** (60 / 20) * np.sin(2 * np.pi * 1000 * time) * on
with torch.no_grad():
    velocity = casp.drnl(casp.ears(torch.from_numpy(tone)[None]))
    potential = casp.hair_cell(velocity)
    adapted = casp.adaptation(potential)
    representation = casp.modulation(casp.decimation(adapted))[0, 0]
figure, axes = plt.subplots(3, 1, sharex=True, figsize=(5.6, 6.0))
axes[0].plot(time, 1e3 * potential[0, 0], linewidth=0.4)
axes[0].set_ylabel("potential (mV)")
axes[0].set_title("inner hair cell at 1 kHz")
axes[1].plot(time, adapted[0, 0], linewidth=0.4)
axes[1].set_ylabel("adapted (MU)")
axes[1].set_title("adaptation loops: the onset stands out")
frames = np.arange(representation.shape[-1]) * 4 / FS
for place in (0, 1, 5):
    hertz = float(casp.modulation.mfc[place])
    axes[2].plot(
        frames, representation[place], label=f"{hertz:.0f} Hz" if hertz else "below 2.5 Hz"
    )
axes[2].set_ylabel("modulation (MU)")
axes[2].set_xlabel("time (s)")
axes[2].legend(ncols=3, loc="upper right")
axes[2].set_title("modulation filterbank")
plt.savefig("casp_onset.png")
