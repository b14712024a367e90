"""What is retrained: the best configuration of a search, or a configuration file, with its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hico_platform.config.schema import parse
from hico_platform.config.space import space_from
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document, read_yaml
from hico_platform.data.split_guard import Purpose
from hico_platform.enums import Part, Signal
from hico_platform.errors import DataError, Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.names import is_known_name, name_from
from hico_platform.retrain.candidates import CANDIDATES, Candidate, Validated, candidates_of
from hico_platform.retrain.champion import FINISHED, SEARCH_STATE
from hico_platform.search.checkpoint_place import folder_in_store, store_of
from hico_platform.search.ledger.base import Facts
from hico_platform.search.notes import GPUS
from hico_platform.search.state import SearchState
from hico_platform.search.status import progress_of
from hico_platform.worker.datasets import (
    TRANSFER,
    Dataset,
    Progress,
    check_labels,
    check_overlap,
    code_version,
    dataset,
    located,
    pretrain_only_facts,
)
from hico_platform.worker.run_task import TrialData

DEFAULT_PROTOCOL = "xsub"


@dataclass(frozen=True, kw_only=True)
class RetrainInputs:
    """A configuration with the data to train and score it on; ``facts`` go with every number.

    ``cpus`` and ``gpus`` are what a run holds, by default as much as a trial of the search. ``candidates`` are the
    configurations among which validation chooses, ``best`` the first of them; one or none leaves no choice. What the
    search went by is the signal of ``data``.
    """

    name: str
    best: TrialConfig
    data: TrialData
    facts: dict[str, str]
    cpus: float = 1.0
    gpus: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    store: str | None = None
    """The store that the search has its checkpoints in; None is the home."""
    folder_in_store: str | None = None
    """The folder of the search in a store; that of a configuration file is its name."""

    @property
    def best_so_far_of(self) -> str | None:
        """The state of a search that is not over, such as ``running, 5 of 12 trials ended``."""
        state = self.facts.get(SEARCH_STATE, FINISHED)
        return None if state == FINISHED else state


def with_chosen(inputs: RetrainInputs, validated: Sequence[Validated]) -> RetrainInputs:
    """The candidate that validation chose in place of the search's best."""
    (chosen,) = (one.candidate for one in validated if one.chosen)
    facts = {
        **inputs.facts,
        "trial": str(chosen.trial),
        CANDIDATES: ", ".join(str(one.candidate.trial) for one in validated),
    }
    return replace(inputs, best=chosen.config, facts=facts)


def inputs_of_search(
    paths: HomePaths,
    name: str,
    *,
    data: str | None = None,
    though_running: bool = False,
    allow_overlap: bool = False,
    candidates: int = 1,
) -> RetrainInputs:
    """The best trial of a search, or the best ``candidates`` of it, on the data that it was searched on.

    Raises:
        UsageError: there is no such search, none of its trials has ended well, or it still runs: its best may
            change, so ``though_running`` has to be set.
        DataError: the data is not there any more, has changed, or has sequences both trained on and scored.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    search = ledger.search
    space = space_from(search.source)
    found = candidates_of(ledger.trials(), space, count=candidates)
    if not found:
        raise UsageError(
            Problem(
                field="NAME",
                rule="a search with a trial that has ended",
                value=name,
                remedy=f"go on with it: {command('search', '--name', name, '--resume')}",
            )
        )
    progress = progress_of(paths, name)
    if progress.state is SearchState.RUNNING and not though_running:
        raise UsageError(
            Problem(
                field="NAME",
                rule="a search that is over",
                value=f"{name}: {progress}",
                remedy="wait until it has ended, or take its best so far by --unfinished",
            )
        )
    location, target = (
        data or located(str(search.facts.more["data"]), home=paths.home),
        search.facts.more.get("transfer"),
    )
    source = dataset(location, protocol=search.facts.protocol, home=paths.home)
    resources, gpus = space.settings.resources, ledger.note(GPUS)
    inputs = _inputs(
        name,
        found[0].config,
        source=source,
        target=None
        if target is None
        else dataset(located(str(target), home=paths.home), protocol=space.settings.transfer_protocol, home=paths.home),
        facts={
            "search": search.first_name,  # part of the plan's digest, which a rename does not change
            "trial": str(found[0].trial),
            **({"search_key": search.key} if search.key else {}),
            SEARCH_STATE: FINISHED if progress.state is SearchState.FINISHED else str(progress),
        },
        cpus=resources.cpus,
        gpus=resources.given_gpus if gpus is None else float(gpus),
        allow_overlap=allow_overlap or bool(search.facts.more.get("overlap")),
        candidates=found,
        signal=space.settings.signal,
    )
    if inputs.facts["data_digest"] != search.facts.data_digest:
        raise DataError(
            Problem(
                file=location,
                field="digest",
                rule=f"the data that was searched on, {search.facts.data_digest[:12]}",
                value=inputs.facts["data_digest"][:12],
                remedy="give the folder of that data by --data, or search again on this one",
            )
        )
    _check_rules(search.facts, inputs)
    store = store_of(ledger)
    return replace(inputs, store=None if store is None else store.url, folder_in_store=folder_in_store(search))


def _check_rules(began: Facts, inputs: RetrainInputs) -> None:
    """Whether the files of protocols hold what the search had; older versions kept no word of it.

    What a search chose by its validation subjects must not be tested on them. Raises DataError.
    """
    for name, used in (("protocol_digest", inputs.data.source), ("transfer_protocol_digest", inputs.data.target)):
        was = began.more.get(name)
        if was is not None and was != inputs.facts.get(name):
            raise DataError(
                Problem(
                    file=used.protocol if used is not None else None,
                    rule=f"the rule that was searched under, digest {str(was)[:12]}",
                    value=str(inputs.facts.get(name))[:12],
                    remedy="put it back, or search again under this one",
                )
            )


def inputs_of_file(
    paths: HomePaths,
    file: Path,
    *,
    data: str | None,
    protocol: str | None,
    name: str | None = None,
    progress: Progress | None = None,
    allow_overlap: bool = False,
) -> RetrainInputs:
    """A configuration file, on a prepared folder or the embedded dataset.

    Raises:
        ConfigError: the file breaks a rule.
        DataError: the data cannot be opened, or has sequences that are both trained on and scored.
    """
    return inputs_of_document(
        paths,
        read_yaml(file),
        data=data,
        protocol=protocol,
        name=name or _name_of(file, paths),
        called=file.name,
        progress=progress,
        allow_overlap=allow_overlap,
    )


def inputs_of_document(
    paths: HomePaths,
    document: Document,
    *,
    data: str | None,
    protocol: str | None,
    name: str,
    called: str | None = None,
    progress: Progress | None = None,
    allow_overlap: bool = False,
) -> RetrainInputs:
    """A configuration as a document, which facts name by ``called``, by default ``name``; else as a file of it."""
    config = parse(TrialConfig, document)
    protocol = protocol or DEFAULT_PROTOCOL
    source = dataset(data, protocol=protocol, home=paths.home, progress=progress)
    target = None
    if data is None:
        target = dataset(None, protocol=protocol, home=paths.home, preset=TRANSFER, progress=progress)
    return _inputs(
        name,
        config,
        source=source,
        target=target,
        facts={"config": called or name},
        allow_overlap=allow_overlap,
    )


def _name_of(file: Path, paths: HomePaths) -> str:
    """A configuration file's name as that of a search; one that was retrained under another name keeps it."""
    if is_known_name(file.stem) and paths.search(file.stem).is_dir():
        return file.stem
    return name_from(file.stem)


def _inputs(
    name: str,
    config: TrialConfig,
    *,
    source: Dataset,
    target: Dataset | None,
    facts: dict[str, str],
    cpus: float = 1.0,
    gpus: float = 0.0,
    allow_overlap: bool,
    candidates: tuple[Candidate, ...] = (),
    signal: Signal = Signal.KNN_TOP1,
) -> RetrainInputs:
    source = source.fixed()
    check_labels(source, field="data", part=Part.TEST)
    if len(candidates) > 1:
        check_labels(source, field="data", part=Part.VAL)
    store, split = source.open_with_test(Purpose.RETRAINING)
    alone = pretrain_only_facts(store, split.pretrain_only_in_retraining)
    facts = {
        **facts,
        "dataset": store.dataset,
        "data_digest": store.digest,
        "protocol": source.protocol,
        **({"protocol_digest": source.rule_digest} if source.rule_digest else {}),
        "split": "test",
        "train_sequences": str(len(split.train_and_val)),
        "test_sequences": str(len(split.open_test(Purpose.RETRAINING))),
        **{name: str(count) for name, count in alone.items()},
        "code_version": code_version(),
    }
    if target is not None:
        target = target.fixed()
        check_labels(target, field="transfer", part=Part.TEST)
        facts["transfer_digest"] = target.digest
        if target.rule_digest:
            facts["transfer_protocol_digest"] = target.rule_digest
    overlap = check_overlap(source, target, allowed=allow_overlap)
    if overlap:
        facts["overlap"] = str(overlap)
    data = TrialData(source=source, target=target, on_test_split=True, overlap=overlap, signal=signal)
    return RetrainInputs(name=name, best=config, data=data, facts=facts, cpus=cpus, gpus=gpus, candidates=candidates)
