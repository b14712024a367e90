from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from hico_platform.commands import evaluate as module
from hico_platform.commands.encoder_and_data import in_layout_of
from hico_platform.commands.evaluate import evaluate, evaluation_settings
from hico_platform.commands.evaluation_report import Baselines, EvaluationProgress, EvaluationReport, EvaluationRequest
from hico_platform.commands.trained_encoder import TrainedEncoder, trained_encoder
from hico_platform.config.schema import replace
from hico_platform.config.trial import EvaluationConfig
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.map_layout import map_store
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.enums import Part
from hico_platform.errors import ConfigError, DataError, UsageError
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.features import encoder_features
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.evaluate.tasks import registry
from hico_platform.evaluate.tasks.registry import wanted_tasks
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker.datasets import Dataset
from tests.small import small_store
from tests.unit.commands.trained import PROTOCOL, Trained

CPU = torch.device("cpu")


def asked(trained: Trained, *encoders: TrainedEncoder, **more: Any) -> EvaluationRequest:
    values: dict[str, Any] = {"source": trained.source, "part": Part.TEST, "tasks": ("knn",)} | more
    return EvaluationRequest(encoders=encoders, **values)


def scored(request: EvaluationRequest) -> tuple[EvaluationReport, list[EvaluationProgress]]:
    seen: list[EvaluationProgress] = []
    return evaluate(request, device=CPU, watch=seen.append), seen


def features_of(encoder: TrainedEncoder, trained: Trained, indices: Any) -> Any:
    data = TrainEvalSplit(store=trained.store, train=indices, eval=indices).eval_data(encoder.config, device=CPU)
    made = encoder_features(encoder.build(device=CPU), views=data.views, indices=data.eval, centre_crop=0.95)
    return made.double().numpy()


@pytest.mark.parametrize("part", [Part.TEST, Part.VAL])
def test_scores_are_those_of_the_split_and_the_encoder(part: Part, trained: Trained, encoder: TrainedEncoder) -> None:
    report, _ = scored(asked(trained, encoder, part=part, baselines=Baselines.NONE))
    split = split_store(trained.store, PROTOCOL)
    gallery = split.train_and_val if part is Part.TEST else split.train
    scored_on = split.parts(Purpose.EVALUATION)[part]
    labels = trained.store.labels
    nearest = KNeighborsClassifier(n_neighbors=1, metric="cosine")
    nearest.fit(features_of(encoder, trained, gallery), labels[gallery])
    expected = nearest.score(features_of(encoder, trained, scored_on), labels[scored_on])
    (entry,) = report.entries
    assert entry.results[0].values()["knn_top1"] == pytest.approx(expected)
    assert np.array_equal(report.labels.numpy(), labels[scored_on])
    assert report.facts["split"] == part.value
    assert (report.facts["train_sequences"], report.facts["scored_sequences"]) == (len(gallery), len(scored_on))
    assert report.facts["persons"] == len(set(np.asarray(trained.store.column("subject"))[scored_on]))
    assert report.facts["data_digest"] == trained.store.digest
    found = entry.intervals["knn_top1"]
    assert 0 <= found.low <= expected <= found.high <= 1
    assert "persons" in found.method


def test_the_baselines_stand_beside_it(trained: Trained, encoder: TrainedEncoder) -> None:
    report, seen = scored(asked(trained, encoder))
    assert [entry.name for entry in report.entries] == ["encoder", "untrained", "raw pose"]
    values = [entry.results[0].values()["knn_top1"] for entry in report.entries]
    assert len(set(values)) > 1, "they are not one and the same"
    steps = [(now.entry, now.task, now.number, now.steps) for now in seen if now.ended]
    assert steps == [
        (name, task, 2 * i + j + 1, 6)
        for i, name in enumerate(["encoder", "untrained", "raw pose"])
        for j, task in enumerate(["features", "knn"])
    ]
    assert any(now.done == now.total > 0 and not now.ended for now in seen), "encoding says how far it is"


@pytest.mark.slow
def test_what_figures_show_is_kept_of_the_encoder(trained: Trained, encoder: TrainedEncoder) -> None:
    report, seen = scored(dataclasses.replace(asked(trained, encoder), figures=True))
    assert [entry.shown is not None for entry in report.entries] == [True, False, False]
    shown = report.entries[0].shown
    assert shown is not None
    assert shown.map is not None
    assert np.array_equal(shown.labels, report.labels.numpy()[shown.map.sequences])
    split = split_store(trained.store, PROTOCOL)
    scored_on = split.parts(Purpose.EVALUATION)[Part.TEST]
    nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(features_of(encoder, trained, split.train_and_val))
    assert 1 <= len(shown.gallery) <= 6
    assert len({row.query for row in shown.gallery}) == len(shown.gallery)
    for row in shown.gallery:
        assert row.query in scored_on
        found = nearest.kneighbors(features_of(encoder, trained, np.array([row.query])), return_distance=False)[0]
        assert list(row.neighbours) == split.train_and_val[found].tolist()
    labels = trained.store.labels
    right = [labels[row.query] == labels[row.neighbours[0]] for row in shown.gallery]
    assert right == sorted(right, reverse=True), "right ones first"
    assert [now.number for now in seen if now.ended] == list(range(1, seen[0].steps + 1))


class Task:
    """A task whose only score says what it was given."""

    def __init__(self, name: str, *, quick: bool = True, needs: str = "") -> None:
        self.name, self.quick, self._needs = name, quick, needs

    def missing(self, evaluated: Evaluated) -> str | None:
        there = {
            "an encoder": evaluated.encoder is not None,
            "a target dataset": evaluated.target is not None,
            "encoders of the streams bone": "bone" in evaluated.streams,
        }
        return self._needs if self._needs and not there[self._needs] else None

    def run(self, evaluated: Evaluated) -> TaskResult:
        assert self.missing(evaluated) is None
        given = {"seed": evaluated.seed, "epochs": evaluated.config.linear_epochs, "streams": len(evaluated.streams)}
        return TaskResult(task=self.name, protocol="none", scores={f"{self.name}_x": Score(value=0.5)}, facts=given)


@pytest.fixture
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = (
        Task("cheap"),
        Task("long", quick=False),
        Task("moved", needs="a target dataset"),
        Task("fused", needs="encoders of the streams bone"),
        Task("trained", quick=False, needs="an encoder"),
    )
    monkeypatch.setattr(registry, "OWN", made)


def ran(report: EvaluationReport) -> dict[str, list[str]]:
    return {entry.name: [result.task for result in entry.results] for entry in report.entries}


@pytest.mark.usefixtures("own_tasks")
def test_quick_and_all_stand_for_several_tasks() -> None:
    assert [task.name for task in wanted_tasks(["quick"])] == ["cheap", "moved", "fused"]
    assert [task.name for task in wanted_tasks(["all"])] == ["cheap", "long", "moved", "fused", "trained"]
    assert [task.name for task in wanted_tasks(["long", "quick"])] == ["cheap", "long", "moved", "fused"]
    with pytest.raises(UsageError, match="got 'other'"):
        wanted_tasks(["quick", "other"])


@pytest.mark.usefixtures("own_tasks")
def test_baselines_run_the_quick_tasks_unless_all_are_asked_for(trained: Trained, encoder: TrainedEncoder) -> None:
    report, _ = scored(asked(trained, encoder, tasks=("all",)))
    assert ran(report) == {"encoder": ["cheap", "long", "trained"], "untrained": ["cheap"], "raw pose": ["cheap"]}
    assert report.entries[0].skipped == {"moved": "a target dataset", "fused": "encoders of the streams bone"}
    report, _ = scored(asked(trained, encoder, tasks=("all",), baselines=Baselines.ALL))
    assert ran(report)["untrained"] == ["cheap", "long", "trained"]
    assert ran(report)["raw pose"] == ["cheap", "long"], "the poses have no encoder to train"


@pytest.mark.usefixtures("own_tasks")
def test_a_task_that_is_named_and_cannot_run_is_an_error(
    trained: Trained, encoder: TrainedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "of_encoder", None)  # nothing is computed before
    with pytest.raises(UsageError, match=r"the input that moved asks for, a target dataset.*give --target DIR"):
        scored(asked(trained, encoder, tasks=("moved",)))
    with pytest.raises(UsageError, match="give a --checkpoint of each stream"):
        scored(asked(trained, encoder, tasks=("fused",)))


@pytest.mark.usefixtures("own_tasks")
def test_streams_are_fused_from_the_first(trained: Trained, encoder: TrainedEncoder) -> None:
    bone = trained_encoder(str(trained.run("bone", views__stream="bone")))
    report, _ = scored(asked(trained, encoder, bone, tasks=("cheap", "fused"), baselines=Baselines.NONE))
    assert ran(report) == {"joint": ["cheap", "fused"], "bone": ["cheap"]}
    assert report.entries[0].results[1].facts["streams"] == 1
    with pytest.raises(UsageError, match="one encoder of each stream, to be fused, got 'joint, joint'"):
        scored(asked(trained, encoder, encoder, tasks=("cheap",)))


@pytest.mark.usefixtures("own_tasks")
def test_the_target_is_another_dataset(trained: Trained, encoder: TrainedEncoder, tmp_path: Path) -> None:
    store = small_store(tmp_path / "target", seed=1)
    target = Dataset(location=str(store.directory), protocol=PROTOCOL, cache=tmp_path)
    report, seen = scored(asked(trained, encoder, tasks=("moved",), target=target))
    assert ran(report) == {"encoder": ["moved"], "untrained": ["moved"], "raw pose": ["moved"]}
    assert report.facts["target"]["data_digest"] == store.digest
    assert report.target_labels is not None
    assert len(report.target_labels) == report.facts["target"]["scored_sequences"]
    assert max(now.total for now in seen) == 4, "both datasets are encoded"
    flat = small_store(tmp_path / "flat", coordinates=2)
    with pytest.raises(DataError, match="target: expected poses of 3 coordinates"):
        scored(
            asked(trained, encoder, tasks=("moved",), target=dataclasses.replace(target, location=str(flat.directory)))
        )


@pytest.mark.usefixtures("own_tasks")
def test_a_target_in_another_layout_is_mapped_to_the_encoders(
    trained: Trained, encoder: TrainedEncoder, tmp_path: Path
) -> None:
    store, last = small_store(tmp_path / "target", seed=1), len(KINECT_V2.joints) - 1
    backwards = dataclasses.replace(
        KINECT_V2, name="backwards", joints=KINECT_V2.joints[::-1],
        parents=tuple(last - parent for parent in KINECT_V2.parents[::-1]),
        centre=last - 1, z_axis=(last, last - 1), x_axis=(last - 4, last - 8),
    )  # fmt: skip
    map_store(store, backwards, tmp_path / "backwards")
    target = Dataset(location=str(tmp_path / "backwards"), protocol=PROTOCOL, cache=tmp_path / "cache")
    mapped = in_layout_of(encoder, target)
    assert Store.open(mapped.location).layout == encoder.layout
    assert in_layout_of(encoder, target) == mapped, "once"
    assert in_layout_of(encoder, mapped) is mapped
    report, _ = scored(asked(trained, encoder, tasks=("moved",), target=target, baselines=Baselines.NONE))
    assert report.facts["target"]["data"] == mapped.location
    spelled = dataclasses.replace(
        KINECT_V2, name="spelled", joints=tuple(one.replace("_", " ") for one in KINECT_V2.joints)
    )
    map_store(store, spelled, tmp_path / "spelled")
    target = dataclasses.replace(target, location=str(tmp_path / "spelled"))
    report, _ = scored(asked(trained, encoder, tasks=("moved",), target=target, baselines=Baselines.NONE))
    assert report.facts["target"]["data"] == target.location, "names alone are other ones: nothing is to be mapped"
    map_store(store, LAYOUTS["common-15"], tmp_path / "common")
    common = dataclasses.replace(target, location=str(tmp_path / "common"))
    with pytest.raises(DataError, match=r"layout: expected a layout of joints that common-15 has.*; take a dataset"):
        scored(asked(trained, encoder, tasks=("moved",), target=common))


@pytest.mark.usefixtures("own_tasks")
def test_seed_and_settings_reach_the_tasks(trained: Trained, encoder: TrainedEncoder) -> None:
    config = EvaluationConfig(linear_epochs=3)
    report, _ = scored(asked(trained, encoder, tasks=("cheap",), seed=5, config=config, baselines=Baselines.NONE))
    facts = report.entries[0].results[0].facts
    assert (facts["seed"], facts["epochs"]) == (5, 3)
    assert (report.facts["seed"], report.facts["evaluation"]["linear_epochs"]) == (5, 3)
    report, _ = scored(asked(trained, encoder, tasks=("cheap",), baselines=Baselines.NONE))
    assert report.entries[0].results[0].facts["epochs"] == 8, "those of the checkpoint"


def test_settings_are_changed_by_key_and_value() -> None:
    config = evaluation_settings(EvaluationConfig(), ["evaluation.linear_epochs=5"])
    assert config == EvaluationConfig(linear_epochs=5)
    with pytest.raises(ConfigError, match="model: expected the settings of the evaluation alone"):
        evaluation_settings(EvaluationConfig(), ["model.layers=2"])
    with pytest.raises(ConfigError, match="linear_epochs"):
        evaluation_settings(EvaluationConfig(), ["evaluation.linear_epochs=0"])


def test_what_an_encoder_was_trained_on_is_not_scored(trained: Trained, encoder: TrainedEncoder) -> None:
    retrained = trained_encoder(str(trained.run("retrained", on_test_split=True)))
    validation = split_store(trained.store, PROTOCOL).val
    with pytest.raises(DataError, match=rf"got '{len(validation)} of {len(validation)} that.*choose --split test"):
        scored(asked(trained, retrained, part=Part.VAL))
    report, _ = scored(asked(trained, retrained, part=Part.VAL, allow_overlap=True, baselines=Baselines.NONE))
    assert report.facts["overlap"] == len(validation)
    bone = dataclasses.replace(retrained, config=replace(retrained.config, {"views.stream": "bone"}))
    both = asked(trained, retrained, bone, part=Part.VAL, allow_overlap=True, baselines=Baselines.NONE)
    assert scored(both)[0].facts["overlap"] == len(validation), "a sequence counts once"
    for known in (encoder, retrained):
        report, _ = scored(asked(trained, known, baselines=Baselines.NONE))
        assert "overlap" not in report.facts
    other = dataclasses.replace(trained.source, protocol="given-by-name")
    with pytest.raises(DataError, match="protocol"):
        scored(asked(trained, encoder, source=other))


def test_a_protocol_that_tests_what_was_trained_on_is_refused(
    trained: Trained, encoder: TrainedEncoder, tmp_path: Path
) -> None:
    rule = tmp_path / "even.yaml"
    rule.write_text("train: {subject: even}\n")
    source = dataclasses.replace(trained.source, protocol=str(rule))
    with pytest.raises(DataError, match=r"that it was trained on'; choose another split, or give --allow-overlap"):
        scored(asked(trained, encoder, source=source))


def test_data_without_labels_cannot_be_scored_on(trained: Trained, encoder: TrainedEncoder, tmp_path: Path) -> None:
    store = small_store(tmp_path / "unlabelled", unlabelled=range(48))
    source = Dataset(location=str(store.directory), protocol="all", cache=tmp_path)
    with pytest.raises(DataError, match="data: expected labelled sequences of at least 2 classes") as caught:
        scored(asked(trained, encoder, source=source))
    assert caught.value.exit_code == 3


def test_two_datasets_have_no_person_in_common(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_store(trained.store, PROTOCOL)
    of_test = TrainEvalSplit(store=trained.store, train=split.train, eval=split.open_test(Purpose.EVALUATION))
    own = trained.store.column("subject")
    assert own is not None
    assert module._data_facts(trained.store, of_test, trained.source)["persons"] == len(np.unique(own[of_test.eval]))
    origin = np.where(np.arange(len(trained.store)) % 2, "one", "other").astype(object)
    monkeypatch.setattr(Store, "column", lambda _, name: {"subject": own, "dataset": origin}.get(name))
    pairs = {(origin[i], own[i]) for i in of_test.eval}
    assert module._data_facts(trained.store, of_test, trained.source)["persons"] == len(pairs)
    assert len(pairs) > len(np.unique(own[of_test.eval]))


def test_intervals_of_scores_on_the_target_are_over_its_persons() -> None:
    own, target = SimpleNamespace(data="own", target=SimpleNamespace(data="target")), SimpleNamespace(on_target=True)
    assert module._scored_data(target, own) == "target"  # type: ignore[arg-type,comparison-overlap]
    assert module._scored_data(SimpleNamespace(on_target=False), own) == "own"  # type: ignore[arg-type,comparison-overlap]
