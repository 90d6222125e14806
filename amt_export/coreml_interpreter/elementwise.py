"""Operations from element to element, with numpy's broadcasting.

NaN: the documentation's ``x > y ? x : y`` for `maximum` would lose one in x, coremltools' own folding
of constants keeps it, as here. No test signal has any.
"""

from __future__ import annotations

import numpy as np

from amt_export.coreml_interpreter.signature import (
    ANY,
    FLOATS,
    NUMBERS,
    Array,
    Constants,
    Data,
    Mask,
    MismatchError,
    Other,
    Result,
    operation,
)

# Apple adds these to arguments that may be 0. The converter writes the first one into every 1/x.
INVERSE_EPSILON = 1e-4
RSQRT_EPSILON = 1e-12
LOG_EPSILON = 1e-45
CASTS = {"fp32": np.float32, "fp16": np.float16, "int32": np.int32, "bool": np.bool_}


@operation(NUMBERS)
def add(x: Data, y: Data) -> Result:
    """Sum of x and y."""
    return x + y


@operation(NUMBERS)
def sub(x: Data, y: Data) -> Result:
    """Difference of x and y."""
    return x - y


@operation(NUMBERS)
def mul(x: Data, y: Data) -> Result:
    """Product of x and y."""
    return x * y


@operation(FLOATS)
def real_div(x: Data, y: Data) -> Result:
    """Quotient of x and y. Apple does not document how integers are rounded, so they are refused."""
    return x / y


@operation(NUMBERS)
def maximum(x: Data, y: Data) -> Result:
    """Larger of x and y."""
    return np.maximum(x, y)


@operation(NUMBERS)
def minimum(x: Data, y: Data) -> Result:
    """Smaller of x and y."""
    return np.minimum(x, y)


@operation(FLOATS)
def pow_(x: Data, y: Data, constants: Constants) -> Result:
    """X to the power of y, but y squared where x is a constant 2.

    Apple's runtime squares as soon as either operand is the constant 2 [1]_.

    References
    ----------
    .. [1] github.com/apple/coremltools, #2628 and #2742.
    """
    if "x" in constants and np.all(x == 2.0):
        return np.broadcast_to(y * y, np.broadcast_shapes(x.shape, y.shape))
    return np.power(x, y)


@operation(NUMBERS)
def greater(x: Data, y: Data) -> Result:
    """Whether x is greater than y."""
    return x > y


@operation(NUMBERS)
def greater_equal(x: Data, y: Data) -> Result:
    """Whether x is greater than or equal to y."""
    return x >= y


@operation(NUMBERS)
def less(x: Data, y: Data) -> Result:
    """Whether x is less than y."""
    return x < y


@operation(NUMBERS)
def less_equal(x: Data, y: Data) -> Result:
    """Whether x is less than or equal to y."""
    return x <= y


@operation(NUMBERS)
def equal(x: Data, y: Data) -> Result:
    """Whether x is equal to y."""
    return x == y


@operation(NUMBERS)
def not_equal(x: Data, y: Data) -> Result:
    """Whether x is different from y."""
    return x != y


@operation(ANY)
def logical_and(x: Mask, y: Mask) -> Result:
    """Whether both x and y hold."""
    return x & y


@operation(ANY)
def logical_or(x: Mask, y: Mask) -> Result:
    """Whether x or y or both hold."""
    return x | y


@operation(ANY)
def logical_not(x: Mask) -> Result:
    """Whether x does not hold."""
    return ~x


@operation(ANY)
def select(cond: Mask, a: Data, b: Data) -> Result:
    """The element of `a` where `cond` holds, else of `b`."""
    return np.where(cond, a, b)


@operation(NUMBERS)
def abs_(x: Data) -> Result:
    """Absolute value of x."""
    return np.abs(x)


@operation(NUMBERS)
def square(x: Data) -> Result:
    """Square of x."""
    return x * x


@operation(FLOATS)
def sqrt(x: Data) -> Result:
    """Square root of x."""
    return np.sqrt(x)


@operation(FLOATS)
def tanh(x: Data) -> Result:
    """Hyperbolic tangent."""
    return np.tanh(x)


@operation(FLOATS)
def exp(x: Data) -> Result:
    """Exponential function of x."""
    return np.exp(x)


@operation(FLOATS)
def log(x: Data, epsilon: Data | None = None) -> Result:
    """Natural logarithm of x + epsilon."""
    return np.log(x + _epsilon(epsilon, LOG_EPSILON, x))


@operation(FLOATS)
def inverse(x: Data, epsilon: Data | None = None) -> Result:
    """Reciprocal of x + epsilon."""
    return x.dtype.type(1.0) / (x + _epsilon(epsilon, INVERSE_EPSILON, x))


@operation(FLOATS)
def rsqrt(x: Data, epsilon: Data | None = None) -> Result:
    """Reciprocal of the square root of x + epsilon."""
    return x.dtype.type(1.0) / np.sqrt(x + _epsilon(epsilon, RSQRT_EPSILON, x))


@operation(FLOATS)
def clip(x: Data, alpha: Data, beta: Data) -> Result:
    """Values of `x`, limited to [alpha, beta]."""
    return np.clip(x, alpha, beta)  # takes a third of the time of a minimum and a maximum


@operation(ANY)
def cast(x: Data, dtype: str) -> Result:
    """`x` in another type. Floating-point numbers are rounded towards 0 where that is an integer type."""
    if dtype not in CASTS:
        raise MismatchError(f"casts to {dtype}, which is not known here")
    return x.astype(CASTS[dtype])


@operation(ANY)
def identity(x: Data) -> Result:
    """`x` unchanged."""
    return x


@operation(ANY)
def fill_like(ref_tensor: Other, value: Data | None = None) -> Result:
    """A constant in the shape of a tensor; 0.0 unless it is given."""
    fill = np.float32(0.0) if value is None else value
    return np.full(ref_tensor.shape, fill, fill.dtype)


def _epsilon(given: Array | None, default: float, x: Array) -> Array | np.generic:
    """`epsilon`, which is added to an argument that may be 0, in the type of `x`."""
    return x.dtype.type(default) if given is None else given
