"""The nodes of a cluster, which may join and leave: how many trials they hold, and whether they hold one at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import ray

from hico_platform.search.resources import TrialResources, missing, trials_at_once

_log = logging.getLogger(__name__)
REFRESH_EVERY_S = 1.0
WARN_EVERY_S = 60.0


def nodes_alive(excluded: Collection[str] = ()) -> Sequence[Mapping[str, float]]:
    """The total resources of each node that is alive and not ``excluded`` (Ray's ids)."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in excluded]


class ClusterNodes:
    """The nodes of a cluster as room for trials of one size.

    Args:
        trial: what each trial holds.
        may_grow: whether nodes may join. If so the search waits when a trial fits on none, and warns now and then.
        nodes: the resources of the nodes.
        clock: seconds.
    """

    def __init__(
        self,
        trial: TrialResources,
        *,
        may_grow: bool,
        nodes: Callable[[], Sequence[Mapping[str, float]]] = nodes_alive,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trial = trial
        self._may_grow = may_grow
        self._nodes = nodes
        self._clock = clock
        self._held: Sequence[Mapping[str, float]] = ()
        self._refreshed_s = self._warned_s = float("-inf")

    def trials_at_once(self) -> int:
        """As many as the nodes hold; one where they hold none, so that an autoscaler sees what is wanted."""
        return max(1, trials_at_once(self._trial, self._current_nodes()))

    def warn_if_none_fits(self) -> None:
        """Warns, saying what is missing, if no node can hold a trial."""
        if not self._may_grow or self._clock() - self._warned_s < WARN_EVERY_S:
            return
        what = missing(self._trial, self._current_nodes())
        if what is not None:
            self._warned_s = self._clock()
            _log.warning("%s", what)

    def _current_nodes(self) -> Sequence[Mapping[str, float]]:
        now_s = self._clock()
        if now_s - self._refreshed_s >= REFRESH_EVERY_S:
            self._refreshed_s, self._held = now_s, self._nodes()
        return self._held
