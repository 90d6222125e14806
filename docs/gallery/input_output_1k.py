"""Input-output function of the basilar membrane at 1 kHz, with and without outer hair cells."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import runtime

levels = np.arange(0, 101, 5)  # dB SPL of a tone of 1 kHz
tone = np.sqrt(2) * 2e-5 * np.sin(2 * np.pi * 1000 * np.arange(22050) / 44100)  # 0 dB SPL, in Pa
for name, label in (("casp_44k", "normal hearing"), ("casp_hix_44k", "no outer hair cells")):
    model = runtime.load(name)
    channel = np.argmin(np.abs(np.subtract(model.centre_frequencies, 1000)))
    sounds = 10 ** (levels[:, None] / 20) * tone
    velocity = model.process(sounds)["velocity"][:, channel, 11025:]  # m/s, settled
    plt.plot(levels, 10 * np.log10(np.mean(velocity**2, axis=-1)), label=label)
plt.xlabel("level of the tone (dB SPL)")
plt.ylabel("velocity at 1 kHz (dB re 1 m/s)")
plt.legend()
plt.savefig("input_output_1k.png")
