"""A reference interpreter of Core ML packages: what a saved ML Program computes, without a Mac.

It opens the package as it lies on disk and evaluates it in numpy, operation by operation, as the
documentation of the Model Intermediate Language says [1]_ and with the deviations of Apple's
runtime that are known. What it does not know it refuses by name.

It says nothing about speed, compute units, float16 execution or the rounding of Apple's kernels;
`scripts/check_on_mac.py` does.

References
----------
.. [1] https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from amt_export.coreml_interpreter.package import Package, open_package
from amt_export.coreml_interpreter.program import Interpreter
from amt_export.coreml_interpreter.signature import OPERATIONS

__all__ = ["OPERATIONS", "Interpreter", "Package", "open_package"]
