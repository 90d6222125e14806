"""Exit codes of every command, beside 0; 128 and its number for a signal."""

FAILED = 1
"""A check failed, or the data is bad."""

USAGE_ERROR = 2
"""The arguments are bad."""

SOME_BAD = 3
"""Finished, but some of many recordings were bad."""
