from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from hico_platform.config.parameters import Range
from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, SamplerName
from hico_platform.errors import HicoError, UsageError
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.ledger.samplers import distribution_of
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import SPACE, ending, report


class TestSamplers:
    """Every sampler, with conditions, constraints and a simplex."""

    SEARCH: ClassVar[dict[str, object]] = {
        "contrast": {
            "level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4},
            "temperature": {"low": 0.05, "high": 0.5, "log": True},
        },
        "model": {
            "encoder": {"choice": ["gru", "transformer"]},
            "layers": {"low": 1, "high": 3},
            "heads": {"choice": [2, 4, 8], "when": {"model.encoder": "transformer"}},
        },
    }

    def begin_all(self, space: CheckedSpace, count: int) -> list[Mapping[str, Scalar]]:
        storage = open_storage("memory:")
        ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=count, at_s=5.0)
        found = []
        for _ in range(count):
            trial = ledger.begin(space, at_s=0.0)
            ledger.record_report(trial.number, report(9, 0.5))
            ledger.record_ending(trial.number, ending(TrialState.COMPLETE))
            found.append(trial.values)
        return found

    def test_none_is_forgotten(self) -> None:
        assert {"tpe", "random", "gp", "qmc", "cmaes", "nsga2", "grid"} == set(SamplerName)

    @pytest.mark.parametrize("name", ["tpe", "random", "gp", "qmc", "cmaes", "nsga2"])
    def test_values_meet_everything(self, name: str) -> None:
        if name == "cmaes":
            pytest.importorskip("cmaes", reason="the optional library cmaes is not installed")
        space = toy_space(
            search=self.SEARCH,
            sampler={"name": name, "seed": 3, "startup_trials": 4},
            constraints=["model.layers <= 2 or contrast.temperature < 0.2"],
        )
        for values in self.begin_all(space, 8):
            config = space.config(values)
            weights = config.contrast.level_weights
            assert weights.clip + weights.part + weights.domain + weights.instance == pytest.approx(4)
            assert ("model.heads" in values) == (values["model.encoder"] == "transformer")
            assert config.model.layers <= 2 or config.contrast.temperature < 0.2

    def test_the_grid_has_every_point_once(self) -> None:
        model = dict(self.SEARCH["model"])
        space = toy_space(search={"model": model}, sampler={"name": "grid"}, constraints=["model.layers < 3"])
        found = self.begin_all(space, 8)
        assert len({tuple(sorted(values.items())) for values in found}) == 8  # 2 layers x (gru, 3 heads)
        assert self.begin_all(space, 16)[8:] == found

    def test_a_library_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(
            UsageError, match=r"library is installed, got 'cmaes'; run pip install 'hico-platform\[cmaes\]'"
        ):
            self.begin_all(toy_space(sampler={"name": "cmaes"}), 1)

    @pytest.mark.parametrize(
        ("low", "high", "step"), [(0.1, 0.3, 0.1), (0.1, 0.7, 0.1), (0.0, 0.9, 0.05), (0.05, 0.95, 0.15)]
    )
    def test_a_grid_of_decimal_steps_lies_in_the_range_as_optuna_sees_it(
        self, low: float, high: float, step: float
    ) -> None:
        dropout = {"model.dropout": {"low": low, "high": high, "step": step}}
        space = toy_space(trials=99, search=dropout, sampler={"name": "grid"})
        (axis,) = space.parameters[0].coordinates()
        assert isinstance(axis, Range)
        distribution = distribution_of(axis)
        assert axis.grid()[-1] == high
        for value in axis.grid():
            assert distribution._contains(distribution.to_internal_repr(value))
            assert axis.encode({axis.name: value}) == {axis.name: value}
        found = self.begin_all(space, axis.size)
        assert sorted(values["model.dropout"] for values in found) == list(axis.grid())

    @pytest.mark.parametrize("name", SamplerName)
    def test_any_seed_that_a_space_may_have(self, name: str) -> None:
        search = {"model.layers": {"choice": [1, 2, 3]}} if name == "grid" else SPACE.source["search"]
        sampler = {"name": name, "seed": 2**40, "startup_trials": 2}
        assert len(self.begin_all(toy_space(search=search, sampler=sampler), 3)) == 3

    def test_ranges_and_choices_may_change(self) -> None:
        storage = open_storage("memory:")
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=9, at_s=5.0)
        ledger.begin(SPACE, at_s=0.0)
        other = toy_space(
            search={
                "contrast": {"temperature": {"low": 0.3, "high": 0.4}},
                "model": {"encoder": {"choice": ["gru", "lstm"]}},
            }
        )
        ledger = StudyLedger.open(storage, name="toy")
        for _ in range(3):
            values = ledger.begin(other, at_s=0.0).values
            assert 0.3 <= float(values["contrast.temperature"]) <= 0.4
            assert values["model.encoder"] in ("gru", "lstm")
        assert 0.05 <= float(ledger.begin(SPACE, at_s=0.0).values["contrast.temperature"]) <= 0.5


def test_constraints_that_nothing_meets_are_named_with_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    space = toy_space(constraints=["contrast.temperature < 1"])
    ledger = StudyLedger.create(open_storage("memory:"), name="toy", space=space, facts=FACTS, limit=1, at_s=0.0)
    monkeypatch.setattr(CheckedSpace, "admits", lambda self, values: False)
    with pytest.raises(
        HicoError, match=r"expected constraints that some .*; widen the ranges or loosen the constraints"
    ):
        ledger.begin(space, at_s=0.0)
