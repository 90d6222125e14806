"""A click through gammatone filters: low channels answer later and ring longer."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

model = runtime.load("gammatone_speech_16k")
click = np.zeros(480)  # 30 ms
click[0] = 1.0
time = 1000 * np.arange(480) / model.sampling_rate
for place, wave in enumerate(model.process(click)["subbands"]):
    plt.plot(time, place + 0.9 * wave / np.abs(wave).max(), color="C0", linewidth=0.9)
plt.yticks(range(0, 30, 5), [f"{fc:.0f}" for fc in model.centre_frequencies[::5]])
plt.xlabel("time (ms)")
plt.ylabel("centre frequency (Hz)")
plt.savefig("gammatone_click.png")
