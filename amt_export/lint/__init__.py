"""Known traps in any graph: what converters and runtimes get wrong without saying so.

It reads ONNX files and Core ML packages without running them; it needs onnx or coremltools, not torch.
"""

from amt_export.lint.files import READERS, lint
from amt_export.lint.finding import Finding, Severity, errors_of

__all__ = ["READERS", "Finding", "Severity", "errors_of", "lint"]
