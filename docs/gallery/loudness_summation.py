"""Loudness of noise at 60 dB SPL around 1 kHz: it rises when the noise is wider than an auditory filter."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("moore2016_loudness_32k")
bandwidths = np.geomspace(30, 1900, 13)  # Hz
spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(32000))
frequencies = np.fft.rfftfreq(32000, 1 / 32000)
sone = []
for bandwidth in bandwidths:
    noise = np.fft.irfft(spectrum * (np.abs(frequencies - 1000) < bandwidth / 2))
    pascals = 2e-5 * 10 ** (60 / 20) * noise / np.sqrt(np.mean(noise**2))
    sone.append(model.process(np.stack([pascals, pascals]))["loudness"])
plt.semilogx(bandwidths, sone, "o-")
plt.axvline(132, color="C1", linestyle="--", label="one ERB, 132 Hz")
plt.xticks([30, 100, 300, 1000], ["30", "100", "300", "1000"])
plt.ylim(0, 12)
plt.xlabel("bandwidth of the noise (Hz)")
plt.ylabel("loudness (sone)")
plt.legend()
plt.savefig("loudness_summation.png")
