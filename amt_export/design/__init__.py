"""Coefficients and constant matrices, designed in float64."""
