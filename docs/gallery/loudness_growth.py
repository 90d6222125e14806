"""Loudness of a tone and of noise: 10 dB more is about twice as loud, and noise is louder than a tone."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("moore2016_loudness_32k")
levels = np.arange(0, 101, 10)  # dB SPL
tone = np.sin(2 * np.pi * 1000 * np.arange(32000) / 32000)
noise = np.random.default_rng(0).standard_normal(32000)
for sound, label in ((noise, "white noise"), (tone, "tone, 1 kHz")):
    pascals = 2e-5 * sound / np.sqrt(np.mean(sound**2))  # 0 dB SPL
    both_ears = np.stack([pascals, pascals])
    sone = [model.process(10 ** (level / 20) * both_ears)["loudness"] for level in levels]
    plt.semilogy(levels, sone, label=label)
plt.xlabel("level (dB SPL)")
plt.ylabel("loudness (sone)")
plt.ylim(0.01, 200)
plt.legend()
plt.savefig("loudness_growth.png")
