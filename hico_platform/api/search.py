"""Searches: run one, open one that was run, and look at its trials, curves and best configuration."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.api.asked_search import SpaceLike, asked_search
from hico_platform.api.datasets import DataLike
from hico_platform.api.exported_metrics import exported_metrics
from hico_platform.api.notebook import LiveSearch, in_notebook, search_html
from hico_platform.api.places import (
    PathLike,
    Settings,
    paths_of,
)
from hico_platform.api.search_tables import curves_table, trials_table
from hico_platform.api.session import session, warn
from hico_platform.commands.checkpoints_option import CheckpointsOption, checkpoints_option
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.names import check_known_name
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.search.score_interval import score_interval

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from hico_platform.api.pretraining import Pretraining
    from hico_platform.api.retraining import Retraining
    from hico_platform.config.space import CheckedSpace
    from hico_platform.search.events import Event
    from hico_platform.search.ledger.base import TrialRecord
    from hico_platform.search.start import SearchRequest
    from hico_platform.search.status import SearchStatus, SearchWatch


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The best trial of a search.

    Its score is the best of several that are not sure, so it is rather too high; :func:`hico_platform.retrain` trains
    the configuration again with several seeds and scores it on the test split.

    Attributes:
        trial: its number.
        score: what the search goes by, at the trial's last report.
        standard_error: how far the score would move with other people; None in searches of older versions.
        interval: 95 %, of the score alone: (low, high) within 0 and 1.
        epochs: how many it trained.
        values: the searched fields by their dotted names.
        config: its whole configuration as plain values, as :func:`hico_platform.pretrain` and ``pretrain --config``
            take it.
        metrics: the downstream metrics that it ended with.
        checkpoint: the folder of its last checkpoint; None before it has ended.
        run_id: its run in the tracking store.
    """

    trial: int
    score: float
    standard_error: float | None
    interval: tuple[float, float] | None
    epochs: int
    values: Mapping[str, Any]
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    checkpoint: Path | None
    run_id: str | None

    def __str__(self) -> str:
        """``trial 7: 0.512 [0.457, 0.567] after 45 epochs: contrast.temperature=0.1, ...``."""
        spread = "" if self.interval is None else f" [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"
        values = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.values.items()
        )
        return f"trial {self.trial}: {self.score:.3f}{spread} after {self.epochs} epochs: {values}"


class Search:
    """A search in a home, as its ledger has it whenever it is asked: while it runs, in whichever process, and after.

    Made by :func:`hico_platform.search` and :func:`hico_platform.open_search`.

    Attributes:
        name: the search's name.
    """

    def __init__(self, paths: HomePaths, name: str) -> None:
        self.name = name
        self._paths = paths
        self._watch: SearchWatch | None = None

    @property
    def home(self) -> Path:
        """The folder that holds it."""
        return self._paths.home

    @property
    def state(self) -> str:
        """``running``, ``interrupted`` (``resume=True`` goes on), ``finished`` or ``failed``."""
        return str(self._status().state)

    @property
    def progress(self) -> str:
        """The state and how many trials have ended: ``running, 5 of 20 trials ended, 2 running``."""
        return str(self._status().progress)

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial, by its number.

        Columns are ``state``, ``origin``, ``epochs``, ``score``, ``standard_error``, each searched field by its dotted
        name (level weights too: ``contrast.level_weights.clip``), ``seconds``, downstream metrics as
        ``metrics.NAME``, ``reason``, ``checkpoint`` and ``run_id``. ``trials.attrs`` says what the numbers depend on.
        """
        return trials_table(self._status())

    @property
    def curves(self) -> pd.DataFrame:
        """One row a report: ``trial``, ``epoch``, ``score``, ``standard_error``, ``decision``, ``val.NAME``."""
        return curves_table(self._status())

    @property
    def best(self) -> BestTrial | None:
        """The best trial so far; None before any has a score.

        Trials that trained for the whole budget count; while there is none, the one with the most epochs.
        """
        status = self._status()
        return None if status.best is None else _best(status.best, status.space)

    @property
    def front(self) -> pd.DataFrame:
        """The rows of :attr:`trials` that no other trial beats in all objectives."""
        status = self._status()
        return trials_table(status).loc[[trial.number for trial in status.front]]

    @property
    def ended_by(self) -> str | None:
        """The stop rule that ended it before its number of trials, if one did."""
        return self._status().ended_by

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes; None while nothing is known, and where no process runs it."""
        return self._status().seconds_left

    def config(self, trial: int) -> dict[str, Any]:
        """The whole configuration of a trial as plain values.

        Raises:
            UsageError: there is no such trial.
        """
        status = self._status()
        for one in status.trials:
            if one.number == trial:
                return _config(one, status.space)
        numbers = f"0 to {len(status.trials) - 1}" if status.trials else "none yet"
        raise UsageError(
            Problem(field="trial", rule=f"a trial of {self.name}, {numbers}", value=trial, remedy="give another")
        )

    def watch(self, *, every_s: float = 2.0) -> Iterator[Search]:
        """Yields this search every ``every_s`` seconds for as long as a process runs it, and once more at its end.

        Example::

            for now in hico.open_search("level_weights").watch():
                print(now.progress)
        """
        while True:
            running = self._status().driver is not None
            yield self
            if not running:
                return
            time.sleep(every_s)

    def show(self, *, every_s: float = 2.0) -> None:
        """In a notebook, a table of it that is drawn until it has ended; interrupting the cell ends that alone."""
        live = LiveSearch()
        try:
            for _ in self.watch(every_s=every_s):
                live.update(self._status())
        except KeyboardInterrupt:
            pass

    def plot_history(self) -> go.Figure:
        """Each trial's score by its number, with the best so far, as a figure of plotly."""
        from hico_platform.api.search_figures import history_figure

        return history_figure(self._status())

    def plot_curves(self) -> go.Figure:
        """The learning curves: score by epoch, a line a trial."""
        from hico_platform.api.search_figures import curves_figure

        return curves_figure(self._status())

    def plot_parallel(self) -> go.Figure:
        """Parallel coordinates: each trial a line through its parameters and its score."""
        from hico_platform.api.search_figures import parallel_figure

        return parallel_figure(self._status())

    def plot_importance(self) -> go.Figure:
        """How much of the spread of scores each parameter explains, by PED-ANOVA.

        Raises:
            UsageError: fewer than four trials have reported at one epoch, or their scores are all the same.
        """
        from hico_platform.api.search_figures import importance_figure

        return importance_figure(self._paths, self._status())

    def retrain(self, **options: Any) -> Retraining:
        """:func:`hico_platform.retrain` of this search, in its home."""
        from hico_platform.api.retraining import retrain

        return retrain(self, **options)

    def pretrain(self, trial: int | None = None, **options: Any) -> Pretraining:
        """:func:`hico_platform.pretrain` of the configuration of a trial, the best by default, in its home."""
        from hico_platform.api.pretraining import pretrain

        best = self.best
        if trial is None and best is None:
            raise UsageError(
                Problem(field="search", rule="a search with a score", value=self.name, remedy="wait, or name a trial=")
            )
        number = trial if trial is not None else best.trial if best else 0
        name = f"{self.name}-trial-{number}"
        return pretrain(self.config(number), **{"home": self.home, "name": name, **options})

    def __repr__(self) -> str:
        """``<Search level_weights: finished, 12 of 12 trials ended; best trial 7: ...>``."""
        status = self._status()
        best = "" if status.best is None else f"; best {_best(status.best, status.space)}"
        return f"<Search {self.name}: {status.progress}{best}>"

    def _repr_html_(self) -> str:
        """A notebook's picture of it: headline, trials, best."""
        return search_html(self._status())

    def _status(self) -> SearchStatus:
        if self._watch is None:
            from hico_platform.search.status import SearchWatch

            self._watch = SearchWatch(self._paths, self.name)
        return self._watch.look()


def open_search(
    name: str, *, home: PathLike | None = None, storage: str | None = None, tracking: str | None = None
) -> Search:
    """A search that was begun, by this process or another, running or over; nothing is written.

    Args:
        name: the search's name.
        home: the folder that holds it (default: ``$HICO_HOME``, else ``~/.hico``).
        storage: its study database, where that is not the home's (default: ``$HICO_STORAGE``).
        tracking: its tracking store, where that is not the home's (default: ``$MLFLOW_TRACKING_URI``).

    Raises:
        UsageError: there is no search of that name.

    Examples:
        >>> search = hico.open_search("example", home=home)
        >>> search.state
        'finished'
        >>> search.trials[["state", "epochs", "contrast.temperature"]].shape
        (4, 3)
        >>> search.best.trial in search.trials.index
        True
    """
    search = Search(paths_of(home, storage=storage, tracking=tracking), check_known_name(name, field="name"))
    search._status()
    return search


def list_searches(*, home: PathLike | None = None, storage: str | None = None) -> list[Search]:
    """Every search of a home, by name; those that cannot be read, as of newer versions, are left out, with a warning.

    Examples:
        >>> [search.name for search in hico.list_searches(home=home)]
        ['example']
    """
    from hico_platform.search.status import SearchStatus, searches

    paths = paths_of(home, storage=storage)
    found = searches(paths)
    for one in found:
        if not isinstance(one, SearchStatus) and one.is_search:
            warn(f"left out: search {one.name} {one.reason}")
    return [Search(paths, one.search.name) for one in found if isinstance(one, SearchStatus)]


def search(
    space: SpaceLike | None = None,
    *,
    data: DataLike | None = None,
    protocol: str | None = None,
    name: str | None = None,
    trials: int | None = None,
    set: Settings | None = None,
    resume: bool = False,
    take_over: bool = False,
    home: PathLike | None = None,
    storage: str | None = None,
    tracking: str | None = None,
    checkpoints: str | None = None,
    address: str | None = None,
    runtime_env: PathLike | None = None,
    cpus: int | None = None,
    allow_overlap: bool = False,
    shared: bool = False,
    notify: Sequence[str] = (),
    metrics_port: int | None = None,
    quiet: bool = False,
    progress: Callable[[Event], None] | None = None,
) -> Search:
    """Runs a search to its end and returns it; what ``hico-platform search`` does.

    In a notebook a table of the trials is drawn as they report, unless ``progress`` or ``quiet`` is given; nothing is
    printed. :func:`hico_platform.plan_search` tells before what it would do.
    Interrupted (Ctrl-C, the notebook's stop button), it raises KeyboardInterrupt once its workers have saved, and
    ``resume=True`` goes on with it.

    Args:
        space: what is searched: a file, the name of a space that ships with the package, or a mapping with the fields
            of a space file. It may be left out where a search is resumed by its name.
        data: a prepared folder or its address (default: the embedded dataset, made on first use).
        protocol: how train and test are chosen (default: the space's).
        name: the search's name (default: the space's).
        trials: how many in all (default: the space's); with ``resume``, extends it.
        set: overrides of the space by dotted field: ``{"budget.epochs": 3, "scheduler.grace_epochs": 2}``.
        resume: go on with a search of this name, if there is one.
        take_over: with ``resume``, also where another user ran it last.
        home: the folder that holds everything (default: ``$HICO_HOME``, else ``~/.hico``).
        storage: a study database elsewhere (default: ``$HICO_STORAGE``).
        tracking: an MLflow tracking store elsewhere (default: ``$MLFLOW_TRACKING_URI``).
        checkpoints: where checkpoints are kept, as ``s3://BUCKET/FOLDER`` (default: ``$HICO_CHECKPOINTS``, else the
            home); a search that is resumed knows it.
        address: an existing Ray cluster, such as ``auto`` (default: one of its own, on this machine).
        runtime_env: a YAML file of what Ray prepares on each machine.
        cpus: CPUs to use on this machine (default: all).
        allow_overlap: train on sequences that are scored too, which every number then says.
        shared: let the group of the home read it.
        notify: addresses that are told how it goes, as ``--notify`` takes them.
        metrics_port: serve metrics to Prometheus on this port of this machine; 0 takes a free one, which
            ``metrics/NAME.search.json`` in the home tells.
        quiet: draw no table in a notebook.
        progress: is called in this thread with each ``TrialBegan``, ``TrialReported`` and ``TrialEnded``
            (``hico_platform.search.events``).

    Raises:
        ConfigError: the space breaks a rule; every broken rule is in ``problems``.
        UsageError: the name is taken or running, a trial does not fit on this machine, and so on.
        DataError: the data cannot be opened, has nothing to score on, or has sequences both trained on and scored.
        HicoError: too many trials failed, or the disk is full.
        KeyboardInterrupt: interrupted, and resumable.

    Example::

        search = hico.search("level_weights", trials=12, set={"budget.epochs": 9}, name="short")
        print(search.best)
    """
    kept = checkpoints_option(checkpoints, field="checkpoints")
    paths = paths_of(home, storage=storage, tracking=tracking)
    asked = asked_search(
        space,
        paths,
        data=data,
        protocol=protocol,
        name=name,
        trials=trials,
        set=set,
        resume=resume,
        take_over=take_over,
        cpus=cpus,
        allow_overlap=allow_overlap,
    )
    paths.check_writable(study=True)
    if resume:
        from hico_platform.search.start import check_resumable

        check_resumable(paths, asked.name, take_over=take_over)
    with session(paths.home, shared=shared):
        _run(
            asked.space,
            paths=paths,
            name=asked.name,
            location=asked.location(),
            request={"resume": resume, "limit": trials, "take_over": take_over},
            cluster={"address": address, "cpus": cpus},
            checkpoints=kept,
            runtime_env=runtime_env,
            notify=notify,
            metrics_port=metrics_port,
            quiet=quiet,
            progress=progress,
        )
    return Search(paths, asked.name)


def _run(
    space: CheckedSpace,
    *,
    paths: HomePaths,
    name: str,
    location: str | None,
    request: Mapping[str, Any],
    cluster: Mapping[str, Any],
    checkpoints: CheckpointsOption,
    runtime_env: PathLike | None,
    notify: Sequence[str],
    metrics_port: int | None,
    quiet: bool,
    progress: Callable[[Event], None] | None,
) -> None:
    from hico_platform.commands.notifying import senders
    from hico_platform.commands.search import run_search
    from hico_platform.commands.search_inputs import search_inputs
    from hico_platform.config.runtime_env import read_runtime_env
    from hico_platform.search.drivers import this_driver
    from hico_platform.search.execution import ClusterOptions
    from hico_platform.search.start import SearchRequest
    from hico_platform.search.status import search_status
    from hico_platform.tracking.tracker_process import tracker_process

    told = senders(space, [notify] if isinstance(notify, str) else notify)
    prepared = None if runtime_env is None else read_runtime_env(Path(os.fspath(runtime_env)))
    inputs = search_inputs(space, home=paths.home, data=location)
    for warning in inputs.warnings:
        warn(warning)
    observers: list[Callable[[Event], None]] = [] if progress is None else [progress]
    live = LiveSearch() if progress is None and not quiet and in_notebook() else None
    if live is not None:
        observers.append(lambda event: live.refresh(functools.partial(search_status, paths, name)))
    asked: SearchRequest = SearchRequest(
        name=name,
        space=space,
        facts=inputs.facts,
        driver=this_driver(command=f"hico_platform.search(name={name!r})"),
        **request,
    )
    try:
        with (
            exported_metrics(metrics_port, name=name, paths=paths) as metrics,
            tracker_process(uri=paths.tracking_uri, artifacts=paths.artifacts) as tracker,
        ):
            run_search(
                asked,
                paths=paths,
                function=inputs.function,
                tracker=tracker,
                cluster=ClusterOptions(runtime_env=prepared, **cluster),
                probe=inputs.probe,
                observers=observers,
                senders=told,
                metrics=metrics,
                checkpoints=checkpoints,
            )
    finally:
        if live is not None:
            live.refresh(functools.partial(search_status, paths, name), at_once=True)


def _best(trial: TrialRecord, space: CheckedSpace) -> BestTrial:
    score, error, ending = trial.value or 0.0, trial.standard_error, trial.ending
    return BestTrial(
        trial=trial.number,
        score=score,
        standard_error=error,
        interval=score_interval(score, error),
        epochs=trial.epoch,
        values=dict(trial.values),
        config=_config(trial, space),
        metrics={} if ending is None else dict(ending.metrics),
        checkpoint=None if ending is None or ending.checkpoint is None else Path(ending.checkpoint),
        run_id=trial.run_id,
    )


def _config(trial: TrialRecord, space: CheckedSpace) -> dict[str, Any]:
    from hico_platform.config.schema import to_mapping
    from hico_platform.search.ledger.base import config_of

    with missing_plug_ins_named():
        return to_mapping(config_of(trial, space))
