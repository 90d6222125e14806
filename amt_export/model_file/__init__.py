"""Model files in TOML, read into a completely checked :class:`ModelSpec`."""

from amt_export.model_file.lookup import model_files, named_model_files
from amt_export.model_file.outline import FORMATS, Outline, read_outline
from amt_export.model_file.spec import ModelSpec, load_spec

__all__ = [
    "FORMATS",
    "ModelSpec",
    "Outline",
    "load_spec",
    "model_files",
    "named_model_files",
    "read_outline",
]
