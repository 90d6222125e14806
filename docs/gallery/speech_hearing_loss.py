"""Speech at 65 dB SPL on the basilar membrane, with and without outer hair cells."""

import matplotlib.pyplot as plt
import numpy as np

from amt_export import plot, runtime

figure, axes = plt.subplots(1, 2, sharey=True)
for ax, name, title in (
    (axes[0], "casp_44k", "Normal hearing"),
    (axes[1], "casp_hix_44k", "No outer hair cells"),
):
    model = runtime.load(name)
    velocity = model.process_file("speech.wav", level=65.0)["velocity"][0]
    levels = runtime.frame_levels(velocity, hop=441, ref=1.0)  # dB re 1 m/s, every 10 ms
    time = 0.01 * np.arange(levels.shape[1])
    cams = plot.cams(model.centre_frequencies)
    image = ax.pcolormesh(time, cams, levels, vmin=-120, vmax=-40)
    ax.set(title=title, xlabel="time (s)", xlim=(0, 3))
ticks = [250, 500, 1000, 2000, 4000, 8000]
axes[0].set_yticks(plot.cams(ticks), ["250", "500", "1k", "2k", "4k", "8k"])
axes[0].set_ylabel("frequency (Hz)")
figure.colorbar(image, label="velocity (dB re 1 m/s)", extend="both")
figure.savefig("speech_hearing_loss.png")
