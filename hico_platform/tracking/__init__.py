"""Logs searches and retrainings for people to browse; the only package that imports MLflow."""
