"""Mirrors of a search for people to browse; the only room that imports MLflow."""
