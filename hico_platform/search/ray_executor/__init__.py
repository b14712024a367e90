"""Ray Tune executes a search; the only room that imports Ray. It remembers nothing that matters."""
