from __future__ import annotations

from hico_platform.config.trial import TrialConfig
from hico_platform.retrain.candidates import CandidateRun
from hico_platform.retrain.notes import retraining_note, run_note
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import Spread

FACTS = {"dataset": "ntu_60", "protocol": "xsub"}


def test_one_that_has_just_begun_says_how_it_goes_on() -> None:
    assert retraining_note("my toy", FACTS) == (
        "Retraining of the search my toy with several seeds, compared on the test split of ntu\\_60, protocol xsub.\n\n"
        "**Next**: the same `hico-platform retrain 'my toy'` goes on, if it was interrupted."
    )
    assert retraining_note("toy", {"config": "best<1>.yaml"}).startswith(
        "Retraining of the configuration best\\<1\\>.yaml with several seeds, compared on the test split of the data, "
        "protocol not recorded."
    )


def test_a_finished_one_has_the_comparison_and_the_verdict() -> None:
    summary = {
        Entry.RAW_POSE: {"knn_top1": Spread(mean=0.25, deviation=None, count=1)},
        Entry.BEST: {
            "retrieval_map": Spread(mean=0.375, deviation=0.0, count=2),
            "knn_top1": Spread(mean=0.51249, deviation=0.01249, count=2),
        },
    }
    verdict = Promotion(alias="champion", reason="better than *all*")
    assert retraining_note("toy", FACTS, summary=summary, promotion=verdict).split("\n\n", 1)[1] == (
        "| per cent | 1-NN | mAP |\n"
        "| --- | --- | --- |\n"
        "| raw pose | 25.0 |  |\n"
        "| best configuration | 51.2 ± 1.2 | 37.5 ± 0.0 |\n\n"
        "**Better than \\*all\\*.**\n\n"
        "**Next**: `hico-platform predict --model toy@champion FILE` recognises recordings."
    )


def test_what_got_no_alias_is_fetched_as_challenger() -> None:
    summary = {Entry.BEST: {"knn_top1": Spread(mean=0.5, deviation=None, count=1)}}
    for verdict in (None, Promotion(alias=None, reason="not tested: x"), Promotion(alias="challenger", reason="x")):
        assert "`hico-platform predict --model toy@challenger FILE`" in retraining_note(
            "toy", FACTS, summary=summary, promotion=verdict
        )


def test_what_a_run_was_trained_and_scored_on() -> None:
    def note(entry: Entry) -> str:
        return run_note("toy", PlannedRun(entry=entry, seed=3, config=TrialConfig()), FACTS)

    assert note(Entry.BEST) == (
        "Best configuration, seed 3: trained on the whole training split, scored on the test split of ntu\\_60, "
        "protocol xsub; part of the retraining of toy."
    )
    assert note(Entry.RAW_POSE).startswith("Raw pose, seed 3: not trained, scored on the test split of")
    assert note(Entry.UNTRAINED).startswith("Untrained encoder, seed 3: not trained, ")
    candidate = CandidateRun(entry=Entry.CANDIDATE, seed=1, config=TrialConfig(), trial=7, digest="d" * 64)
    assert run_note("toy", candidate, FACTS) == (
        "Candidate of the retraining of toy: the settings of trial 7 with seed 1, scored on the validation persons of "
        "ntu\\_60, protocol xsub."
    )
