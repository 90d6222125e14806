"""Tolerances of models in which float32 rounds by more than the default tolerance.

The channels of a filterbank hear a distant tone faintly, and rounding leaves about 1e-7 of the tone itself in
them. How much that is depends on the filters, so it is measured: the same signals a little louder have the same
outputs with other roundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from amt_export.manifest import ParityRow
from amt_export.manifest.ports import Port
from amt_export.verify.parity.compare import Case, failing, measure

# 3e-5 dB: less than any rounding that is looked for, and enough to change the last bits of every sample.
LOUDER = 1.0 + 2.0**-18
# Multiple of the difference that `LOUDER` makes by which float32 may differ from float64. Of 150 random
# gammatone filterbanks, DRNLs and CASP front ends of one to eight channels the worst needed 1.44, half 0.6.
OF_LOUDER = 2.5
# Multiple of eager torch's difference from float64 by which a file may differ from eager torch: it adds up the
# same numbers in another order. In ONNX Runtime and Core ML the worst of 50 files of such banks needed 1.33.
OF_EAGER = 3.0
# A larger difference than the peak of a channel proves nothing.
MOST = 1.0


def slightly_louder(cases: Iterable[Case]) -> list[Case]:
    """Cases with inputs that are `LOUDER`, rounded to float32."""
    return [
        replace(
            case,
            inputs={
                name: (array.astype(np.float64) * LOUDER).astype(np.float32)
                for name, array in case.inputs.items()
            },
        )
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
        Returns the outputs of eager torch for `slightly_louder` inputs, case by case.
    """
    if not failing(relative(rows)):
        return tuple(rows)
    louder = iter(answers())
    found = measure(lambda _inputs: next(louder).outputs, cases, ports)
    return _raised(rows, OF_LOUDER * max(found[row.output].value for row in relative(rows)))


def allow_file_rounding(
    rows: Sequence[ParityRow], eager: Iterable[ParityRow]
) -> tuple[ParityRow, ...]:
    """Rows of a file against eager torch, with a larger tolerance where rounding explains the difference.

    Parameters
    ----------
    rows : sequence of ParityRow
        With the default tolerance. If all are within it they are returned as they are.
    eager : iterable of ParityRow
        Of eager torch against float64, in the form of the file.
    """
    if not failing(relative(rows)):
        return tuple(rows)
    return _raised(rows, OF_EAGER * max(row.worst or 0.0 for row in relative(eager)))


def _raised(rows: Sequence[ParityRow], allowed: float) -> tuple[ParityRow, ...]:
    allowed = min(MOST, allowed)
    return tuple(
        replace(row, tolerance=max(row.tolerance, allowed)) if row.kind == "relative" else row
        for row in rows
    )


def relative(rows: Iterable[ParityRow]) -> list[ParityRow]:
    """Rows of relative differences."""
    return [row for row in rows if row.kind == "relative"]
