from __future__ import annotations

import json

from hico_platform.tracking.dataset_inputs import as_mlflow, inputs_of


def test_a_retraining_is_scored_on_the_test_split_and_facts_may_be_texts() -> None:
    facts = {"dataset": "embedded", "data": "home:data/embedded", "train_sequences": "12", "test_sequences": "4"}
    train, test = inputs_of(facts, digest="d" * 64, protocol="xsub", scored_on="test")
    assert (train.name, test.name) == ("embedded (xsub, train)", "embedded (xsub, test)")
    assert test.facts == {"sequences": 4}


def test_what_is_not_known_is_left_out() -> None:
    assert [one.name for one in inputs_of({}, digest="d", protocol="xsub", scored_on="validation")] == [
        "data (xsub, train)",
        "data (xsub, validation)",
    ]
    facts = {"transfer": "None", "transfer_digest": "None"}
    assert len(inputs_of(facts, digest="d", protocol="xsub", scored_on="validation")) == 2


def test_mlflow_gets_the_whole_digest_beside_its_own_short_one() -> None:
    (train, _) = inputs_of({"train_sequences": 3}, digest="d" * 64, protocol="xsub", scored_on="validation")
    shown = as_mlflow(train)
    assert shown.dataset.digest == "d" * 12
    assert json.loads(shown.dataset.source)["digest"] == "d" * 64
    assert json.loads(shown.dataset.profile) == {"sequences": 3}
    assert [(tag.key, tag.value) for tag in shown.tags] == [("mlflow.data.context", "train")]
