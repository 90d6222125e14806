"""Model files: TOML in, a completely checked :class:`ModelSpec` out."""

from amt_export.spec.model_file import FORMATS, ModelSpec, load_spec, model_files

__all__ = ["FORMATS", "ModelSpec", "load_spec", "model_files"]
