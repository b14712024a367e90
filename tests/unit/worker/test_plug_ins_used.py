from __future__ import annotations

import pytest

from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.plug_in_names import PlugInGroup
from hico_platform.worker import plug_ins_used as module
from hico_platform.worker.plug_ins_used import plug_ins_of_config, plug_ins_of_space
from tests.toy import toy_space

Used = list[tuple[PlugInGroup, str]]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    """What is recorded, where the names gru, tpe and asha are another package's."""
    found: Used = []

    def records(given: Used) -> str:
        found.extend(given)
        return "; ".join(name for _, name in given)

    monkeypatch.setattr(module, "records", records)
    monkeypatch.setattr(
        "hico_platform.plug_in_names.NamesWithPlugIns.is_plug_in",
        property(lambda name: name.value in {"gru", "tpe", "asha"}),
    )
    return found


def test_the_encoder_of_a_configuration(used: Used) -> None:
    assert plug_ins_of_config(replace(TrialConfig(), {"model.encoder": "gru"})) == "gru"
    assert used == [(PlugInGroup.ENCODERS, "gru")]
    assert plug_ins_of_config(replace(TrialConfig(), {"model.encoder": "lstm"})) == ""


def test_sampler_scheduler_and_each_encoder_that_a_trial_may_have(used: Used) -> None:
    assert (
        plug_ins_of_space(toy_space(base={"model": {"encoder": "lstm"}, "budget": {"epochs": 9}})) == "tpe; asha; gru"
    )
    assert used == [
        (PlugInGroup.SAMPLERS, "tpe"), (PlugInGroup.SCHEDULERS, "asha"), (PlugInGroup.ENCODERS, "gru"),
    ]  # fmt: skip
    fixed = toy_space(
        base={"model": {"encoder": "gru"}, "budget": {"epochs": 9}},
        search={"contrast.temperature": {"low": 0.05, "high": 0.5}},
        sampler={"name": "random"},
        scheduler={"name": "none"},
    )
    assert plug_ins_of_space(fixed) == "gru", "the base's, where no encoder is searched"


def test_where_all_is_this_package_s_own_nothing_is_recorded() -> None:
    assert plug_ins_of_space(toy_space()) == ""
    assert plug_ins_of_config(TrialConfig()) == ""
