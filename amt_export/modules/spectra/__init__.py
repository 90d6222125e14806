"""Spectra of many time resolutions."""
