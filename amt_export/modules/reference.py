"""Allowed values of `reference`, a constructor keyword of several modules."""

# The formulas of the documentation, what torch_amt 0.2.0 computes where it departs from them, and what the
# Auditory Modeling Toolbox for MATLAB computes.
DOCUMENTED, TORCH_AMT, AMT = "documented", "torch_amt", "amt"


def checked_reference(reference: str, choices: tuple[str, ...]) -> str:
    """The same reference, if it is one of the choices.

    Raises
    ------
    ValueError
        Otherwise; the message lists the choices.
    """
    if reference not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"reference is {reference!r}; the choices are {listed}")
    return reference
