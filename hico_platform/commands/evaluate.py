"""Scores trained encoders on the downstream tasks, beside the untrained encoder and the poses themselves."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hico_platform.commands.encoder_and_data import in_layout_of, seen_in_training
from hico_platform.commands.evaluation_report import (
    FEATURES,
    FIGURES,
    RAW_POSE,
    UNTRAINED,
    Baselines,
    EntryReport,
    EvaluationReport,
    EvaluationRequest,
    Watch,
)
from hico_platform.commands.evaluation_steps import EvaluationSteps
from hico_platform.commands.figure_data import figure_data
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.config.merge import SET, override
from hico_platform.config.schema import parse, to_mapping
from hico_platform.config.trial import EvaluationConfig
from hico_platform.config.yaml_loader import Document
from hico_platform.data.kept_together import clusters_of, persons
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.enums import Clusters, Part
from hico_platform.errors import ConfigError, DataError, Problem, UsageError, command
from hico_platform.evaluate.data import EvalData, EvalFeatures, Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.features import BATCH
from hico_platform.evaluate.intervals import interval
from hico_platform.evaluate.labelled_share import read_label_lists
from hico_platform.evaluate.scores import TaskResult
from hico_platform.evaluate.tasks.base import EvaluationTask
from hico_platform.evaluate.tasks.registry import OWN, wanted_tasks
from hico_platform.model.encoder import HierarchicalEncoder
from hico_platform.plug_in_names import PlugInGroup
from hico_platform.plug_ins import named_with_its_package, records
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker.datasets import Dataset, check_labels, code_version
from hico_platform.worker.plug_ins_used import plug_ins_of_config

_SECTION = "evaluation"


def evaluate(request: EvaluationRequest, *, device: torch.device, watch: Watch) -> EvaluationReport:
    """Scores each encoder, and the baselines, on each task that it can run.

    Raises:
        UsageError: there is no such task, one that is named cannot run, or two encoders are of one stream.
        DataError: the data has too few labels or does not fit an encoder, or an encoder was trained on what it would be
            scored on.
    """
    run = _Run(request, device=device, watch=watch)
    return run.report()


def evaluation_settings(config: EvaluationConfig, assignments: Sequence[str]) -> EvaluationConfig:
    """The settings with ``evaluation.KEY=VALUE`` laid over them.

    Raises:
        ConfigError: there is no such setting, or its rule is broken.
    """
    document = override(Document(data={_SECTION: to_mapping(config)}), assignments, whole=frozenset())
    for name in document.data.keys() - {_SECTION}:
        raise ConfigError(
            Problem(file=SET, field=name, rule=f"the settings of the evaluation alone, {_SECTION}.KEY",
                    remedy="leave it out: an encoder that is trained has all others")
        )  # fmt: skip
    return parse(EvaluationConfig, document, at=(_SECTION,))


class _Run:
    """One evaluation."""

    def __init__(self, request: EvaluationRequest, *, device: torch.device, watch: Watch) -> None:
        self._request = request
        self._device = device
        self._watch = watch
        self._tasks = wanted_tasks(request.tasks)
        self._names = _entry_names(request.encoders)
        self._first = request.encoders[0]
        self._config = request.config or self._first.config.evaluation
        self._store, self._split = _opened(request.source, request.part, field="data")
        if request.target is not None:
            request = dataclasses.replace(request, target=in_layout_of(self._first, request.target))
            self._request = request
        self._target = None if request.target is None else _opened(request.target, request.part, field="target")
        overlap: set[tuple[str, int]] = set()  # a sequence that several encoders were trained on counts once
        for encoder in request.encoders:
            encoder.check_fits(self._store, field="data")
            overlap |= {("data", i) for i in self._check_overlap(encoder, self._split, request.source)}
            if self._target is not None and request.target is not None:
                encoder.check_fits(self._target[0], field="target")
                overlap |= {("target", i) for i in self._check_overlap(encoder, self._target[1], request.target)}
        self._overlap = len(overlap)
        self._steps = EvaluationSteps(watch)

    def report(self) -> EvaluationReport:
        """Runs everything."""
        request, entries = self._request, []
        planned = self._planned()
        self._steps.count = sum(1 + len(run) for run, _ in planned.values())
        if request.figures:
            self._steps.count += len(request.encoders)
        with contextlib.ExitStack() as stack:
            evaluated: dict[str, tuple[Evaluated, float]] = {}
            for name, encoder in zip(self._names, request.encoders, strict=True):
                stack.enter_context(self._kernels(encoder))
                evaluated[name] = self._of(name, encoder, encoder.build(device=self._device))
            for name, encoder in zip(self._names, request.encoders, strict=True):
                given, seconds = evaluated[name]
                others = {
                    other.stream.value: evaluated[of][0]
                    for of, other in zip(self._names, request.encoders, strict=True)
                    if other is not encoder
                }
                streams = others if encoder is self._first else {}
                entries.append(
                    self._entry(name, encoder, dataclasses.replace(given, streams=streams), planned, seconds)
                )
            evaluated.clear()
            if UNTRAINED in planned:
                untrained = self._first.untrained(device=self._device)
                given, seconds = self._of(UNTRAINED, self._first, untrained)
                entries.append(self._entry(UNTRAINED, None, given, planned, seconds))
            if RAW_POSE in planned:
                given, seconds = self._of(RAW_POSE, self._first, None)
                entries.append(self._entry(RAW_POSE, None, given, planned, seconds))
        target_store, target_split = self._target or (None, None)
        return EvaluationReport(
            facts=self._facts(),
            entries=tuple(entries),
            class_names=self._store.class_names,
            labels=torch.from_numpy(self._store.labels[self._split.eval]),
            target_class_names=() if target_store is None else target_store.class_names,
            target_labels=None
            if target_store is None or target_split is None
            else torch.from_numpy(target_store.labels[target_split.eval]),
        )

    def _planned(self) -> dict[str, tuple[list[EvaluationTask], dict[str, str]]]:
        """By entry the tasks that it runs, and what the others ask for; found out before anything is computed.

        Raises UsageError where the first encoder cannot run a task that is named.
        """
        request = self._request
        planned: dict[str, tuple[list[EvaluationTask], dict[str, str]]] = {}
        for name, encoder in zip(self._names, request.encoders, strict=True):
            planned[name] = _split_by_missing(
                self._tasks, self._without_features(encoder, first=name == self._names[0])
            )
        for task, missing in planned[self._names[0]][1].items():
            if task in request.tasks:
                raise UsageError(
                    Problem(field="tasks", rule=f"the input that {task} asks for, {missing}",
                            value="nothing of the kind", remedy=_missing_remedy(missing))
                )  # fmt: skip
        if request.baselines is not Baselines.NONE:
            few = [task for task in self._tasks if task.quick or request.baselines is Baselines.ALL]
            planned[UNTRAINED] = _split_by_missing(few, self._without_features(self._first, first=False))
            given = self._without_features(self._first, first=False)
            target = None if given.target is None else dataclasses.replace(given.target, encoder=None)
            raw = dataclasses.replace(given, encoder=None, target=target)
            planned[RAW_POSE] = _split_by_missing(few, raw)
        return planned

    def _without_features(self, encoder: TrainedEncoder, *, first: bool) -> Evaluated:
        """What a task is asked whether it can run with: everything but features."""
        nothing = EvalFeatures(train=torch.empty(0, 0), eval=torch.empty(0, 0))
        built = encoder.build(device=torch.device("cpu"))

        def given(split: TrainEvalSplit, **more: Any) -> Evaluated:
            data = split.eval_data(encoder.config, device=torch.device("cpu"))
            return Evaluated(data=data, features=nothing, config=self._config, encoder=built, **more)

        target = None if self._target is None else given(self._target[1])
        others = [other for other in self._request.encoders if other is not encoder] if first else []
        return given(self._split, target=target, streams={other.stream.value: given(self._split) for other in others})

    def _of(self, name: str, encoder: TrainedEncoder, built: HierarchicalEncoder | None) -> tuple[Evaluated, float]:
        """The features of an entry, of the poses themselves where nothing is ``built``, and how long they took."""
        splits = [self._split] if self._target is None else [self._split, self._target[1]]
        batches = sum(math.ceil(len(part) / BATCH) for split in splits for part in (split.train, split.eval))

        def made(split: TrainEvalSplit, target: Evaluated | None = None) -> Evaluated:
            data = split.eval_data(encoder.config, device=self._device, alive=self._steps.alive)
            if built is None:
                poses = of_raw_pose(data=data, config=self._config, seed=self._request.seed)
                return dataclasses.replace(poses, target=target)
            return of_encoder(built, data=data, config=self._config, seed=self._request.seed, target=target)

        with self._steps.step(name, FEATURES, total=batches) as step:
            found = made(self._split, None if len(splits) == 1 else made(splits[1]))
        lists = read_label_lists(self._request.label_lists, data=found.data)
        return dataclasses.replace(found, label_lists=lists, progress=self._steps.part), step.seconds

    def _entry(
        self,
        name: str,
        encoder: TrainedEncoder | None,
        given: Evaluated,
        planned: Mapping[str, tuple[list[EvaluationTask], dict[str, str]]],
        seconds: float,
    ) -> EntryReport:
        run, skipped = planned[name]
        results, intervals, took = [], {}, {FEATURES: seconds}
        for task in run:
            with self._steps.step(name, task.name) as step:
                with named_with_its_package(PlugInGroup.TASKS, task.name, own=[one.name for one in OWN]):
                    result = task.run(given)
                data = _scored_data(result, given)
                for score, value in result.scores.items():
                    found = interval(value, clusters=data.eval_subjects, kind=data.clusters, seed=self._request.seed)
                    if found is not None:
                        intervals[score] = found
            results.append(result)
            took[task.name] = step.seconds
        shown = None
        if self._request.figures and encoder is not None:
            with self._steps.step(name, FIGURES):
                shown = figure_data(given, store=self._store)
        return EntryReport(
            name=name,
            encoder=encoder,
            results=tuple(results),
            intervals=intervals,
            seconds=took,
            skipped=skipped,
            shown=shown,
        )

    def _kernels(self, encoder: TrainedEncoder) -> contextlib.AbstractContextManager[str]:
        return checked_kernels(
            encoder.config, layout=encoder.layout, coordinates=encoder.coordinates, device=self._device
        )

    def _plug_ins(self) -> str:
        """The tasks and encoders that other packages bring, with these packages."""
        own = {task.name for task in OWN}
        used = [(PlugInGroup.TASKS, task.name) for task in self._tasks if task.name not in own]
        encoders = [plug_ins_of_config(encoder.config) for encoder in self._request.encoders]
        return "; ".join(dict.fromkeys(one for one in (records(used), *encoders) if one))

    def _check_overlap(self, encoder: TrainedEncoder, split: TrainEvalSplit, dataset: Dataset) -> list[int]:
        """The sequences to score that the encoder was trained on; raises DataError for any unless that is allowed."""
        both = np.intersect1d(split.eval, seen_in_training(encoder, dataset))
        if len(both) and not self._request.allow_overlap:
            how = encoder.provenance.get("protocol")
            remedy = "choose another split, or give --allow-overlap, which is recorded"
            if self._request.part is Part.VAL:
                remedy = "choose --split test, or give --allow-overlap, which is recorded"
            raise DataError(
                Problem(file=split.store.directory, field="split",
                        rule=f"no sequence that {encoder.source} was trained on (under {how})",
                        value=f"{len(both)} of {len(split.eval)} that it was trained on", remedy=remedy)
            )  # fmt: skip
        return [int(i) for i in both]

    def _facts(self) -> dict[str, Any]:
        request = self._request
        facts: dict[str, Any] = {
            **_data_facts(self._store, self._split, request.source),
            "split": request.part.value,
            "seed": request.seed,
            "tasks": [task.name for task in self._tasks],
            "baselines": request.baselines.value,
            "evaluation": to_mapping(self._config),
            "device": self._device.type,
            "code_version": code_version(),
            **({"plug_ins": brought} if (brought := self._plug_ins()) else {}),
        }
        if request.label_lists:
            facts["label_lists"] = [str(file) for file in request.label_lists]
        if self._overlap:
            facts["overlap"] = self._overlap
        if self._target is not None and request.target is not None:
            facts["target"] = _data_facts(*self._target, request.target)
        return facts


def _opened(dataset: Dataset, part: Part, *, field: str) -> tuple[Store, TrainEvalSplit]:
    """A store with the sequences to fit on and to score. Raises DataError where they have too few labels."""
    check_labels(dataset, field=field, part=part)
    if part is Part.TEST:
        store, split = dataset.open_with_test(Purpose.EVALUATION)
        return store, TrainEvalSplit(store=store, train=split.train_and_val, eval=split.open_test(Purpose.EVALUATION))
    store, split = dataset.open()
    return store, TrainEvalSplit(store=store, train=split.train, eval=split.val)


def _entry_names(encoders: Sequence[TrainedEncoder]) -> list[str]:
    if len(encoders) == 1:
        return ["encoder"]
    streams = [encoder.stream.value for encoder in encoders]
    if len(set(streams)) < len(streams):
        raise UsageError(
            Problem(field="checkpoint", rule="one encoder of each stream, to be fused", value=", ".join(streams),
                    remedy="give one checkpoint, or others of the streams joint, bone and motion")
        )  # fmt: skip
    return streams


def _split_by_missing(
    wanted: Sequence[EvaluationTask], given: Evaluated
) -> tuple[list[EvaluationTask], dict[str, str]]:
    missing = {task.name: task.missing(given) for task in wanted}
    skipped = {name: phrase for name, phrase in missing.items() if phrase is not None}
    return [task for task in wanted if task.name not in skipped], skipped


def _missing_remedy(missing: str) -> str:
    if "target" in missing:
        return "give --target DIR, or leave the task out"
    if "stream" in missing:
        return "give a --checkpoint of each stream, or leave the task out"
    return f"leave the task out; {command('evaluate', '--help')} says what tasks take"


def _scored_data(result: TaskResult, given: Evaluated) -> EvalData:
    """The data whose sequences a result's scores are of."""
    if result.on_target and given.target is not None:
        return given.target.data
    return given.data


def _data_facts(store: Store, split: TrainEvalSplit, dataset: Dataset) -> dict[str, Any]:
    clusters = clusters_of(store, split.eval)
    return {
        "dataset": store.dataset,
        "data": dataset.location,
        "data_digest": store.digest,
        "protocol": dataset.protocol,
        "train_sequences": len(split.train),
        "scored_sequences": len(split.eval),
        "persons": None if clusters is Clusters.SEQUENCES else len(np.unique(persons(store)[split.eval])),
        "clusters": clusters.value,
        "classes": len(store.class_names),
    }
