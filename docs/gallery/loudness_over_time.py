"""Short-term and long-term loudness of speech at 65 dB SPL, every millisecond."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("moore2016_loudness_32k")
outputs = model.process_file("speech.wav", level=65.0, diotic=True)
short_term, long_term = (outputs[name][0].sum(axis=-1) for name in ("short_term", "long_term"))
time = 0.001 * np.arange(len(short_term))

plt.plot(time, short_term, linewidth=1, label="short-term")
plt.plot(time, long_term, label="long-term")
peak = np.argmax(long_term)
text = f"{long_term[peak]:.1f} sone, {runtime.phon(long_term[peak]):.0f} phon"
arrow = {"arrowstyle": "-", "color": "C1"}
plt.annotate(text, (time[peak], long_term[peak]), (time[peak], 27), ha="center", arrowprops=arrow)
plt.ylim(0, 30)
plt.xlabel("time (s)")
plt.ylabel("loudness (sone)")
plt.legend(loc="upper left")
plt.savefig("loudness_over_time.png")
