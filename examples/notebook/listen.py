# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a recording to a classifier
#
# A recording becomes a cochleagram and loudness over time. Both become ten features, and a classifier in a
# few lines of numpy tells speech from noise and from music.
#
# It needs `pip install "amt_export[onnx,audio,plot]"` and the published models `cochleagram_speech_16k` and
# `moore2016_loudness_32k` (`make artifacts`, or `amt-export build NAME --format onnx`).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import soxr

from amt_export import plot, runtime

MODELS = Path("../../artifacts")  # not needed with the package amt_export_models
RECORDING = Path("../../tests/data/speech_22k.wav")  # or one of yours

cochleagram_model = runtime.load(MODELS / "cochleagram_speech_16k")
loudness_model = runtime.load(MODELS / "moore2016_loudness_32k")
print(cochleagram_model)
print(loudness_model)

# %% [markdown]
# ## Calibration
#
# Samples in a file are relative to full scale. An ear hears sound pressure, so we have to say how loud the
# recording was. Somebody who talks at a distance of one metre has about 65 dB SPL (RMS over the recording).


# %%
def pascals(samples, level):
    """Bring samples to a level in dB SPL: sound pressure in Pa."""
    rms = np.std(samples)  # a level leaves a DC offset out
    return 2e-5 * 10 ** (level / 20) * samples / rms


speech, rate = soundfile.read(RECORDING)
sound = pascals(speech, 65.0)
print(f"{len(sound) / rate:.1f} s at {rate} Hz, peak {np.abs(sound).max():.2f} Pa")

# %% [markdown]
# ## Cochleagram
#
# Each model has one sampling rate. `soxr` converts; `Model.process_file` and `amt-export run` do both steps
# for you.


# %%
def cochleagram(sound, rate):
    """Level in dB SPL: one row for each of 30 channels, one column for every 10 ms."""
    audio = soxr.resample(sound, rate, cochleagram_model.sampling_rate)
    return cochleagram_model.process(audio)["levels"]


levels = cochleagram(sound, rate)
figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
time = 0.01 * np.arange(levels.shape[1])
image = ax.pcolormesh(
    time, plot.cams(cochleagram_model.centre_frequencies), levels, vmin=0, vmax=65, cmap="magma"
)
figure.colorbar(image, label="level (dB SPL)")
ticks = [100, 500, 1000, 2000, 4000, 8000]
ax.set_yticks(plot.cams(ticks), [str(tick) for tick in ticks])
ax.set(xlabel="time (s)", ylabel="frequency (Hz)", title="Cochleagram")
plt.show()

# %% [markdown]
# ## Loudness
#
# The model of ISO 532-3 has two ears. We play the same sound to both of them, as if it came from the front.


# %%
def loudness(sound, rate):
    """Short-term loudness in sone of both ears together, every millisecond."""
    audio = soxr.resample(sound, rate, loudness_model.sampling_rate)
    return loudness_model.process(np.stack([audio, audio]))["short_term"].sum(axis=-1)


sone = loudness(sound, rate)
n5 = np.percentile(sone, 95)  # exceeded in 5 % of the time
print(f"N5 = {n5:.1f} sone ({runtime.phon(n5):.0f} phon)")

figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.plot(0.001 * np.arange(len(sone)), sone, linewidth=1)
ax.axhline(n5, color="C1", label=f"N5 = {n5:.1f} sone")
ax.set(xlabel="time (s)", ylabel="loudness (sone)", title="Short-term loudness")
ax.legend()
plt.show()

# %% [markdown]
# ## Sounds to tell apart
#
# Speech in pieces of half a second, noise with a random spectral slope, and melodies of harmonic tones. All
# have random levels, so that the level itself says nothing.

# %%
random = np.random.default_rng(0)
PIECE = rate // 2


def noise():
    """Noise whose spectrum falls with 0 to 6 dB per octave."""
    spectrum = np.fft.rfft(random.standard_normal(PIECE))
    slope = random.uniform(0.0, 1.0)
    return np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** slope, PIECE)


def melody():
    """Four notes with ten harmonics each, which fade."""
    time = np.arange(PIECE // 4) / rate
    notes = []
    for _ in range(4):
        frequency = 220 * 2 ** (random.integers(0, 13) / 12)
        harmonics = [np.sin(2 * np.pi * frequency * k * time) / k for k in range(1, 11)]
        notes.append(np.sum(harmonics, axis=0) * np.exp(-time / 0.08))
    return np.concatenate(notes)


pieces = [speech[k : k + PIECE] for k in range(0, len(speech) - PIECE, PIECE)]
voices = [piece for piece in pieces if piece.std() > 0.3 * speech.std()]  # without the pauses
CLASSES = {
    "speech": voices,
    "noise": [noise() for _ in voices],
    "music": [melody() for _ in voices],
}
print({name: len(sounds) for name, sounds in CLASSES.items()})

# %% [markdown]
# ## Features
#
# - The mean spectrum in four bands, relative to the mean level: its shape.
# - How much the level of a channel changes in time, in the same four bands: its modulation.
# - Two numbers of the loudness: how much its peaks exceed its median, and the median itself.


# %%
def features(samples):
    """Ten numbers of a piece that is played at 55 to 75 dB SPL."""
    sound = pascals(samples, random.uniform(55.0, 75.0))
    levels = np.maximum(cochleagram(sound, rate), 0.0)
    sone = loudness(sound, rate)
    shape = [band.mean() - levels.mean() for band in np.array_split(levels, 4)]
    modulation = [band.std(axis=1).mean() for band in np.array_split(levels, 4)]
    peaks, middle = np.percentile(sone, 95), np.percentile(sone, 50)
    return [*shape, *modulation, np.log(peaks / middle), np.log(middle)]


names = list(CLASSES)
data = np.array([features(piece) for sounds in CLASSES.values() for piece in sounds])
labels = np.repeat(np.arange(len(names)), len(voices))
print(data.shape)

# %% [markdown]
# ## Classifier
#
# Linear discriminant analysis: the nearest class mean, distances measured by the covariance within the
# classes. Every second piece trains it, the others test it.
#
# Three classes that differ so much make an easy task. Put recordings of your own into `CLASSES`.

# %%
train = np.arange(len(data)) % 2 == 0
means = np.array([data[train & (labels == k)].mean(axis=0) for k in range(len(names))])
within = data[train] - means[labels[train]]
covariance = within.T @ within / len(within) + 0.01 * np.diag(data[train].var(axis=0))


def classify(rows):
    """Class of each row of features."""
    offsets = rows[:, None] - means
    distances = np.einsum("nki,ij,nkj->nk", offsets, np.linalg.inv(covariance), offsets)
    return distances.argmin(axis=1)


found = classify(data[~train])
accuracy = np.mean(found == labels[~train])
print(f"{accuracy:.0%} of {np.sum(~train)} pieces are right")
for k, name in enumerate(names):
    counts = np.bincount(found[labels[~train] == k], minlength=len(names))
    print(
        f"{name:>8}: "
        + ", ".join(f"{n} as {other}" for n, other in zip(counts, names, strict=True))
    )

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for k, name in enumerate(names):
    rows = data[labels == k]
    ax.scatter(rows[:, 4:8].mean(axis=1), rows[:, 8], label=name)
ax.set(
    xlabel="modulation of the cochleagram (dB)", ylabel="ln(N5 / N50)", title="Two of the features"
)
ax.legend()
plt.show()
