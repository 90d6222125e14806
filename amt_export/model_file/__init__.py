"""Model files: TOML in, a completely checked :class:`ModelSpec` out."""

from amt_export.model_file.spec import FORMATS, ModelSpec, load_spec, model_files

__all__ = ["FORMATS", "ModelSpec", "load_spec", "model_files"]
