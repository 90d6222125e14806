"""Loudness as `amt-export run --plot` draws it: over time, and over the cochlea; with N5 and N10."""

from amt_export import plot, runtime

model = runtime.load("moore2016_loudness_32k")
outputs = model.process_file("speech.wav", level=65.0, diotic=True)
figure = plot.cochleagram(outputs, model.manifest, model.sampling_rate, "speech.wav, 65 dB SPL")
plot.save(figure, "plot_loudness.png")
