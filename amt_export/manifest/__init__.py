"""What a published folder says: its schema, ports, validation, hashes and embedded copies."""

from amt_export.manifest.schema import *  # noqa: F403
