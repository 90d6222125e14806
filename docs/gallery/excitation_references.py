"""Excitation pattern of a 1 kHz tone of 90 dB SPL: the choices of `reference` of Moore2016ExcitationPattern."""

import matplotlib.pyplot as plt
import torch

from amt_export.modules import Moore2016ExcitationPattern

freqs, levels = torch.tensor([[[1000.0]]]), torch.tensor([[[90.0]]])
for reference, line in (("documented", "-"), ("amt", "--"), ("torch_amt", ":")):
    pattern = Moore2016ExcitationPattern(reference=reference)
    excitation = pattern(freqs, levels)[0, 0]
    plt.semilogx(pattern.centre_frequencies(), excitation, line, label=reference)
plt.xticks([100, 200, 500, 1000, 2000, 5000, 10000], ["100", "200", "500", "1k", "2k", "5k", "10k"])
plt.ylim(-40, 100)
plt.xlabel("centre frequency of the auditory filter (Hz)")
plt.ylabel("excitation (dB SPL)")
plt.legend()
plt.savefig("excitation_references.png")
