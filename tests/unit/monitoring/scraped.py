"""A search's metrics as a scraper reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry


def scraped(registry: CollectorRegistry) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by the name of the series and by its labels beside ``search``, in the order of their names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in registry.collect():
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "search")
            found.setdefault(sample.name, {})[labels] = sample.value
            assert "search" in sample.labels, sample
    return found
