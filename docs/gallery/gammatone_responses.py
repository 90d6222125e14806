"""Frequency responses of gammatone filters: computed from the impulse response of the published file."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("gammatone_speech_16k")
impulse = np.zeros(16000)
impulse[0] = 1.0
response = np.fft.rfft(model.process(impulse)["subbands"][::3])
frequencies = np.fft.rfftfreq(16000, 1 / 16000)
plt.semilogx(frequencies[1:], 20 * np.log10(np.abs(response[:, 1:])).T, linewidth=1.2)
plt.xticks([100, 200, 500, 1000, 2000, 4000, 8000], ["100", "200", "500", "1k", "2k", "4k", "8k"])
plt.xlim(50, 8000)
plt.ylim(-60, 5)
plt.xlabel("frequency (Hz)")
plt.ylabel("gain (dB)")
plt.savefig("gammatone_responses.png")
