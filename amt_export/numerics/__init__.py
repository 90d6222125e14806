"""Tensors without acoustics: blocks, Toeplitz matrices, Fourier transforms as matrix products."""
