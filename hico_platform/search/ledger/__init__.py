"""What a search remembers; the only room that imports Optuna."""
