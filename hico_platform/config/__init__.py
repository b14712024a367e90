"""Configuration: the only place that reads YAML."""
