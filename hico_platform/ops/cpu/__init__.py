"""Compiled kernels for pretraining on a CPU: matrix products and what lies between them."""
