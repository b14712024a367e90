"""Skeleton sequences: formats as users have them, one Arrow store, splits, the generated dataset."""
