"""What every tracking store does: each implementation's tests inherit it."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import pytest

from hico_platform.tracking.base import Point, Registered, RunStatus, Tracker, TrainedModel
from hico_platform.tracking.dataset_inputs import inputs_of
from hico_platform.tracking.notes import NOTE_TAG
from tests.exported import small_export

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PARAMS = {"contrast.temperature": 0.2, "model.encoder": "gru", "optimiser.clip_gradient_norm": None}


class TrackerContract:
    """What every tracking store does; each test has an experiment of its own."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        raise NotImplementedError

    @pytest.fixture
    def experiment(self, request: pytest.FixtureRequest) -> str:
        return request.node.name

    def open(self, tracker: Tracker, experiment: str, key: str = "toy@1/0", **more: object) -> str:
        arguments = {"parent": None, "params": PARAMS, "tags": {"hico.search": "toy"}, "at_s": 1000.0}
        return tracker.open_run(experiment=experiment, key=key, name="toy-0000", **{**arguments, **more})

    def metrics(self, tracker: Tracker, run_id: str) -> dict[str, list[tuple[int, float]]]:
        raise NotImplementedError

    def test_a_run_is_opened_once_for_ever(self, tracker: Tracker, experiment: str) -> None:
        first = self.open(tracker, experiment)
        assert self.open(tracker, experiment, tags={"more": "1"}) == first
        assert self.open(tracker, experiment, key="toy@1/1", fresh=True) != first
        runs = tracker.runs(experiment)
        assert set(runs) == {"toy@1/0", "toy@1/1"}
        assert runs["toy@1/0"].status is RunStatus.RUNNING
        assert runs["toy@1/0"].tags["hico.search"] == "toy"
        assert runs["toy@1/0"].tags["more"] == "1"

    def test_a_run_taken_up_again_keeps_its_parameters(self, tracker: Tracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment)
        assert self.open(tracker, experiment, params={"model.encoder": "lstm", "model.layers": 2}) == run_id
        assert self.params(tracker, run_id) == {**{k: str(v) for k, v in PARAMS.items()}, "model.layers": "2"}

    def test_a_note_is_replaced_unless_a_person_wrote_it(self, tracker: Tracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment, note="first")
        self.open(tracker, experiment, note="second")
        assert tracker.run(run_id).tags[NOTE_TAG] == "second"
        tracker.set_tags(run_id, {NOTE_TAG: "mine"})
        self.open(tracker, experiment, note="third")
        assert tracker.run(run_id).tags[NOTE_TAG] == "mine"
        assert tracker.run(run_id).key == "toy@1/0"

    def test_a_run_has_its_datasets_once(self, tracker: Tracker, experiment: str) -> None:
        datasets = inputs_of({"dataset": "toys"}, digest="d" * 64, protocol="xsub", scored_on="test")
        for _ in range(2):
            run_id = self.open(tracker, experiment, datasets=datasets)
        assert self.datasets(tracker, run_id) == ["toys (xsub, test)", "toys (xsub, train)"]

    def datasets(self, tracker: Tracker, run_id: str) -> list[str]:
        raise NotImplementedError

    def test_a_run_has_the_model_that_it_trained_once_with_its_scores(self, tracker: Tracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment)
        tracker.log_points(run_id, [Point(epoch=9, at_s=20.0, metrics={"val/knn_top1": 0.5})])
        _, scored_on = inputs_of({}, digest="d" * 64, protocol="xsub", scored_on="test")
        model = TrainedModel(
            name="toy-0000",
            points=[
                Point(epoch=9, at_s=20.0, metrics={"val/knn_top1": 0.5}),
                Point(epoch=9, at_s=21.0, metrics={"test/knn_top1": 0.25, "test/nothing": math.nan}),
            ],
            scored_on=scored_on,
            params={"model.layers": 2},
            tags={"hico.trial": "0"},
            note="an encoder",
        )
        for _ in range(2):
            tracker.log_model(run_id, model)
        assert self.metrics(tracker, run_id)["val/knn_top1"] == [(9, 0.5)]
        assert self.metrics(tracker, run_id)["test/knn_top1"] == [(9, 0.25)]
        assert self.models(tracker, experiment) == [("toy-0000", run_id)]

    def models(self, tracker: Tracker, experiment: str) -> list[tuple[str, str]]:
        raise NotImplementedError

    def test_a_picture_is_shown_once(self, tracker: Tracker, experiment: str, tmp_path: Path) -> None:
        run_id, picture = self.open(tracker, experiment), tmp_path / "a.png"
        picture.write_bytes(PNG)
        for name in ("figures/losses", "figures/losses", "figures/features"):
            tracker.log_image(run_id, picture, name=name, epoch=9)
        assert self.images(tracker, run_id) == ["figures/features", "figures/losses"]

    def images(self, tracker: Tracker, run_id: str) -> list[str]:
        raise NotImplementedError

    def test_an_experiment_keeps_its_description_and_follows_in_the_rest(
        self, tracker: Tracker, experiment: str
    ) -> None:
        self.open(tracker, experiment)
        for version in ("1", "2"):
            tracker.set_experiment_tags(experiment, {NOTE_TAG: version, "view": version})
        tags = self.experiment_tags(tracker, experiment)
        assert (tags[NOTE_TAG], tags["view"]) == ("1", "2")

    def experiment_tags(self, tracker: Tracker, experiment: str) -> dict[str, str]:
        raise NotImplementedError

    def params(self, tracker: Tracker, run_id: str) -> dict[str, str]:
        raise NotImplementedError

    def test_metrics_by_epoch_arrive_once(self, tracker: Tracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment)
        points = [Point(epoch=e, at_s=1000.5, metrics={"loss": 1 / e, "knn_top1": e / 10}) for e in (1, 2, 3)]
        tracker.log_points(run_id, points[:2])
        tracker.log_points(run_id, points)
        assert self.metrics(tracker, run_id) == {
            "loss": [(1, 1.0), (2, 0.5), (3, 1 / 3)],
            "knn_top1": [(1, 0.1), (2, 0.2), (3, 0.3)],
        }

    def test_many_points_in_one_call(self, tracker: Tracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment)
        tracker.log_points(run_id, [Point(epoch=e, at_s=1.0, metrics={"loss": e}) for e in range(1500)])
        assert len(self.metrics(tracker, run_id)["loss"]) == 1500

    def test_an_artifact_is_removed_and_may_come_back(self, tracker: Tracker, experiment: str, tmp_path: Path) -> None:
        run_id = self.open(tracker, experiment)
        (tmp_path / "a.txt").write_text("a")
        for name in ("checkpoint", "other", "checkpoint"):
            tracker.log_folder(run_id, tmp_path, name=name)
            tracker.remove_artifact(run_id, name="checkpoint")
            tracker.remove_artifact(run_id, name="checkpoint")
        assert self.artifacts(tracker, run_id) == ["other"]

    def artifacts(self, tracker: Tracker, run_id: str) -> list[str]:
        raise NotImplementedError

    @pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED])
    def test_a_run_ends_and_can_be_taken_up_again(self, tracker: Tracker, experiment: str, status: RunStatus) -> None:
        run_id = self.open(tracker, experiment)
        last = [Point(epoch=9, at_s=1001.0, metrics={"recognition_top1": 0.5})]
        for _ in range(2):
            tracker.close_run(run_id, status=status, points=last, tags={"hico.state": "pruned"}, at_s=1002.0)
        run = tracker.runs(experiment)["toy@1/0"]
        assert (run.status, run.tags["hico.state"]) == (status, "pruned")
        assert self.metrics(tracker, run_id) == {"recognition_top1": [(9, 0.5)]}
        assert self.open(tracker, experiment) == run_id
        assert tracker.runs(experiment)["toy@1/0"].status is RunStatus.RUNNING

    def register(self, tracker: Tracker, experiment: str, folder: Path, key: str, **more: str | None) -> Registered:
        if not (folder / "model").exists():
            small_export(folder / "model")
        return tracker.register_champion(
            experiment,
            run_id=self.open(tracker, experiment, key=key),
            model=folder / "model",
            loader="hico_platform.export",
            description="best",
            tags={"a": "b"},
            **more,
        )

    def test_the_champion_moves(self, tracker: Tracker, experiment: str, tmp_path: Path) -> None:
        registered = [self.register(tracker, experiment, tmp_path, key) for key in ("toy@1/0", "toy@1/1", "toy@1/1")]
        assert registered == [Registered(version=version, alias="champion") for version in (1, 2, 2)]
        assert self.aliases(tracker, experiment) == {"champion": 2}

    def test_a_challenger_takes_nothing_from_the_champion_and_may_become_it(
        self, tracker: Tracker, experiment: str, tmp_path: Path
    ) -> None:
        def register(key: str, alias: str | None) -> tuple[int, str]:
            found = self.register(tracker, experiment, tmp_path, key, alias=alias)
            return found.version, found.alias

        assert register("toy@1/0", "challenger") == (1, "challenger")
        assert register("toy@1/1", "champion") == (2, "champion")
        assert self.aliases(tracker, experiment) == {"challenger": 1, "champion": 2}
        assert register("toy@1/2", "challenger") == (3, "challenger")
        assert register("toy@1/2", "champion") == (3, "champion")
        assert self.aliases(tracker, experiment) == {"champion": 3}, "a version has one alias"
        assert register("toy@1/3", None) == (4, "challenger")
        assert register("toy@1/2", None) == (3, "champion"), "nothing was decided: it stays what it was"
        assert register("toy@1/2", "challenger") == (3, "challenger"), "with more seeds it is not better any more"
        assert self.aliases(tracker, experiment) == {"challenger": 3}

    def test_a_run_knows_the_alias_of_its_model(self, tracker: Tracker, experiment: str, tmp_path: Path) -> None:
        runs = [self.open(tracker, experiment, key=key) for key in ("toy@1/0", "toy@1/1")]
        assert tracker.alias_of(experiment, runs[0]) is None
        self.register(tracker, experiment, tmp_path, "toy@1/0")
        assert [tracker.alias_of(experiment, run) for run in runs] == ["champion", None]

    def aliases(self, tracker: Tracker, name: str) -> dict[str, int]:
        raise NotImplementedError
