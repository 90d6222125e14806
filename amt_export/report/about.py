"""Texts of model cards: what each module computes, its limits, and the papers to cite."""

from __future__ import annotations

from dataclasses import dataclass

LICENSE = "MIT"
"""Of what this package puts into an artifact: its own code and coefficients."""

LOUDNESS_LICENSE = "MIT AND BSD-2-Clause"
"""Of loudness models: the impulse responses of the ear inside them come from another project."""


@dataclass(frozen=True)
class About:
    """What a model card says of a module.

    Parameters
    ----------
    computes : str
        A few sentences with the equations, as markdown.
    limits : tuple of str
        One sentence or two each.
    papers : tuple of str
        Keys of ``references.bib``, the one to cite first in front.
    license : str
        SPDX expression of what the module puts into an artifact.
    """

    computes: str
    limits: tuple[str, ...]
    papers: tuple[str, ...]
    license: str = LICENSE


NORMAL_LISTENER = "It describes an average listener with normal hearing. Single persons differ."
NO_EARS = "The outer and the middle ear are not part of it."
COMPONENT_LIMIT = (
    "Components more than 60 dB below the loudest one of a frame are left out. Where a component lies on "
    "that border, rounding decides."
)
STAPES = (
    "The input is the velocity of the stapes. A recording in pascals is thousands of times too large for "
    "it, and nothing is compressed then: `CASPFrontEnd` has the ears in front."
)
INTERNAL = "The output is in model units: differences between sounds have a meaning, single values have none."

ABOUT = {
    "GammatoneFilterbank": About(
        "A filterbank of all-pole gammatone filters on the ERB scale. Channel k is H(z) = ((1 - e^-phi) / "
        "(1 - p z^-1))^n with the pole p = e^(-phi - j theta), theta = 2 pi fc / fs, phi = 2 pi beta / fs "
        "and a bandwidth beta of one ERB; the output is twice the real part. The gain at the centre "
        "frequency is 1.",
        ("It is linear: its tuning does not depend on the level.", NO_EARS),
        ("lyon1997", "hohmann2002", "glasberg1990"),
    ),
    "DRNLFilterbank": About(
        "The dual-resonance nonlinear filterbank. In each channel a linear path (gain, gammatone, "
        "low-pass) and a nonlinear one (gammatone, compression sign(v) min(a |v|, b |v|^c), gammatone, "
        "low-pass) are added. The output is the velocity of the basilar membrane.",
        (
            STAPES,
            "Suppression and distortion products are those of the DRNL. There is no efferent control.",
        ),
        ("lopezpoveda2001", "jepsen2008", "paulick2024"),
    ),
    "FastDRNLFilterbank": About(
        "The DRNL with its filters as impulse responses of finite length, computed by fast convolution. "
        "The compression is that of `DRNLFilterbank`.",
        (STAPES, "The ends of the impulse responses are cut off, which low channels notice first."),
        ("lopezpoveda2001", "jepsen2008", "good1958"),
    ),
    "OuterEarFilter": About(
        "An FIR filter from the sound pressure in a diffuse field to that at the eardrum.",
        (
            "It is the mean of several ears, without direction. Its delay, half the filter, is kept.",
        ),
        ("pralong1996",),
    ),
    "MiddleEarFilter": About(
        "An FIR filter of minimum phase from the sound pressure at the eardrum to the velocity of the stapes.",
        ("It is the mean of human temporal bones, and linear: there is no acoustic reflex.",),
        ("goode1994", "lopezpoveda2001"),
    ),
    "CASPFrontEnd": About(
        "The way of a sound to the basilar membrane: outer ear and middle ear as FIR filters, then the "
        "dual-resonance nonlinear filterbank. The output is the velocity of the basilar membrane.",
        (
            "It ends at the basilar membrane. CASP continues with hair cells, adaptation and modulation.",
            "The sound field is diffuse. The delay of the outer ear (256 samples) is kept.",
            "Hearing loss means that the outer hair cells are missing altogether, at all frequencies.",
        ),
        ("paulick2024", "jepsen2008", "lopezpoveda2001", "pralong1996", "goode1994"),
    ),
    "MultiResolutionFFT": About(
        "A short-time power spectral density, |STFT|^2 / (fs sum w^2), with six Hann windows. Long windows "
        "serve low frequencies, short windows serve high ones.",
        (
            "The density is two-sided: a tone has half of its power at positive frequencies.",
            NO_EARS,
        ),
        ("glasberg2002",),
    ),
    "ERBIntegration": About(
        "The level of a spectrum in overlapping bands, one equivalent rectangular bandwidth wide: E = 10 "
        "log10(sum of psd df / (20 uPa)^2).",
        (
            "The frequency grid of the spectrum is part of the file: linspace(0, fs/2, K).",
            "Silence is -26 dB.",
        ),
        ("glasberg2002", "glasberg1990"),
    ),
    "ExcitationPattern": About(
        "The spread of excitation from each band to its neighbours. A source of level E loses max(10, 27 - "
        "0.37 (E - 60)) dB per Cam upwards and max(10, 11 - 0.20 (E - 60)) dB per Cam downwards; powers "
        "are added.",
        ("A source adds nothing where it is weaker by more than 50 dB.", NORMAL_LISTENER),
        ("glasberg2002",),
    ),
    "Glasberg2002FrontEnd": About(
        "The excitation pattern of a sound: a spectrum with six window lengths, levels per ERB, and their "
        "spread to neighbouring bands.",
        (NO_EARS, NORMAL_LISTENER, "It ends at the excitation: loudness is not computed."),
        ("glasberg2002", "glasberg1990"),
    ),
    "Moore2016Spectrum": About(
        "Level and frequency of the audible components of both ears, every millisecond. Six Hann windows "
        "of 64 to 2 ms share the middle of each frame; long ones serve low frequencies.",
        (COMPONENT_LIMIT, "The sampling rate is 32 kHz, nothing else."),
        ("moore2016",),
    ),
    "Moore2016ExcitationPattern": About(
        "The level in 150 auditory filters with the shape (1 + p g) e^(-p g), from components of any "
        "frequency and level. The slope towards higher frequencies falls with the level.",
        (NORMAL_LISTENER, "It takes components, not audio: `Moore2016Spectrum` computes them."),
        ("moore2016", "glasberg1990"),
    ),
    "Moore2016FrontEnd": About(
        "Excitation patterns of both ears every millisecond: the audible components of six short-time "
        "spectra, and their level in 150 auditory filters.",
        (
            COMPONENT_LIMIT,
            NO_EARS + " `Moore2016Loudness` has them, and computes loudness.",
            "The sampling rate is 32 kHz, nothing else.",
        ),
        ("moore2016", "glasberg1990"),
    ),
    "Moore2016Loudness": About(
        "The loudness of time-varying sounds at both ears, every millisecond, by the method of ISO 532-3: "
        "a filter for the ear, spectra with six window lengths, excitation patterns, specific loudness N' "
        "= 0.0631 ((G E + A)^alpha - A^alpha), smoothing, inhibition between the ears, smoothing. "
        "`loudness` is the largest long-term loudness of both ears together.",
        (
            "ISO 532-3 states an uncertainty of 2.8 phon.",
            NORMAL_LISTENER,
            "Frequencies above 15 kHz are not heard. The sampling rate is 32 kHz, nothing else.",
            "It is not ISO 532-1 (Zwicker), whose numbers differ. A level in dB(A) cannot be computed from it.",
        ),
        ("moore2016", "moore2018", "iso532-3"),
        LOUDNESS_LICENSE,
    ),
    "Paulick2024": About(
        "The internal representation of the revised CASP model: outer ear, middle ear, basilar membrane "
        "(DRNL), inner hair cell, five adaptation loops, decimation by 4, and a modulation filterbank in "
        "each channel.",
        (
            INTERNAL,
            "It ends before the decision stage, which compares representations.",
            "Hearing loss means that the outer hair cells are missing altogether, at all frequencies.",
        ),
        ("paulick2024", "jepsen2008", "lopezpoveda2001", "lopezpoveda2006", "dau1996", "dau1997"),
    ),
    "Dau1997": About(
        "The internal representation of Dau et al.: gammatone filterbank, half-wave rectification with a "
        "low-pass of 1 kHz, five adaptation loops, and a modulation filterbank in each channel.",
        (INTERNAL, "The filterbank is linear, and there are no ears in front of it."),
        ("dau1997", "dau1996"),
    ),
    "AdaptationLoops": About(
        "Five feedback loops in a row, each of which divides its input by a low-passed copy of its output. "
        "Slow changes come out nearly as their logarithm, onsets are emphasised.",
        (INTERNAL,),
        ("dau1996",),
    ),
    "CASPHairCell": About(
        "The receptor potential of an inner hair cell, above its resting value, from the velocity of the "
        "basilar membrane: the hair bundle opens a conductance, which charges the membrane.",
        ("It is one cell with the published constants, the same in every channel.",),
        ("lopezpoveda2006", "paulick2024"),
    ),
    "DauHairCell": About(
        "Half-wave rectification and a Butterworth low-pass.",
        (INTERNAL,),
        ("dau1996", "jepsen2008"),
    ),
    "Decimation": About(
        "Every fourth sample after a low-pass of 81 taps.", (), ("paulick2024", "majdak2022")
    ),
    "ModulationFilterbank": About(
        "Band-pass filters for the modulation of each channel, from 0 Hz to a quarter of the centre "
        "frequency; envelopes above 10 Hz.",
        (INTERNAL,),
        ("dau1997", "jepsen2008"),
    ),
}
"""By the module's name in `amt_export.modules`."""

LEVELS = (
    " The output is its level per frame: 10 log10 of the mean square over each frame, re 20 uPa for "
    "pressures and re 1 m/s for velocities."
)
"""What is added for models with ``[levels]``."""


def about(module: str) -> About:
    """Return what is known of a module; for one of the user's own, that nothing is said.

    Examples
    --------
    >>> about("Moore2016Loudness").papers
    ('moore2016', 'moore2018', 'iso532-3')
    """
    return ABOUT.get(module, About("", (), (), ""))
