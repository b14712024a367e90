from __future__ import annotations

import optuna

from hico_platform.search.ledger.samplers import distribution_of
from hico_platform.search.ledger.study_parameters import parameter_names
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
