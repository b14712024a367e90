"""A tracking store in memory, for tests; it can be away, and refuse."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from hico_platform.tracking.base import (
    CHAMPION,
    KEY_TAG,
    PARENT_TAG,
    Param,
    Point,
    Registered,
    Run,
    RunStatus,
    Tracker,
    TrackingError,
    TrackingRefused,
    TrainedModel,
    alias_for,
)
from hico_platform.tracking.dataset_inputs import DatasetInput
from hico_platform.tracking.notes import NOTE_TAG, note_tags


@dataclasses.dataclass(kw_only=True)
class Kept:
    """All that is kept of one run."""

    run: Run
    experiment: str
    name: str
    params: dict[str, Param]
    metrics: dict[str, list[tuple[int, float, float]]] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, str] = dataclasses.field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    images: dict[str, str] = dataclasses.field(default_factory=dict)
    model: TrainedModel | None = None

    @property
    def parent(self) -> str | None:
        """The run under which it is shown."""
        return self.run.tags.get(PARENT_TAG)


class MemoryTracker(Tracker):
    """Runs and models for as long as the object lives; ``versions`` are the runs of a model's versions from 1 on.

    ``away`` makes every call fail, ``away_at`` and ``refuses`` those of the methods that they name.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.experiment_tags: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count()
        self.versions: dict[str, list[str]] = {}
        self.aliases: dict[str, dict[str, int]] = {}
        self.descriptions: dict[str, str] = {}
        self.requests = 0
        self.away = False
        self.away_at: set[str] = set()
        self.refuses: set[str] = set()

    @property
    def address(self) -> str:
        """It has none."""
        return "memory"

    def check(self, experiment: str) -> None:
        """Fails as the store does."""
        self._request("check")

    def runs(self, experiment: str) -> Mapping[str, Run]:
        """The runs of an experiment by key."""
        self._request("runs")
        return {kept.run.key: kept.run for kept in self.kept.values() if kept.experiment == experiment}

    def open_run(
        self,
        *,
        experiment: str,
        key: str,
        name: str,
        parent: str | None,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
        at_s: float,
        fresh: bool = False,
        note: str | None = None,
        datasets: Sequence[DatasetInput] = (),
    ) -> str:
        """The run ``key``, begun or taken up again."""
        known = None if fresh else self.runs(experiment).get(key)
        self._request("open_run")
        tags = tags if parent is None else {**tags, PARENT_TAG: parent}
        if note is not None:
            tags = {**tags, **note_tags(note, {} if known is None else known.tags)}
        if known is not None:
            self._replace(known.run_id, status=RunStatus.RUNNING, tags={**known.tags, **tags})
            kept = self.kept[known.run_id]
            kept.params = {**params, **kept.params}
            return known.run_id
        run_id = f"run-{next(self._numbers)}"
        run = Run(run_id=run_id, key=key, status=RunStatus.RUNNING, tags={**tags, KEY_TAG: key})
        self.kept[run_id] = Kept(
            run=run, experiment=experiment, name=name, params=dict(params), datasets=tuple(datasets)
        )
        return run_id

    def run(self, run_id: str) -> Run:
        """The run as it is."""
        self._request("run")
        return self.kept[run_id].run

    def page(self, experiment: str, run_id: str) -> str:
        """Its id, in place of an address."""
        return f"#/{run_id}"

    def set_experiment_tags(self, experiment: str, tags: Mapping[str, str]) -> None:
        """Adds or changes tags."""
        self._request("set_experiment_tags")
        own = self.experiment_tags.setdefault(experiment, {})
        own.update({name: value for name, value in tags.items() if name != NOTE_TAG or not own.get(name)})

    def log_points(self, run_id: str, points: Sequence[Point], *, tags: Mapping[str, str] | None = None) -> None:
        """Adds metrics, each once."""
        self._request("log_points")
        self._add(run_id, points)
        run = self.kept[run_id].run
        self._replace(run_id, status=run.status, tags={**run.tags, **(tags or {})})

    def _add(self, run_id: str, points: Sequence[Point]) -> None:
        for point in points:
            for name, value in point.metrics.items():
                history = self.kept[run_id].metrics.setdefault(name, [])
                if (point.epoch, value, point.at_s) not in history:
                    history.append((point.epoch, value, point.at_s))

    def log_folder(self, run_id: str, folder: Path, *, name: str) -> None:
        """Notes where it is."""
        self._request("log_folder")
        self.kept[run_id].artifacts[name] = str(folder)

    def remove_artifact(self, run_id: str, *, name: str) -> None:
        """Forgets it."""
        self._request("remove_artifact")
        self.kept[run_id].artifacts.pop(name, None)

    def log_text(self, run_id: str, text: str, *, name: str) -> None:
        """Keeps the text."""
        self._request("log_text")
        self.kept[run_id].artifacts[name] = text

    def log_image(self, run_id: str, file: Path, *, name: str, epoch: int) -> None:
        """Notes where it is."""
        self._request("log_image")
        self.kept[run_id].images.setdefault(name, str(file))

    def log_model(self, run_id: str, model: TrainedModel) -> None:
        """Keeps it, and its scores with the run."""
        self._request("log_model")
        kept = self.kept[run_id]
        kept.model = kept.model or model
        self._add(run_id, model.points)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Adds or changes tags."""
        self._request("set_tags")
        run = self.kept[run_id].run
        self._replace(run_id, status=run.status, tags={**run.tags, **tags})

    def close_run(
        self, run_id: str, *, status: RunStatus, points: Sequence[Point], tags: Mapping[str, str], at_s: float
    ) -> None:
        """Ends the run."""
        self._request("close_run")
        self._add(run_id, points)
        self._replace(run_id, status=status, tags={**self.kept[run_id].run.tags, **tags})

    def alias_of(self, name: str, run_id: str) -> str | None:
        """The alias of the run's version."""
        self._request("alias_of")
        versions = self.versions.get(name, [])
        found = [alias for alias, at in self.aliases.get(name, {}).items() if versions[at - 1] == run_id]
        return found[0] if found else None

    def register_champion(
        self,
        name: str,
        *,
        run_id: str,
        model: Path,
        loader: str,
        description: str,
        tags: Mapping[str, str],
        alias: str | None = CHAMPION,
    ) -> Registered:
        """Moves the alias."""
        self._request("register_champion")
        self.log_folder(run_id, model, name="model")
        self.descriptions[name] = description
        versions, aliases = self.versions.setdefault(name, []), self.aliases.setdefault(name, {})
        if run_id not in versions:
            versions.append(run_id)
        version = versions.index(run_id) + 1
        held = {each for each, at in aliases.items() if at == version}
        given = alias_for(alias, held)
        for each in held - {given}:
            del aliases[each]
        aliases[given] = version
        return Registered(version=version, alias=given)

    def _replace(self, run_id: str, *, status: RunStatus, tags: Mapping[str, str]) -> None:
        self.kept[run_id].run = dataclasses.replace(self.kept[run_id].run, status=status, tags=dict(tags))

    def _request(self, method: str) -> None:
        if self.away or method in self.away_at:
            raise TrackingError("the store is away")
        if method in self.refuses:
            raise TrackingRefused(f"{method} is not allowed")
        self.requests += 1
