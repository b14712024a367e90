"""Pretraining: the state of a run and the loop that advances it."""
