"""Compression of the DRNL at 4 kHz: it acts on tones at the channel's frequency, not on those far below."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("casp_44k")
channel = np.argmin(np.abs(np.subtract(model.centre_frequencies, 4000)))
levels = np.arange(0, 101, 5)
time = np.arange(11025) / 44100
for frequency, label in ((4000, "tone of 4 kHz"), (2000, "tone of 2 kHz")):
    tone = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * frequency * time)  # 0 dB SPL, in Pa
    sounds = 10 ** (levels[:, None] / 20) * tone
    velocity = model.process(sounds)["velocity"][:, channel, 5512:]  # m/s, settled
    plt.plot(levels, 10 * np.log10(np.mean(velocity**2, axis=-1)), label=label)
plt.xlabel("level of the tone (dB SPL)")
plt.ylabel("velocity at 4 kHz (dB re 1 m/s)")
plt.legend()
plt.savefig("drnl_compression.png")
