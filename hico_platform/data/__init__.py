"""Skeleton sequences: readers of published formats, the Arrow store, splits, and generated datasets."""
