"""Auditory models as portable artifacts: TorchScript, ExportedProgram, ONNX and Core ML.

A model file (TOML) becomes a static torch module, the module becomes artifacts, every artifact is
run against eager torch before it is published, and an app runs it with numpy and one runtime.

- :mod:`amt_export.runtime`: run published artifacts; needs neither torch nor onnx.
- :mod:`amt_export.modules`: the auditory models as torch modules.
- :mod:`amt_export.erb`: frequency scales.
"""

__version__ = "0.1.0"
