"""Maps of the columns of well-known exports, in YAML."""
