"""Cochleagram of speech: the level in 30 gammatone channels, every 10 ms."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import plot, runtime

model = runtime.load("cochleagram_speech_16k")
levels = model.process_file("speech.wav", level=65.0)["levels"][0]  # channels, frames
time = 0.01 * np.arange(levels.shape[1])

plt.pcolormesh(time, plot.cams(model.centre_frequencies), levels, vmin=0, vmax=65)
plt.colorbar(label="level (dB SPL)", extend="both")
ticks = [100, 500, 1000, 2000, 4000, 8000]
plt.yticks(plot.cams(ticks), ["100", "500", "1k", "2k", "4k", "8k"])
plt.xlabel("time (s)")
plt.ylabel("frequency (Hz)")
plt.savefig("speech_cochleagram.png")
