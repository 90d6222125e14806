"""Recordings, read piece by piece, and what their samples mean in pascals."""
