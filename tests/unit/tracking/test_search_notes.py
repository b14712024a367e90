from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hico_platform.search.ledger.base import Ending, SearchRecord, TrialState
from hico_platform.search.state import SearchState
from hico_platform.tracking.search_notes import count_states, search_note, settings_table, trial_note
from tests.toy import FACTS, toy_space
from tests.unit.search.handmade import trial

SPACE = toy_space(description="which *temperature*")
MORE = {"dataset": "ntu", "train_sequences": 12345, "validation_sequences": 678}
SEARCH = SearchRecord(
    name="toy", source=SPACE.source, facts=dataclasses.replace(FACTS, more=MORE), limit=5, began_at_s=0.0
)
COUNTS = {TrialState.COMPLETE: 2, TrialState.PRUNED: 1, TrialState.RUNNING: 1, TrialState.FAILED: 0}


def note(**more: Any) -> str:
    given: dict[str, Any] = {
        "state": SearchState.RUNNING, "counts": COUNTS, "metric": "best.knn_top1", "best": (trial(3), 0.51249),
        "best_page": "#/runs/7", "persons_note": "too [hot]",
    }  # fmt: skip
    return search_note(SEARCH, SPACE, **(given | more))


def test_what_a_search_is_how_far_and_what_next() -> None:
    assert note() == (
        "which \\*temperature\\*\n\n"
        "**Note**: too \\[hot\\]\n\n"
        "**Running**: 3 of 5 trials ended (1 running, 2 complete, 1 stopped)\n\n"
        "**Best so far**: [trial 3](#/runs/7) with `best.knn_top1` 0.5125\n\n"
        "| setting | value |\n| --- | --- |\n| `contrast.temperature` | 0.125 |\n| `model.encoder` | lstm |\n\n"
        "**Data**: ntu, protocol xsub, 12,345 sequences to train on, 678 sequences of other persons to score on; "
        "digest `dddddddddddd`\n\n"
        "**Next**: `hico-platform status toy --watch` shows how far it is. `hico-platform report toy` makes the "
        "report, which is the artifact `report.html` at the end."
    )


def test_before_anything_is_known() -> None:
    bare = dataclasses.replace(SEARCH, facts=FACTS)
    found = search_note(bare, toy_space(), state=SearchState.RUNNING, counts={}, metric="m", best=None, best_page=None)
    assert found.startswith("**Running**: 0 of 5 trials ended\n\n**Data**: data, protocol xsub; digest `d")
    assert "Best" not in found
    assert "**Best so far**: trial 3 with" in note(best_page=None)


@pytest.mark.parametrize(
    ("state", "begins", "best", "next_command"),
    [
        (SearchState.RUNNING, "**Running**", "**Best so far**", "`hico-platform status toy --watch` shows"),
        (
            SearchState.INTERRUPTED,
            "**Interrupted**",
            "**Best so far**",
            "`hico-platform search --resume --name toy` goes",
        ),
        (
            SearchState.FAILED,
            "**Failed**",
            "**Best so far**",
            "`hico-platform search --resume --name toy` goes on, once",
        ),
        (SearchState.FINISHED, "**Finished**", "**Best**", "`hico-platform retrain toy` trains the best"),
    ],
)
def test_what_to_do_depends_on_the_state(state: SearchState, begins: str, best: str, next_command: str) -> None:
    found = note(state=state)
    assert f"\n{begins}: 3 of 5" in found
    assert f"\n{best}: [trial 3]" in found
    assert f"**Next**: {next_command}" in found


def of_trial(ending: Ending | None, *, score: str = "", page: str | None = "#/runs/1") -> list[str]:
    return trial_note(SEARCH, trial(3), search_page=page, ending=ending, score=score).split("\n\n")


def test_what_was_tried_and_how_it_ended() -> None:
    complete = Ending(state=TrialState.COMPLETE, epoch=9, at_s=1.0)
    assert of_trial(complete, score="`knn_top1` 0.5") == [
        "Trial 3 of the search [toy](#/runs/1); its settings: sampler",
        "**Complete after 9 epochs, `knn_top1` 0.5**",
        "| setting | value |\n| --- | --- |\n| `contrast.temperature` | 0.125 |\n| `model.encoder` | lstm |",
        "**Next**: `hico-platform show toy 3` shows it whole.",
    ]
    assert of_trial(dataclasses.replace(complete, state=TrialState.PRUNED))[1] == "**Stopped after 9 epochs**"
    running = of_trial(None, page=None)
    assert running[:2] == ["Trial 3 of the search toy; its settings: sampler", "**Running**"]
    assert len(running) == 3, "there is nothing to do yet"


def test_a_long_reason_is_cut_between_characters() -> None:
    """Of an escaped one, half a character would be left, and would take the bold type with it."""
    failed = Ending(state=TrialState.FAILED, epoch=1, at_s=1.0, reason="*" * 600)
    assert of_trial(failed)[1] == "**Failed after 1 epochs: " + "\\*" * 500 + "**"
    assert of_trial(dataclasses.replace(failed, reason="x_" * 300))[1].endswith("x\\_**")
    assert of_trial(dataclasses.replace(failed, reason=None))[1] == "**Failed after 1 epochs: **"


def test_tables_and_counts() -> None:
    assert settings_table({}) == []
    states = dict(enumerate((TrialState.COMPLETE, TrialState.FAILED, TrialState.COMPLETE)))
    assert count_states(states) == {TrialState.COMPLETE: 2, TrialState.FAILED: 1}
