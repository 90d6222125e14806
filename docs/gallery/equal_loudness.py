"""Equal-loudness contours: tones on a line are as loud as a tone of 1 kHz with that many dB SPL."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("moore2016_loudness_32k")
frequencies = np.geomspace(63, 12600, 17)
levels = np.arange(0, 121, 20)
phon = np.zeros((len(frequencies), len(levels)))
for row, frequency in zip(phon, frequencies, strict=True):
    tone = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * frequency * np.arange(9600) / 32000)
    for place, level in enumerate(levels):
        sound = 10 ** (level / 20) * np.stack([tone, tone])  # the same at both ears
        row[place] = runtime.phon(model.process(sound)["short_term"][250].sum())  # settled
for wanted in (20, 40, 60, 80, 100):
    contour = [np.interp(wanted, row, levels, right=np.nan) for row in phon]
    plt.semilogx(frequencies, contour, color="C0")
    plt.text(1000, wanted + 3.5, f"{wanted} phon", ha="center", fontsize=10)
plt.xticks(
    [50, 100, 200, 500, 1000, 2000, 5000, 10000],
    ["50", "100", "200", "500", "1k", "2k", "5k", "10k"],
)
plt.xlabel("frequency of the tone (Hz)")
plt.ylabel("level (dB SPL)")
plt.savefig("equal_loudness.png")
