from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Precision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Ledger, Origin
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.scheduler.make import make_scheduler
from tests.toy import FACTS, toy_outcome, toy_report, toy_space


def test_first_points_are_the_released_the_base_the_listed_and_the_warm_ones(tmp_path: Path) -> None:
    base = {"model": {"hidden_width": 16}, "contrast": {"temperature": 0.1}, "budget": {"epochs": 9}}
    space = toy_space(base=base, points=[{"contrast": {"temperature": 0.3}}, {"model.encoder": "gru"}])
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
        warm_points=[{"contrast.temperature": 9.0, "model.encoder": "lstm", "model.heads": 2}],
    )
    for _ in range(6):
        controller.next_task()
    found = [(one.origin, *one.values.values()) for one in ledger.trials()]
    assert found[:5] == [
        (Origin.RELEASED, 0.2, "transformer"),
        (Origin.BASE, 0.1, "transformer"),
        (Origin.LISTED, pytest.approx(0.3), "transformer"),
        (Origin.LISTED, 0.1, "gru"),
        (Origin.WARM_START, 0.5, "lstm"),
    ]
    assert found[5][0] is Origin.SAMPLER


@pytest.mark.parametrize("choice", [["bf16", "float32"], ["float32", "bf16"]])
def test_auto_precision_is_float32_where_precision_is_searched(tmp_path: Path, choice: list[str]) -> None:
    space = toy_space(search={"model": {"precision": {"choice": choice}}})
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
    )
    task = controller.next_task()
    assert task is not None
    assert task.config.model.precision is Precision.FLOAT32


class TestEnqueuedPoints:
    """Given points are tried once, also where a resumed search has new ones."""

    SEARCH: ClassVar[dict[str, object]] = {
        "model": {
            "encoder": {"choice": ["lstm", "transformer"]},
            "heads": {"choice": [2, 4, 8], "when": {"model.encoder": "transformer"}},
        }
    }

    def begun(self, ledger: Ledger, space: CheckedSpace, *, count: int, warm: object = ()) -> list[tuple[object, ...]]:
        controller = SearchController(
            ledger=ledger,
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=9),
            directory=Path("toy"),
            observe=[].append,
            warm_points=warm,
        )
        before = len(ledger.trials())
        for _ in range(count):
            task = controller.next_task()
            assert task is not None
            controller.reported(task.number, toy_report(9, 0.5))
            controller.finished(task.number, toy_outcome(9))
        return [(one.origin, *one.values.values()) for one in ledger.trials()[before:]]

    def test_a_conditional_space_takes_points_with_and_without_the_condition(self) -> None:
        space = toy_space(search=self.SEARCH, points=[{"model": {"encoder": "transformer", "heads": 8}}])
        ledger = self.ledger(space)
        warm = [{"model.encoder": "lstm"}, {"model.encoder": "transformer", "model.heads": 2}]
        assert self.begun(ledger, space, count=4, warm=warm) == [
            (Origin.RELEASED, "transformer", 4),
            (Origin.LISTED, "transformer", 8),
            (Origin.WARM_START, "lstm"),
            (Origin.WARM_START, "transformer", 2),
        ]

    def test_a_resumed_search_tries_new_points_and_no_old_ones(self) -> None:
        space = toy_space(search=self.SEARCH)
        ledger = self.ledger(space)
        self.begun(ledger, space, count=2)
        more = toy_space(search=self.SEARCH, points=[{"model.heads": 8}, {"model.heads": 4}])
        origins = [origin for origin, *_ in self.begun(ledger, more, count=3, warm=[{"model.heads": 2}])]
        assert origins == [Origin.LISTED, Origin.WARM_START, Origin.SAMPLER]
        assert self.begun(ledger, more, count=1)[0][0] is Origin.SAMPLER

    def test_a_base_that_breaks_a_constraint_is_not_tried(self) -> None:
        space = toy_space(search=self.SEARCH, constraints=["model.encoder == 'lstm'"])
        assert self.begun(self.ledger(space), space, count=1) == [(Origin.SAMPLER, "lstm")]

    def ledger(self, space: CheckedSpace) -> StudyLedger:
        storage = open_storage("memory:")
        return StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=99, at_s=0.0)
