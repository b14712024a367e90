"""Distributed hyperparameter search and experiments for HiCo (Hierarchical Contrast, AAAI 2023)."""

__version__ = "0.1.0"
