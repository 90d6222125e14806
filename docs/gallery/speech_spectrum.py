"""Spectrum of speech with six window lengths: 64 ms at low frequencies, 2 ms at high ones."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("multires_fft_32k")
outputs = model.process_file("speech.wav", level=65.0)
levels = 10 * np.log10(np.maximum(outputs["psd"][0], 1e-15) / 2e-5**2)  # dB SPL in 1 Hz
time = model.manifest.hop / model.sampling_rate * np.arange(len(levels))

plt.pcolormesh(time, outputs["freqs"] / 1000, levels.T, vmin=-30, vmax=40)
plt.colorbar(label="level in 1 Hz (dB SPL)", extend="both")
plt.xlim(0, 3)
plt.ylim(0, 6)
plt.xlabel("time (s)")
plt.ylabel("frequency (kHz)")
plt.savefig("speech_spectrum.png")
