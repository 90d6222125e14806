"""Specific loudness of speech: how much each part of the cochlea adds to the loudness."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import plot, runtime

model = runtime.load("moore2016_loudness_32k")
outputs = model.process_file("speech.wav", level=65.0, diotic=True)
specific = outputs["specific"][0].sum(axis=1)  # frames, channels; both ears
time = 0.001 * np.arange(len(specific))

plt.pcolormesh(time[::5], plot.cams(model.centre_frequencies), specific[::5].T)
plt.colorbar(label="specific loudness (sone/Cam)")
ticks = [100, 500, 1000, 2000, 4000, 8000]
plt.yticks(plot.cams(ticks), ["100", "500", "1k", "2k", "4k", "8k"])
plt.xlabel("time (s)")
plt.ylabel("frequency (Hz)")
plt.savefig("specific_loudness.png")
