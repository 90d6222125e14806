"""Model files in TOML, read into a completely checked :class:`ModelSpec`."""

from amt_export.model_file.spec import FORMATS, ModelSpec, load_spec, model_files

__all__ = ["FORMATS", "ModelSpec", "load_spec", "model_files"]
