"""Metrics of a running search, for Prometheus: the only importer of prometheus-client."""
