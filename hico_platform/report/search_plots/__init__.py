"""Plots of one search, one file each."""
