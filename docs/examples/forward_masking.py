"""Forward masking: how loud must a short tone be to be heard after a noise? CASP with an optimal detector.

The detector knows what it listens for: a template, the change that a loud tone makes in the representation. It
hears a tone when the change along the template is as large as the smallest one that listeners notice, 1 dB of a
steady tone at 60 dB SPL. This one number stands for the internal noise.
"""

import numpy as np

FS, SAMPLES = 44100, 44100
GAPS = (5, 20, 80)  # ms between the end of the noise and the start of the tone


def placed(wave, level, start):
    """A wave of so many dB SPL, with ramps of 5 ms, in silence."""
    ramp = np.minimum(1.0, np.arange(len(wave)) / (0.005 * FS))
    audio = np.zeros(SAMPLES)
    audio[start : start + len(wave)] = (
        wave * ramp * ramp[::-1] * 2e-5 * 10 ** (level / 20) / np.std(wave)
    )
    return audio


def thresholds(represent, gaps=GAPS):
    """Masked thresholds in dB SPL; `represent` turns audio in Pa into an internal representation."""
    sine = np.sin(2 * np.pi * 1000 / FS * np.arange(FS))
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(FS // 10))
    hertz = np.fft.rfftfreq(FS // 10, 1 / FS)
    band = np.fft.irfft(np.where((hertz > 500) & (hertz < 2000), spectrum, 0.0))
    noise = placed(band, 70.0, FS // 20)
    # What one step of 1 dB changes along the direction of a large step.
    soft, one, ten = (represent(placed(sine[: FS // 10], db, FS // 20)) for db in (60, 61, 70))
    noticed = np.sum((one - soft) * (ten - soft)) / np.linalg.norm(ten - soft)
    alone = represent(noise)
    found = []
    for gap in gaps:
        start = FS // 20 + FS // 10 + gap * FS // 1000

        def change(level, start=start):
            return represent(noise + placed(sine[: FS // 100], level, start)) - alone

        template = change(90.0)
        low, high = 0.0, 90.0
        while high - low > 0.5:
            level = (low + high) / 2
            heard = np.sum(change(level) * template) / np.linalg.norm(template) > noticed
            low, high = (low, level) if heard else (level, high)
        found.append(high)
    return found


if __name__ == "__main__":
    from amt_export import runtime

    model = runtime.load("paulick2024_44k")
    heard = thresholds(lambda audio: model(audio[None].astype(np.float32))["representation"])
    for gap, threshold in zip(GAPS, heard, strict=True):
        print(f"{gap:3d} ms after noise of 70 dB SPL: {threshold:.0f} dB SPL")
