"""What `reference` changes in each module: the measurements behind the tables of docs/references.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType

import torch
from torch import Tensor

from amt_export import modules

P0 = 2e-5  # Pa; 0 dB SPL
DOUBLE = torch.float64

# Centre frequencies of the DRNL tables: the range of the CASP models, an octave apart.
FC = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
# Channels around a tone of 1 kHz: an octave and half an octave on both sides; and up to two Cams, where
# slopes are steep.
AROUND = (500.0, 707.0, 1000.0, 1414.0, 2000.0)
NEAR = (707.0, 850.0, 1000.0, 1120.0, 1250.0)
Table = list[list[str]]
# A module, what torch_amt's was compared with, and the largest difference in dB.
Differences = list[tuple[str, str, float]]


def tone(frequency: float, level: float, fs: int, seconds: float) -> Tensor:
    """A sine of `level` dB SPL in Pa, shape (T,)."""
    time = torch.arange(round(seconds * fs), dtype=DOUBLE) / fs
    return 2**0.5 * P0 * 10 ** (level / 20) * torch.sin(2 * torch.pi * frequency * time)


def noise(level: float, samples: int) -> Tensor:
    """White Gaussian noise of `level` dB SPL in Pa, always the same, shape (T,)."""
    generator = torch.Generator().manual_seed(0)
    return P0 * 10 ** (level / 20) * torch.randn(samples, generator=generator, dtype=DOUBLE)


def settled_db(signal: Tensor, fs: int) -> Tensor:
    """Level in dB re 1 of the last axis, its first 100 ms left out."""
    return 10 * torch.log10(signal[..., fs // 10 :].square().mean(-1))


def signed(value: Tensor | float) -> str:
    """Decibels to a tenth, with a sign."""
    return f"{float(value):+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0")


def plain(value: Tensor | float) -> str:
    """Decibels to a tenth."""
    return f"{float(value):.1f}".replace("-0.0", "0.0")


def hertz(values: Iterable[float]) -> list[str]:
    """Frequencies as heads of columns."""
    return [f"{value:g} Hz" for value in values]


def nearest(channels: Tensor, wanted: Iterable[float]) -> list[int]:
    """Index of the channel nearest to each frequency."""
    return [int((channels - f).abs().argmin()) for f in wanted]


def channel_names(channels: Tensor, found: Iterable[int]) -> list[str]:
    """Centre frequencies as heads of columns."""
    return hertz(float(channels[k].round(decimals=1)) for k in found)


def largest(left: Tensor, right: Tensor) -> float:
    """Largest difference in dB."""
    return float((left.double() - right.double()).abs().max())


@torch.no_grad()
def drnl(peer: ModuleType | None, differences: Differences) -> Table:
    """Level at CF of the toolbox's form over the documented one, tones at CF through the ears."""
    fs, fc = 44100, torch.tensor(FC, dtype=DOUBLE)
    ears = torch.nn.Sequential(
        modules.OuterEarFilter(fs, dtype=DOUBLE), modules.MiddleEarFilter(fs, dtype=DOUBLE)
    )
    documented, amt = (
        modules.DRNLFilterbank(fc, fs, dtype=DOUBLE, reference=reference)
        for reference in ("documented", "amt")
    )
    rows, apart = [["tone at CF", *hertz(FC)]], 0.0
    for level in (20, 60, 90):
        stapes = torch.stack([ears(tone(f, level, fs, 0.3)) for f in FC])
        base = settled_db(documented(stapes), fs).diagonal()
        over = settled_db(amt(stapes), fs).diagonal() - base
        rows.append([f"{level} dB SPL", *map(signed, over)])
        if peer is not None:
            theirs = peer.FastDRNLFilterbank(fc.float(), fs, ir_length=4096)
            apart = max(apart, largest(settled_db(theirs(stapes.float()), fs).diagonal(), base))
    differences.append(("FastDRNLFilterbank", "documented", apart))
    return rows


@torch.no_grad()
def moore_excitation(peer: ModuleType | None, differences: Differences) -> Table:
    """Excitation of a component at 1 kHz, and of several in one ERB, dB SPL."""
    forms = {
        reference: modules.Moore2016ExcitationPattern(dtype=DOUBLE, reference=reference)
        for reference in ("documented", "torch_amt", "amt")
    }
    channels = forms["documented"]._fc_channels
    shown = nearest(channels, AROUND)
    several = 1000.0 + 15.625 * torch.arange(-3, 4, dtype=DOUBLE)
    sounds = {
        "30 dB": (torch.tensor([[1000.0]], dtype=DOUBLE), 30.0),
        "60 dB": (torch.tensor([[1000.0]], dtype=DOUBLE), 60.0),
        "90 dB": (torch.tensor([[1000.0]], dtype=DOUBLE), 90.0),
        "7 components, 953 to 1047 Hz, 81.5 dB each": (several[None], 81.5),
    }
    rows, apart = [["sound at 1 kHz", "form", *channel_names(channels, shown)]], 0.0
    for what, (freqs, level) in sounds.items():
        levels = torch.full_like(freqs, level)
        for name, form in forms.items():
            found = form(freqs, levels)[0, shown]
            rows.append([what, f"`{name}`", *map(plain, found)])
            if peer is not None and name == "torch_amt":
                theirs = peer.Moore2016ExcitationPattern()(freqs.float(), levels.float())
                apart = max(apart, largest(theirs[0, shown], found))
    differences.append(("Moore2016ExcitationPattern", "torch_amt", apart))
    return rows


@torch.no_grad()
def excitation(peer: ModuleType | None, differences: Differences) -> Table:
    """Spread excitation of a single band of 60 dB, and of 40 dB in all bands."""
    forms = {
        reference: modules.ExcitationPattern(reference=reference).double()
        for reference in ("documented", "torch_amt")
    }
    centres = forms["documented"].fc_erb
    shown = nearest(centres, NEAR)
    # The floor of ERBIntegration is what a band without sound has.
    one_band = torch.full((1, 1, 150), -120.0 + 94.0, dtype=DOUBLE)
    one_band[..., shown[2]] = 60.0
    rows, apart = [["input", "form", *channel_names(centres, shown)]], 0.0
    for what, levels in (
        ("60 dB in one band", one_band),
        ("40 dB in all bands", torch.full((1, 1, 150), 40.0, dtype=DOUBLE)),
    ):
        for name, form in forms.items():
            found = form(levels)[0, 0, shown]
            rows.append([what, f"`{name}`", *map(plain, found)])
            if peer is not None and name == "torch_amt":
                theirs = peer.ExcitationPattern()(levels.float())
                apart = max(apart, largest(theirs[0, 0, shown], found))
    differences.append(("ExcitationPattern", "torch_amt", apart))
    return rows


@torch.no_grad()
def glasberg(peer: ModuleType | None, differences: Differences) -> Table:
    """The chain of Glasberg and Moore (2002) from a steady sound, mean power of the frames in its middle."""
    forms = {
        reference: modules.Glasberg2002FrontEnd(reference=reference).double()
        for reference in ("documented", "torch_amt")
    }
    centres = forms["documented"].excitation_pattern.fc_erb
    shown = nearest(centres, NEAR)

    def level(pattern: Tensor) -> Tensor:
        return 10 * torch.log10((10 ** (pattern[0, 8:-8] / 10)).mean(0))[shown]

    rows, apart = [["sound", "form", *channel_names(centres, shown)]], 0.0
    for what, audio in (
        ("1 kHz tone, 60 dB SPL", tone(1000.0, 60.0, 32000, 1.0)[None]),
        ("white noise, 60 dB SPL", noise(60.0, 32000)[None]),
    ):
        for name, form in forms.items():
            found = level(form(audio))
            rows.append([what, f"`{name}`", *map(plain, found)])
            if peer is not None and name == "torch_amt":
                multi, erb, pattern = (
                    kind(fs=32000)
                    for kind in (
                        peer.MultiResolutionFFT,
                        peer.ERBIntegration,
                        peer.ExcitationPattern,
                    )
                )
                theirs = pattern(erb(*multi(audio.float())))
                apart = max(apart, largest(level(theirs.double()), found))
    differences.append(("the chain of Glasberg and Moore", "torch_amt", apart))
    return rows


@torch.no_grad()
def moore_spectrum(peer: ModuleType | None, differences: Differences) -> Table:
    """Level of a tone as the sum of its components, and how many components there are."""
    forms = {
        reference: modules.Moore2016Spectrum(dtype=DOUBLE, reference=reference)
        for reference in ("documented", "amt")
    }

    def total(spectrum: tuple[Tensor, ...]) -> tuple[Tensor, int]:
        freqs, levels = spectrum[0][0, 60].double(), spectrum[1][0, 60].double()
        heard = freqs > 0
        return 10 * torch.log10((10 ** (levels[heard] / 10)).sum()), int(heard.sum())

    rows, apart = (
        [["tone of 60 dB SPL in the left ear", "form", "sum of components", "components"]],
        0.0,
    )
    for what, frequency, louder in (
        ("100 Hz", 100.0, -100.0),
        ("1 kHz", 1000.0, -100.0),
        ("8 kHz", 8000.0, -100.0),
        ("1 kHz, and 61 dB louder in the right ear", 1000.0, 61.0),
    ):
        # Samples relative to full scale: an amplitude of 1 is db_max.
        near = tone(frequency, 60.0, 32000, 0.2) * 10 ** (-93.98 / 20) / (2**0.5 * P0)
        ears = torch.stack([near, near * 10 ** (louder / 20)])[None]
        for name, form in forms.items():
            level, count = total(form(ears))
            rows.append(
                [what, f"`{name}`", f"{plain(level)} dB" if count else "nothing", str(count)]
            )
            if peer is not None and name == "documented":
                theirs, _ = total(peer.Moore2016Spectrum(fs=32000)(ears.float()))
                apart = max(apart, largest(theirs, level))
    differences.append(("Moore2016Spectrum", "documented", apart))
    return rows


@torch.no_grad()
def gammatone(peer: ModuleType | None, _: Differences) -> Table | None:
    """Tones at CF and noise through torch_amt's gammatone and ours."""
    if peer is None:
        return None
    fs, fc = 16000, torch.tensor([100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0], dtype=DOUBLE)
    ours = modules.GammatoneFilterbank(fc, fs, dtype=DOUBLE)
    theirs = peer.GammatoneFilterbank(fc.float(), fs)
    tones = torch.stack([tone(float(f), 60.0, fs, 0.5) for f in fc])
    level = [
        settled_db(form(x), fs).diagonal() for form, x in ((theirs, tones.float()), (ours, tones))
    ]
    hiss = noise(60.0, fs)[None]
    a, b = theirs(hiss.float())[0].double(), ours(hiss)[0]
    sample = (a - b).abs().amax(-1) / b.abs().amax(-1)
    return [
        ["torch_amt against this package", *hertz(fc.tolist())],
        [
            "level of a tone at CF, dB",
            *(f"{round(float(x), 4) + 0.0:.4f}" for x in level[0] - level[1]),
        ],
        [
            "samples of noise, of the channel's peak",
            *(f"{float(x):.0e}".replace("e-0", "e-") for x in sample),
        ],
    ]


@torch.no_grad()
def loudness(peer: ModuleType | None, _: Differences) -> Table | None:
    """Tones in a free field at both ears: sone of this model and of torch_amt's class of a similar name."""
    if peer is None:
        return None
    theirs = peer.Moore2016(fs=32000)
    forms = {
        "`Moore2016Loudness`": modules.Moore2016Loudness(dtype=DOUBLE),
        "the same with the toolbox's `db_max = 93.98`": modules.Moore2016Loudness(
            dtype=DOUBLE, db_max=93.98
        ),
    }
    sounds = {
        "1 kHz, 40 dB": (1000.0, 40.0),
        "1 kHz, 60 dB": (1000.0, 60.0),
        "1 kHz, 80 dB": (1000.0, 80.0),
        "3 kHz, 60 dB": (3000.0, 60.0),
        "100 Hz, 50 dB": (100.0, 50.0),
    }
    rows = [["model", *sounds]]
    rows.append(["ISO 532-3, as printed", "1.00", "4.1", "15.4", "7.2", ""])
    audio = {key: tone(f, level, 32000, 1.3).expand(1, 2, -1) for key, (f, level) in sounds.items()}
    for name, form in forms.items():
        rows.append([name, *(f"{float(form(x)[2]):#.3g}" for x in audio.values())])
    found = [theirs(x.float()) for x in audio.values()]
    first = [float((y[0] if isinstance(y, tuple) else y).max()) for y in found]
    rows.append(
        [
            "torch_amt's `Moore2016`, its defaults",
            *(f"{x:#.3g}".replace("e-0", "e-") for x in first),
        ]
    )
    return rows


TABLES: dict[str, Callable[[ModuleType | None, Differences], Table | None]] = {
    "drnl": drnl,
    "moore2016_excitation": moore_excitation,
    "moore2016_spectrum": moore_spectrum,
    "excitation": excitation,
    "glasberg": glasberg,
    "gammatone": gammatone,
    "loudness": loudness,
}
