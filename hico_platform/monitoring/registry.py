"""The metrics that one search has, each with the label ``search``."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

PREFIX = "hico_"
SEARCH = "search"
"""The label by which searches on one machine are told apart, also in the files that node_exporter reads together."""

_Metric = TypeVar("_Metric", bound=MetricWrapperBase)

disable_created_metrics()  # a further series for each counter, which nothing here reads


class Labelled(Generic[_Metric]):
    """A metric whose first label is the search; the others are given where it is used."""

    def __init__(self, metric: _Metric, search: str) -> None:
        self._metric = metric
        self._search = search

    def __call__(self, *labels: object) -> _Metric:
        """The series with these further labels."""
        return self._metric.labels(self._search, *map(str, labels))

    def remove(self, *labels: object) -> None:
        """Ends the series with these further labels, such as that of a trial that has ended."""
        with contextlib.suppress(KeyError):  # there was none
            self._metric.remove(self._search, *map(str, labels))


class SearchRegistry:
    """Makes the metrics of one search.

    Attributes:
        registry: prometheus-client's, from which they are served.
    """

    def __init__(self, search: str) -> None:
        self.registry = CollectorRegistry()
        self.search = search

    def counter(self, name: str, help: str, *labels: str, unit: str = "") -> Labelled[Counter]:
        """A count that only grows; its name ends with ``_total`` where it is served."""
        metric = Counter(f"{PREFIX}{name}", help, [SEARCH, *labels], unit=unit, registry=self.registry)
        return Labelled(metric, self.search)

    def gauge(self, name: str, help: str, *labels: str, unit: str = "") -> Labelled[Gauge]:
        """A value that rises and falls."""
        metric = Gauge(f"{PREFIX}{name}", help, [SEARCH, *labels], unit=unit, registry=self.registry)
        return Labelled(metric, self.search)

    def histogram(self, name: str, help: str, *labels: str, unit: str, buckets: Sequence[float]) -> Labelled[Histogram]:
        """Counts of values by their size."""
        metric = Histogram(
            f"{PREFIX}{name}", help, [SEARCH, *labels], unit=unit, buckets=buckets, registry=self.registry
        )
        return Labelled(metric, self.search)
