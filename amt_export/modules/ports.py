"""Where modules find the descriptions of their inputs and outputs."""

from amt_export.ports import Kind, Port, State

__all__ = ["Kind", "Port", "State"]
