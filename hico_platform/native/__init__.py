"""Compiled kernels for pretraining on a CPU: what lies between the matrix products."""
