"""Tolerances of models in which float32 rounds more than the default tolerance.

The channels of a filterbank hear a distant tone faintly, and rounding leaves about 1e-7 of the tone itself in
them. How much that is depends on the filters, so it is measured: on the same signals with other last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from amt_export.manifest import ParityRow
from amt_export.manifest.ports import Port
from amt_export.verify.parity.compare import Case, failing, measure

# Multiple of what the last bit of the input changes that float32 may differ from float64. Of 350 random
# gammatone filterbanks, DRNLs and CASP front ends the worst needed 2.1, half of them 0.3 and less.
OF_LAST_BIT = 3.0
# Multiple of eager torch's difference from float64 that a file may differ from eager torch: it adds up the same
# float32 numbers in another order. FILES
OF_EAGER = 4.0
# A larger difference than the peak of a channel proves nothing.
MOST = 1.0
SEED = 20600  # any number, as long as it stays


def last_bits_changed(cases: Iterable[Case]) -> list[Case]:
    """Cases with float32 inputs one bit larger or smaller, or as they were; zeros stay zeros."""
    random = np.random.default_rng(SEED)
    ulp = np.finfo(np.float32).eps

    def changed(array: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        return (array * (1.0 + ulp * random.integers(-1, 2, array.shape))).astype(np.float32)

    return [
        replace(case, inputs={name: changed(array) for name, array in case.inputs.items()})
        for case in cases
    ]


def allow_rounding(
    rows: Sequence[ParityRow],
    cases: Sequence[Case],
    ports: Sequence[Port],
    answers: Callable[[], list[Case]],
) -> tuple[ParityRow, ...]:
    """Rows of eager torch against float64, with a larger tolerance where float32 can do no better.

    Parameters
    ----------
    rows : sequence of ParityRow
        With the default tolerance. If all are within it they are returned as they are, and nothing is run.
    cases : sequence of Case
        The signals, and the outputs of eager torch.
    ports : sequence of Port
        The outputs.
    answers : callable
        Returns the outputs of eager torch for `last_bits_changed`, case by case.
    """
    if not failing(relative(rows)):
        return tuple(rows)
    changed = iter(answers())
    found = measure(lambda _inputs: next(changed).outputs, cases, ports)
    names = {row.output for row in relative(rows)}
    allowed = min(MOST, OF_LAST_BIT * max(found[name].value for name in names))
    return tuple(
        replace(row, tolerance=max(row.tolerance, allowed)) if row.kind == "relative" else row
        for row in rows
    )


def file_rounding(eager: Iterable[ParityRow]) -> float:
    """Relative difference between a file and eager torch that rounding explains.

    Parameters
    ----------
    eager : iterable of ParityRow
        Of eager torch against float64, in the form of the file.
    """
    worst = [row.worst or 0.0 for row in relative(eager)]
    return min(MOST, OF_EAGER * max(worst, default=0.0))


def relative(rows: Iterable[ParityRow]) -> list[ParityRow]:
    """Rows of relative differences."""
    return [row for row in rows if row.kind == "relative"]
