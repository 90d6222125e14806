"""Tuning of the basilar membrane at 1 kHz: the louder the sound, the broader, and with less gain."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("casp_44k")
channel = np.argmin(np.abs(np.subtract(model.centre_frequencies, 1000)))
frequencies = np.geomspace(250, 2000, 31)
time = np.arange(8820) / 44100
tones = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * frequencies[:, None] * time)  # 0 dB SPL, in Pa
for level in (30, 60, 90):
    velocity = model.process(10 ** (level / 20) * tones)["velocity"][:, channel, 4410:]
    gain = 10 * np.log10(np.mean(velocity**2, axis=-1)) - level
    plt.semilogx(frequencies, gain, label=f"{level} dB SPL")
plt.xticks([250, 500, 1000, 2000], ["250", "500", "1k", "2k"])
plt.minorticks_off()
plt.xlabel("frequency of the tone (Hz)")
plt.ylabel("velocity re level of the tone (dB)")
plt.legend()
plt.savefig("tuning_and_level.png")
