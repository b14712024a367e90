"""The record of a search; the only folder that imports Optuna."""
