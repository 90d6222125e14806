"""Recursive filters as matrix products."""
