from __future__ import annotations

import pytest

from hico_platform.tracking.base import PARENT_TAG, Point, Run, RunStatus, TrackingError, TrackingRefused
from hico_platform.tracking.memory import MemoryTracker
from tests.unit.tracking.contract import TrackerContract


class TestMemoryTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> MemoryTracker:
        return MemoryTracker()

    def metrics(self, tracker: MemoryTracker, run_id: str) -> dict[str, list[tuple[int, float]]]:
        kept = tracker.kept[run_id].metrics
        return {name: [(epoch, value) for epoch, value, _ in history] for name, history in kept.items()}

    def params(self, tracker: MemoryTracker, run_id: str) -> dict[str, str]:
        return {name: str(value) for name, value in tracker.kept[run_id].params.items()}

    def artifacts(self, tracker: MemoryTracker, run_id: str) -> list[str]:
        return list(tracker.kept[run_id].artifacts)

    def datasets(self, tracker: MemoryTracker, run_id: str) -> list[str]:
        return sorted(one.name for one in tracker.kept[run_id].datasets)

    def models(self, tracker: MemoryTracker, experiment: str) -> list[tuple[str, str]]:
        runs = [kept for kept in tracker.kept.values() if kept.experiment == experiment]
        return [(kept.model.name, kept.run.run_id) for kept in runs if kept.model]

    def images(self, tracker: MemoryTracker, run_id: str) -> list[str]:
        return sorted(tracker.kept[run_id].images)

    def experiment_tags(self, tracker: MemoryTracker, experiment: str) -> dict[str, str]:
        return tracker.experiment_tags[experiment]

    def aliases(self, tracker: MemoryTracker, name: str) -> dict[str, int]:
        return tracker.aliases[name]

    def test_away(self, tracker: MemoryTracker) -> None:
        tracker.away = True
        with pytest.raises(TrackingError, match="away"):
            self.open(tracker, "toy")

    def test_one_method_alone_is_away_or_refuses(self, tracker: MemoryTracker) -> None:
        run_id = self.open(tracker, "toy")
        tracker.away_at, tracker.refuses = {"set_tags"}, {"log_text"}
        with pytest.raises(TrackingError, match="away"):
            tracker.set_tags(run_id, {"a": "b"})
        with pytest.raises(TrackingRefused, match="log_text is not allowed"):
            tracker.log_text(run_id, "text", name="a.txt")
        tracker.log_points(run_id, [Point(epoch=1, at_s=1.0, metrics={"loss": 1.0})], tags={"now": "1"})
        kept = tracker.kept[run_id]
        assert (kept.artifacts, kept.run.tags.get("a"), kept.run.tags["now"]) == ({}, None, "1")
        assert self.metrics(tracker, run_id) == {"loss": [(1, 1.0)]}

    def test_requests_that_were_made_are_counted(self, tracker: MemoryTracker) -> None:
        tracker.check("toy")
        run_id = self.open(tracker, "toy", fresh=True)
        assert tracker.requests == 2
        tracker.away = True
        with pytest.raises(TrackingError):
            tracker.set_tags(run_id, {})
        assert tracker.requests == 2

    def test_a_child_names_its_parent(self, tracker: MemoryTracker) -> None:
        parent = self.open(tracker, "toy", key="toy@1")
        child = self.open(tracker, "toy", parent=parent)
        assert (tracker.kept[parent].parent, tracker.kept[child].parent) == (None, parent)
        assert tracker.runs("toy")["toy@1/0"] == Run(
            run_id=child,
            key="toy@1/0",
            status=RunStatus.RUNNING,
            tags={"hico.search": "toy", PARENT_TAG: parent, "hico.key": "toy@1/0"},
        )
        assert tracker.runs("other") == {}

    def test_a_promise_that_a_run_is_new_is_believed(self, tracker: MemoryTracker) -> None:
        assert self.open(tracker, "toy") != self.open(tracker, "toy", fresh=True)
