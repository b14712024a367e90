"""What must stay the same in a resumed search: data, protocol, fixed settings, and the precision that it began with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.enums import Precision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.agreement import check_agreement, resumed_limit
from hico_platform.search.ledger.base import Facts, SearchRecord
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.start import SearchRequest, check_startable, start_search
from tests.toy import FACTS, toy_space

SPACE = toy_space(trials=2)


def older_ledger(folder: Path, **model: str) -> StudyLedger:
    """A search of a version that knew no ``auto`` precision."""
    storage = open_storage(sqlite_url(folder / "study.db"))
    source = {**SPACE.source, "base": {**SPACE.source["base"], "model": {"hidden_width": 16, **model}}}
    space = dataclasses.replace(SPACE, source=source)
    return StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=2, at_s=1.0)


@pytest.mark.parametrize(("model", "precision"), [({}, "float32"), ({"precision": "tf32"}, "tf32")])
def test_a_search_of_a_version_without_auto_precision_goes_on_in_what_it_began_with(
    model: dict[str, str], precision: str, tmp_path: Path
) -> None:
    assert SPACE.base.model.precision is Precision.AUTO
    older_ledger(tmp_path, **model)
    check_startable(HomePaths(home=tmp_path), "toy", SPACE, facts=FACTS, resume=True)
    request = SearchRequest(name="toy", space=SPACE, facts=FACTS, resume=True)
    started = start_search(open_storage(sqlite_url(tmp_path / "study.db")), request, at_s=2.0)
    assert started.space.base.model.precision == precision
    assert space_from(started.ledger.search.source).base.model.precision == precision


def test_a_search_is_not_resumed_in_another_precision_that_is_asked_for(tmp_path: Path) -> None:
    older_ledger(tmp_path)
    asked = space_from(SPACE.source, assignments=["model.precision=bf16"])
    with pytest.raises(
        UsageError, match=r"base\.model\.precision: expected the same as when the search toy began: float32"
    ):
        check_startable(HomePaths(home=tmp_path), "toy", asked, facts=FACTS, resume=True)


def search(space: CheckedSpace, *, facts: Facts = FACTS, limit: int = 6) -> SearchRecord:
    return SearchRecord(name="toy", source=space.source, facts=facts, limit=limit, began_at_s=1.0, key="k")


def with_transfer(digest: str | None) -> Facts:
    return dataclasses.replace(FACTS, more={"transfer_digest": digest})


def test_ranges_and_limits_may_change() -> None:
    wider = toy_space(trials=9, resources={"cpus": 2})
    check_agreement(search(toy_space()), space=wider, facts=FACTS)


@pytest.mark.parametrize(
    ("facts", "field", "before", "now"),
    [
        (dataclasses.replace(FACTS, data_digest="e" * 64), "data", "d" * 64, "e" * 64),
        (dataclasses.replace(FACTS, protocol="xview"), "protocol", "xsub", "xview"),
    ],
)
def test_other_data_or_another_protocol_is_refused(facts: Facts, field: str, before: str, now: str) -> None:
    with pytest.raises(UsageError, match=rf"{field}: .*the search toy began: {before}.*'{now}'") as caught:
        check_agreement(search(toy_space()), space=toy_space(), facts=facts)
    assert len(caught.value.problems) == 1


def test_a_protocol_whose_file_was_edited_is_refused_unless_an_older_version_kept_no_word_of_it() -> None:
    def facts(rule: str | None) -> Facts:
        return dataclasses.replace(FACTS, more={} if rule is None else {"protocol_digest": rule})

    with pytest.raises(UsageError, match=r"rule of the protocol: .*the search toy began: aaa.*'bbb'"):
        check_agreement(search(toy_space(), facts=facts("aaa")), space=toy_space(), facts=facts("bbb"))
    for began, now in (("aaa", "aaa"), (None, "bbb"), (None, None)):
        check_agreement(search(toy_space(), facts=facts(began)), space=toy_space(), facts=facts(now))


def test_another_transfer_dataset_is_refused_unless_an_older_version_recorded_none() -> None:
    with pytest.raises(UsageError, match=r"transfer: .*began: aaa.*'bbb'"):
        check_agreement(search(toy_space(), facts=with_transfer("aaa")), space=toy_space(), facts=with_transfer("bbb"))
    check_agreement(search(toy_space()), space=toy_space(), facts=with_transfer("bbb"))


def test_every_fixed_setting_that_differs_is_named() -> None:
    other = toy_space(epochs=12, base={"model": {"hidden_width": 32}, "budget": {"epochs": 12}})
    with pytest.raises(UsageError) as caught:
        check_agreement(search(toy_space()), space=other, facts=FACTS)
    assert {problem.field for problem in caught.value.problems} == {"base.model.hidden_width", "base.budget.epochs"}


def test_a_resumed_search_keeps_its_limit_unless_its_space_gives_another() -> None:
    extended = search(toy_space(trials=6), limit=20)  # by --trials
    assert resumed_limit(extended, toy_space(trials=6)) == 20
    assert resumed_limit(extended, toy_space(trials=8)) == 8
