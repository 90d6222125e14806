"""Filterbanks: audio in, one signal per channel out."""
