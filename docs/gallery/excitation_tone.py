"""Excitation patterns of a tone of 1 kHz: the louder, the further it spreads to higher frequencies."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("moore2016_frontend_32k")
tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 32000)  # full scale, 93.98 dB SPL
for level in (90, 70, 50, 30):
    sound = 10 ** ((level - 93.98) / 20) * tone
    excitation = model.process(np.stack([sound, sound]))["excitation_left"]
    plt.plot(model.centre_frequencies, excitation[200], label=f"{level} dB SPL")
plt.xscale("log")
plt.xticks([100, 200, 500, 1000, 2000, 5000, 10000], ["100", "200", "500", "1k", "2k", "5k", "10k"])
plt.ylim(0, 100)
plt.xlabel("centre frequency of the auditory filter (Hz)")
plt.ylabel("excitation (dB SPL)")
plt.legend()
plt.savefig("excitation_tone.png")
