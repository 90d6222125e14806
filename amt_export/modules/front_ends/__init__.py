"""Chains of modules as one graph."""
