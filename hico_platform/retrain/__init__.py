"""Retraining: the best configuration trained again beside the released settings, and scored on the test split."""
