from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.errors import DataError, UsageError
from hico_platform.home import HomePaths
from hico_platform.retrain.candidates import Validated
from hico_platform.retrain.inputs import inputs_of_file, inputs_of_search, with_chosen
from hico_platform.retrain.results import spread
from hico_platform.search.ledger.base import Ending, Facts, Origin, ReportRecord, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.lock import search_lock
from hico_platform.worker import datasets
from hico_platform.worker.datasets import dataset, portable
from tests.small import small_store
from tests.toy import toy_space

NARROW = toy_space(trials=1, base={"model": {"hidden_width": 16}, "budget": {"epochs": 9}})
WIDE = toy_space(
    trials=4,
    base={"model": {"hidden_width": 32}, "budget": {"epochs": 9}},
    search={**NARROW.source["search"], "model.hidden_width": {"choice": [16, 32]}},
)


def finished_search(
    home: Path, *, data: str = "small", transfer: str | None = None, protocol: str = "odd-subjects", **more: str
) -> StudyLedger:
    """One complete trial on a small store inside the home; ``transfer`` is where its target lies."""
    store = small_store(home / "data" / data)
    facts = Facts(
        data_digest=store.digest,
        protocol=protocol,
        code_version="test",
        seed=0,
        more={"data": portable(str(home / "data" / data), home=home), "transfer": transfer, **more},
    )
    storage = open_storage(HomePaths(home=home).storage_url)
    ledger = StudyLedger.create(storage, name="toy", space=NARROW, facts=facts, limit=1, at_s=1.0)
    ledger.enqueue({"contrast.temperature": 0.1, "model.encoder": "lstm"}, space=NARROW, origin=Origin.LISTED)
    ledger.begin(NARROW, at_s=1.0)
    report = ReportRecord(
        epoch=9,
        value=0.5,
        metrics={"knn_top1": 0.5},
        history=(),
        decision=Decision.CONTINUE,
        checkpoint=Path("c"),
        at_s=2.0,
    )
    ledger.record_report(0, report)
    ledger.record_ending(0, Ending(state=TrialState.COMPLETE, epoch=9, at_s=3.0))
    return ledger


def test_the_best_trial_is_trained_with_what_it_had_though_the_space_was_widened(tmp_path: Path) -> None:
    ledger = finished_search(tmp_path)
    ledger.reopen(source=WIDE.source, limit=4)
    inputs = inputs_of_search(HomePaths(home=tmp_path), "toy")
    assert inputs.best.model.hidden_width == 16
    assert inputs.best == NARROW.config(ledger.trials()[0].values)
    assert inputs.facts["search_key"] == ledger.search.key


def test_candidates_are_the_searchs_best_different_configurations(tmp_path: Path) -> None:
    ledger = finished_search(tmp_path)
    ledger.reopen(source=NARROW.source, limit=3)
    for number, (temperature, value) in enumerate([(0.2, 0.7), (0.3, 0.4)], start=1):
        values = {"contrast.temperature": temperature, "model.encoder": "gru"}
        ledger.enqueue(values, space=NARROW, origin=Origin.LISTED)
        ledger.begin(NARROW, at_s=1.0)
        report = ReportRecord(
            epoch=9, value=value, metrics={}, history=(), decision=Decision.CONTINUE, checkpoint=Path("c"), at_s=2.0
        )
        ledger.record_report(number, report)
        ledger.record_ending(number, Ending(state=TrialState.COMPLETE, epoch=9, at_s=3.0))
    inputs = inputs_of_search(HomePaths(home=tmp_path), "toy", candidates=2)
    assert [(one.trial, one.searched) for one in inputs.candidates] == [(1, 0.7), (0, 0.5)]
    assert (inputs.best, inputs.facts["trial"]) == (inputs.candidates[0].config, "1")
    assert inputs.best.contrast.temperature == 0.2
    assert inputs_of_search(HomePaths(home=tmp_path), "toy").facts == inputs.facts
    scores = zip(inputs.candidates, (0.3, 0.5), strict=True)
    chosen = with_chosen(
        inputs,
        [Validated(candidate=one, score=spread([score]), chosen=score == 0.5) for one, score in scores],
    )
    assert (chosen.best, chosen.facts["trial"]) == (inputs.candidates[1].config, "0")
    assert chosen.facts["candidates"] == "1, 0"
    assert {**chosen.facts, "trial": "1", "candidates": ""} == {**inputs.facts, "candidates": ""}


def test_a_home_that_was_moved_is_retrained_on_its_own_data(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    finished_search(one)
    one.rename(other)
    inputs = inputs_of_search(HomePaths(home=other), "toy")
    assert inputs.data.source.location == str(other / "data" / "small")


def test_a_colleagues_search_is_retrained_in_an_own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    finished_search(theirs, data="embedded-0")
    made: list[Path] = []

    def synthesise(directory: Path, **options: object) -> None:
        made.append(directory)
        small_store(directory)

    monkeypatch.setattr(datasets, "synthesise", synthesise)
    paths = HomePaths(home=mine, storage=HomePaths(home=theirs).storage_url)
    inputs = inputs_of_search(paths, "toy")
    assert made == [mine / "data" / "embedded-0"]
    assert inputs.data.source.location == str(made[0])
    assert inputs_of_search(paths, "toy").facts == inputs.facts
    assert len(made) == 1


def test_transfer_is_measured_on_the_dataset_on_which_the_search_measured_it(tmp_path: Path) -> None:
    target = small_store(tmp_path / "data" / "target", seed=1)
    ledger = finished_search(tmp_path, transfer="home:data/target")
    ledger.reopen(source={**NARROW.source, "transfer_protocol": "odd-subjects"}, limit=1)
    inputs = inputs_of_search(HomePaths(home=tmp_path), "toy")
    assert inputs.data.on_test_split, "trained on the whole training split and scored on the test split"
    assert inputs.data.target is not None
    assert inputs.data.target.location == str(tmp_path / "data" / "target")
    assert inputs.data.target.protocol == "odd-subjects"
    assert inputs.facts["transfer_digest"] == target.digest != inputs.facts["data_digest"]


@pytest.mark.slow
def test_a_search_that_still_runs_is_refused_unless_its_best_so_far_is_wanted(tmp_path: Path) -> None:
    ledger = finished_search(tmp_path)
    ledger.reopen(source=NARROW.source, limit=4)
    paths = HomePaths(home=tmp_path)
    with search_lock(paths.lock("toy"), name="toy"):
        with pytest.raises(
            UsageError, match=r"a search that is over, got 'toy: running, 1 of 4 .*; .* by --unfinished"
        ):
            inputs_of_search(paths, "toy")
        inputs = inputs_of_search(paths, "toy", though_running=True)
        assert inputs.best_so_far_of == "running, 1 of 4 trials ended"
    # Interrupted, it may be what one has; over, there is nothing to say.
    assert inputs_of_search(paths, "toy").best_so_far_of == "interrupted, 1 of 4 trials ended"
    ledger.reopen(source=NARROW.source, limit=1)
    assert inputs_of_search(paths, "toy").best_so_far_of is None


def test_other_data_than_was_searched_on_is_refused(tmp_path: Path) -> None:
    finished_search(tmp_path)
    small_store(tmp_path / "other", seed=1)
    with pytest.raises(DataError, match="digest: expected the data that was searched on"):
        inputs_of_search(HomePaths(home=tmp_path), "toy", data=str(tmp_path / "other"))


def test_another_rule_than_was_searched_under_is_refused(tmp_path: Path) -> None:
    """What was tried on its validation subjects would be tested on them."""
    rule = tmp_path / "rule.yaml"
    rule.write_text("train: {subject: [0, 1, 2]}\n")
    store = small_store(tmp_path / "data" / "first")
    digest = dataset(str(store.directory), protocol=str(rule), home=tmp_path).fixed().rule_digest
    assert digest is not None
    finished_search(tmp_path, protocol=str(rule), protocol_digest=digest)
    facts = inputs_of_search(HomePaths(home=tmp_path), "toy").facts
    assert facts["protocol_digest"] == digest
    rule.write_text("train: {subject: [2, 3]}\n")
    with pytest.raises(DataError, match=r"rule.yaml: expected the rule that was searched under, .*; put it back"):
        inputs_of_search(HomePaths(home=tmp_path), "toy")


def test_the_facts_say_how_many_sequences_are_unlabelled(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("budget: {epochs: 3}\n")

    def facts(name: str, unlabelled: range) -> dict[str, str]:
        small_store(tmp_path / name, count=96, unlabelled=unlabelled)
        file, data = tmp_path / "one.yaml", str(tmp_path / name)
        return inputs_of_file(HomePaths(home=tmp_path), file, data=data, protocol="odd-subjects").facts

    some = facts("some", range(48))
    assert (some["train_sequences"], some["test_sequences"]) == ("24", "24")
    assert (some["pretrain_only_sequences"], some["unlabelled_sequences"]) == ("24", "24"), "validation subjects' too"
    assert not {"pretrain_only_sequences", "unlabelled_sequences"} & set(facts("whole", range(0))), (
        "an old plan goes on"
    )
    with pytest.raises(
        DataError, match="none: data: expected labelled sequences of at least 2 classes in the test part"
    ):
        facts("none", range(96))
