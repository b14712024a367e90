"""The nodes of a cluster, as they come and go: how many trials they hold, and whether they hold one at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import ray

from hico_platform.search.resources import TrialResources, missing, trials_at_once

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
WARN_EVERY_S = 60.0


def nodes_alive(left_out: Collection[str] = ()) -> Sequence[Mapping[str, float]]:
    """What each node holds in all, but for those that are ``left_out`` (Ray's ids)."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in left_out]


class ClusterNodes:
    """What trials of one size find on a cluster.

    ``may_grow``: whether nodes may join, so that a trial that fits nowhere now is waited for, with a warning now
    and then.
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
        self._looked_s = self._warned_s = float("-inf")

    def trials_at_once(self) -> int:
        """As many as the nodes hold; one where they hold none, so that an autoscaler sees what is wanted."""
        return max(1, trials_at_once(self._trial, self._look()))

    def warn_if_none_will_do(self) -> None:
        """Says what is missing where no node can hold a trial."""
        if not self._may_grow or self._clock() - self._warned_s < WARN_EVERY_S:
            return
        what = missing(self._trial, self._look())
        if what is not None:
            self._warned_s = self._clock()
            _log.warning("%s", what)

    def _look(self) -> Sequence[Mapping[str, float]]:
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s, self._held = now_s, self._nodes()
        return self._held
