from __future__ import annotations

import pytest

from hico_platform.cli.views.pretrain_only import joining


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, None),
        ({"train_sequences": 3}, None),
        ({"pretrain_only_sequences": 80, "unlabelled_sequences": 80}, "80 without a label join pretraining"),
        ({"pretrain_only_sequences": "1200", "unlabelled_sequences": "0"},
         "1,200 that are never scored join pretraining, 0 of them without a label"),
    ],
)  # fmt: skip
def test_what_joins_pretraining(facts: dict[str, object], words: str | None) -> None:
    assert joining(facts) == words
