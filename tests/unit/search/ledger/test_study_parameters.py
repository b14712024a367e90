from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hico_platform.config.parameters import Choice, Range
from hico_platform.search.ledger.samplers import distribution_of
from hico_platform.search.ledger.study_parameters import parameter_names, suggest
from tests.toy import toy_space

TEMPERATURE, ENCODER = "contrast.temperature", "model.encoder"


def known(space: object) -> dict[str, optuna.distributions.BaseDistribution]:
    return {axis.name: distribution_of(axis) for one in space.parameters for axis in one.coordinates()}


def space(*, low: float = 0.05, high: float = 0.5, log: bool = True, encoders: tuple[str, ...] = ("gru", "lstm")):
    search = {TEMPERATURE: {"low": low, "high": high, "log": log}, ENCODER: {"choice": list(encoders)}}
    return toy_space(search=search)


def test_what_is_unchanged_keeps_its_name() -> None:
    assert parameter_names(space(), known(space())) == {}
    assert parameter_names(space(), {}) == {}


def test_the_bounds_of_a_range_may_change_under_its_name() -> None:
    assert parameter_names(space(low=0.01, high=1.0), known(space())) == {}


def test_other_choices_or_another_scale_get_a_name_of_their_own() -> None:
    changed = space(log=False, encoders=("gru", "lstm", "transformer"))
    names = parameter_names(changed, known(space()))
    assert names == {ENCODER: "model.encoder@2", TEMPERATURE: "contrast.temperature@2"}


def test_a_second_change_gets_the_next_name_and_a_return_the_first() -> None:
    seen = known(space())
    seen["model.encoder@2"] = known(space(encoders=("gru", "transformer")))[ENCODER]
    assert parameter_names(space(encoders=("lstm", "transformer")), seen) == {ENCODER: "model.encoder@3"}
    assert parameter_names(space(encoders=("gru", "transformer")), seen) == {ENCODER: "model.encoder@2"}
    assert parameter_names(space(), seen) == {}


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Range(name="x", low=1, high=9, step=4, integer=True), IntDistribution(1, 9, step=4)),
        (Range(name="x", low=1, high=9, log=True, integer=True), IntDistribution(1, 9, log=True)),
        (Range(name="x", low=0.1, high=0.9, step=0.4), FloatDistribution(0.1, 0.9, step=0.4)),
        (Range(name="x", low=0.1, high=0.9, log=True), FloatDistribution(0.1, 0.9, log=True)),
        (Choice(name="x", choices=("a", "b")), CategoricalDistribution(("a", "b"))),
    ],
)
def test_what_is_suggested_has_the_bounds_the_step_and_the_scale(
    axis: Range | Choice, expected: optuna.distributions.BaseDistribution
) -> None:
    assert distribution_of(axis) == expected
    trial = optuna.create_study().ask()
    value = suggest(trial, axis, name="x@2")
    assert trial.distributions == {"x@2": expected}
    assert trial.params == {"x@2": value}
