"""A resumed search keeps the precision that it began with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.config.space import space_from
from hico_platform.enums import Precision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
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
    with pytest.raises(UsageError, match=r"base\.model\.precision: the same as when the search toy began: float32"):
        check_startable(HomePaths(home=tmp_path), "toy", asked, facts=FACTS, resume=True)
