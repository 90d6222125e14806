"""Published auditory models as files; `amt_export.runtime.load` finds them by their names."""
