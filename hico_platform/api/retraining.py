"""The best configuration of a search trained again, scored on the test split, and the model that comes of it."""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.api.datasets import DataLike, place_of
from hico_platform.api.places import PathLike, check_count, paths_of
from hico_platform.api.pretraining import ConfigLike
from hico_platform.api.search import Search
from hico_platform.api.session import session, warn
from hico_platform.checkpoint_store import is_in_a_store
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name

if TYPE_CHECKING:
    import pandas as pd

    from hico_platform.export import Encoder
    from hico_platform.home import HomePaths
    from hico_platform.retrain.inputs import RetrainInputs
    from hico_platform.retrain.run import RetrainReport
    from hico_platform.retrain.task_source import RunProgress


class Retraining:
    """The results of a retraining, on the test split.

    Attributes:
        name: of the search, and of the registered model.
        directory: the folder of runs, results and checkpoints.
        facts: what the numbers depend on.
    """

    def __init__(self, report: RetrainReport, paths: HomePaths) -> None:
        self._report = report
        self._paths = paths
        self.name = report.name
        self.directory = report.directory
        self.facts: Mapping[str, str] = dict(report.facts)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each entry and metric.

        ``entry`` (``raw pose``, ``untrained``, ``released``, ``best``), ``metric``, ``mean`` and ``std`` over
        ``seeds``, ``low`` and ``high`` of the 95 % interval over persons and seeds, ``interval`` (how).
        """
        import pandas as pd

        rows = []
        for entry, spreads in self._report.summary.items():
            for metric, spread in spreads.items():
                found = self._report.comparison.intervals.get(entry, {}).get(metric)
                rows.append(
                    {
                        "entry": str(entry),
                        "metric": metric,
                        "mean": spread.mean,
                        "std": spread.deviation,
                        "seeds": spread.count,
                        "low": None if found is None else found.low,
                        "high": None if found is None else found.high,
                        "interval": None if found is None else found.method,
                    }
                )
        table = pd.DataFrame(rows).astype(dict.fromkeys(("mean", "std", "low", "high"), "float64"))
        table.attrs.update(self.facts)
        return table

    @property
    def differences(self) -> pd.DataFrame:
        """The best configuration less each other entry, a row for each metric.

        ``entry``, ``metric``, ``difference``, ``low``, ``high``, ``p``, ``p_holm``, ``better`` (beyond noise), by a
        paired test with persons as blocks; ``p_holm`` is corrected for all rows.
        """
        import pandas as pd

        columns = ["entry", "metric", "difference", "low", "high", "p", "p_holm", "better"]
        rows = [
            {
                "entry": str(entry),
                "metric": metric,
                "difference": one.test.difference,
                "low": one.test.interval.low,
                "high": one.test.interval.high,
                "p": one.test.p,
                "p_holm": one.p,
                "better": one.test.better,
            }
            for entry, found in self._report.comparison.differences.items()
            for metric, one in found.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def further(self) -> pd.DataFrame:
        """A row for each entry and score of the tasks beyond the quick ones, such as few labels and occlusion.

        ``entry``, ``score``, ``mean``, ``std``, ``seeds``, ``low``, ``high``, ``interval``, as in ``table``. What could
        not be scored is in ``table.attrs``: ``skipped`` and ``failed``, with why.
        """
        import pandas as pd

        from hico_platform.retrain.further_scores import as_plain

        found = as_plain(self._report.further)
        columns = ["entry", "score", "mean", "std", "seeds", "low", "high", "interval"]
        rows = [
            {"entry": entry, "score": name, **values}
            for entry, scores in found["scores"].items()
            for name, values in scores.items()
        ]
        table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(("mean", "std", "low", "high"), "float64"))
        table.attrs.update(skipped=found["skipped"], failed=found["failed"])
        return table

    @property
    def runs(self) -> pd.DataFrame:
        """A row for each run: ``entry``, ``seed``, ``epochs``, ``seconds``, ``checkpoint`` and its scores."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "entry": str(one.entry),
                    "seed": one.seed,
                    "epochs": one.epoch,
                    "seconds": one.seconds,
                    "checkpoint": one.checkpoint,
                    **one.metrics,
                }
                for one in self._report.results
            ]
        )

    @property
    def candidates(self) -> pd.DataFrame:
        """The configurations among which validation chose: ``trial``, ``searched``, ``mean``, ``std``, ``chosen``."""
        import pandas as pd

        rows = [
            {
                "trial": one.candidate.trial,
                "searched": one.candidate.searched,
                "mean": one.score.mean,
                "std": one.score.deviation,
                "seeds": one.score.count,
                "chosen": one.chosen,
            }
            for one in self._report.candidates
        ]
        return pd.DataFrame(rows, columns=["trial", "searched", "mean", "std", "seeds", "chosen"])

    @property
    def alias(self) -> str | None:
        """``champion``: better than released settings and untrained encoder beyond noise; else ``challenger``.

        None where the model is not registered, or no test was possible.
        """
        return self._report.alias

    @property
    def reason(self) -> str:
        """Why it is the champion or not, as a sentence."""
        return self._report.promotion.sentence

    @property
    def model(self) -> str | None:
        """``models:/NAME/VERSION`` in the registry; None where it is not registered."""
        version = self._report.model_version
        return None if version is None else f"models:/{self.name}/{version}"

    @property
    def unregistered(self) -> str | None:
        """Why the model is not registered, if it is not; the same call makes up for it without training again."""
        return self._report.unregistered

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint of the model: that of the first seed. None where it could not be fetched from its store."""
        found = self._report.champion.checkpoint
        return None if found is None or is_in_a_store(found) else Path(found)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that was trained, as plain values."""
        from hico_platform.config.schema import to_mapping

        return to_mapping(self._report.config)

    def encoder(self) -> Encoder:
        """The model's encoder, ready to make features; of the registry, so that it recognises actions too."""
        from hico_platform.commands.encoder import load_encoder

        if self.model is not None:
            return load_encoder(self.model, tracking=self._paths.tracking_uri)
        if self.checkpoint is None:
            raise UsageError(Problem(field="model", rule="a trained model", remedy="run hico.retrain again"))
        return load_encoder(self.checkpoint)

    def __repr__(self) -> str:
        """``<Retraining level_weights: challenger (models:/level_weights/1). Not better beyond noise ...>``."""
        return f"<Retraining {self.name}: {self.alias or 'no alias'} ({self.model or 'not registered'}). {self.reason}>"

    def _repr_html_(self) -> str:
        """A notebook's picture of it: scores in percent with intervals, and why it is the champion or not."""
        from hico_platform.retrain.results import METRICS

        table = self.table
        spread = table.seeds > 1
        table["shown"] = [
            f"{100 * row['mean']:.1f}"
            + (f" ± {100 * row['std']:.1f}" if several else "")
            + ("" if row["low"] != row["low"] else f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]")
            for (_, row), several in zip(table.iterrows(), spread, strict=True)
        ]
        wide = table.pivot(index="entry", columns="metric", values="shown").fillna("")
        wide = wide.loc[list(dict.fromkeys(table.entry)), list(dict.fromkeys(table.metric))]
        wide = wide.rename(columns=METRICS)
        said = f"{self.name}: test split, {self.facts.get('protocol')}, {self._report.config.budget.epochs} epochs; %"
        registered = f"{self.model} ({self.alias})" if self.model else f"not registered: {self.unregistered}"
        return (
            f"<p><b>{html.escape(said)}</b></p>{wide.to_html(escape=True)}"
            f"<p>{html.escape(registered)}. {html.escape(self.reason)}</p>"
        )


def retrain(
    search: Search | str | None = None,
    *,
    config: ConfigLike | None = None,
    seeds: int = 3,
    candidates: int = 1,
    epochs: int | None = None,
    tasks: str | Iterable[str] = ("semi", "occlusion"),
    unfinished: bool = False,
    data: DataLike | None = None,
    protocol: str | None = None,
    name: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    checkpoints: str | None = None,
    address: str | None = None,
    allow_overlap: bool = False,
    home: PathLike | None = None,
    storage: str | None = None,
    tracking: str | None = None,
    shared: bool = False,
    progress: Callable[[RunProgress], None] | None = None,
) -> Retraining:
    """Trains the best configuration again with several seeds and scores it on the test split; what ``retrain`` does.

    Beside it, at the same budget: the released settings, the untrained encoder and the raw poses. The model of the
    first seed is registered in MLflow. Where registering fails the results come all the same, with a warning, and
    ``unregistered`` says why.

    Args:
        search: the search, or its name.
        config: a configuration instead of a search: a file, or a mapping (then with a ``name``).
        seeds: how many seeds each entry and each candidate is trained with.
        candidates: how many of the search's best configurations validation chooses among.
        epochs: budget of a run (default: that of the configuration).
        tasks: names of tasks beside the quick ones, which always run; ``quick``: no others, ``all``: all that have what
            they need.
        unfinished: take the best so far of a search that still runs; the model says so.
        data: the prepared data (default: what was searched on; with ``config``, the embedded dataset).
        protocol: with ``config``, how train and test are chosen (default: ``xsub``).
        name: with ``config``, of the model (default: the file's).
        cpus: CPUs of a run (default: those of a trial).
        gpus: GPUs of a run, which share each batch (default: those of a trial).
        checkpoints: where checkpoints are kept, as ``s3://BUCKET/FOLDER`` (default: where those of the search are; with
            ``config``, ``$HICO_CHECKPOINTS``, else the home).
        address: an existing Ray cluster (default: one of its own).
        allow_overlap: train on sequences that are scored too, which every number then says.
        home: where the search is (default: that of the ``Search``, else ``$HICO_HOME``, else ``~/.hico``).
        storage: a study database elsewhere.
        tracking: an MLflow tracking store elsewhere.
        shared: let the group of the home read it.
        progress: is called with the progress of each run.

    Raises:
        UsageError: there is no such search, it still runs, or none of its trials has ended well.
        ConfigError: the configuration breaks a rule.
        DataError: the data is not there any more, has changed, or has sequences both trained on and scored.
        HicoError: a run failed; the others' results are kept.
        KeyboardInterrupt: interrupted; the same call goes on from the checkpoints.

    Example::

        result = hico.retrain("level_weights", seeds=3)
        result.table.query("metric == 'knn_top1'")
        result.further.query("score.str.startswith('semi')")
        result.alias, result.reason
    """
    from hico_platform.commands.checkpoints_option import checkpoints_option
    from hico_platform.commands.retrain import retrain_in_home

    for field, value in (("seeds", seeds), ("candidates", candidates), ("epochs", epochs)):
        check_count(field, value)
    if (search is None) == (config is None):
        raise UsageError(
            Problem(field="search", rule="a search, its name, or config=", remedy='try hico.retrain("level_weights")')
        )
    if isinstance(search, Search):
        paths = search._paths
        searched: str | None = search.name
    else:
        paths = paths_of(home, storage=storage, tracking=tracking)
        searched = None if search is None else check_known_name(search, field="search")
    kept = checkpoints_option(checkpoints, field="checkpoints")
    paths.check_writable(study=False)
    with session(paths.home, shared=shared):
        if config is not None:
            inputs = _of_config(
                paths, config, name=name, data=data, protocol=protocol, candidates=candidates, allow=allow_overlap
            )
        else:
            inputs = _of_search(
                paths, str(searched), data=data, unfinished=unfinished, candidates=candidates, allow=allow_overlap
            )
        held = inputs.gpus if gpus is None else gpus
        inputs = dataclasses.replace(
            inputs, gpus=held, cpus=max(inputs.cpus, int(held)) if cpus is None else float(cpus)
        )
        report = retrain_in_home(
            paths,
            inputs,
            seeds=seeds,
            epochs=epochs,
            tasks=(tasks,) if isinstance(tasks, str) else tuple(tasks),
            address=address,
            observe=progress or (lambda _: None),
            checkpoints=kept,
        )
    for said, reason in (
        ("the model is not registered", report.unregistered),
        ("figures are missing", report.figures_missing),
        *((f"{what} could not be scored", why) for what, why in report.further.failed.items()),
        (f"{report.refused} writes were refused by the tracking store", report.refusal),
        ("the tracking store was away", f"{report.untracked} writes are missing" if report.untracked else None),
    ):
        if reason is not None:
            warn(f"{said}: {reason}; the same call makes up for it, without training again")
    return Retraining(report, paths)


def _of_search(
    paths: HomePaths, name: str, *, data: DataLike | None, unfinished: bool, candidates: int, allow: bool
) -> RetrainInputs:
    from hico_platform.retrain.inputs import inputs_of_search

    inputs = inputs_of_search(
        paths,
        name,
        data=place_of(data, home=paths.home),
        though_running=unfinished,
        allow_overlap=allow,
        candidates=candidates,
    )
    if len(inputs.candidates) < candidates > 1:
        warn(
            f"{name} has {len(inputs.candidates)} different configurations with a score, and {candidates} candidates "
            "were asked for"
        )
    return inputs


def _of_config(
    paths: HomePaths,
    config: ConfigLike,
    *,
    name: str | None,
    data: DataLike | None,
    protocol: str | None,
    candidates: int,
    allow: bool,
) -> RetrainInputs:
    from hico_platform.api.pretraining import config_document
    from hico_platform.names import check_name
    from hico_platform.retrain.inputs import inputs_of_document, inputs_of_file

    if candidates > 1:
        raise UsageError(
            Problem(
                field="candidates",
                rule="a search, of which several configurations are compared",
                value=candidates,
                remedy="leave it out, or give the name of a search",
            )
        )
    if name is not None:
        check_name(name, field="name")
    place = place_of(data, home=paths.home)
    if not isinstance(config, Mapping):
        return inputs_of_file(
            paths, Path(os.fspath(config)), data=place, protocol=protocol, name=name, allow_overlap=allow
        )
    if name is None:
        raise UsageError(
            Problem(field="name", rule="a name for the model of a configuration without a file", remedy="give name=")
        )
    return inputs_of_document(
        paths, config_document(config)[0], data=place, protocol=protocol, name=name, allow_overlap=allow
    )
