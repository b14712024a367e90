"""Which configurations are candidates, how their runs are known again, and which of them is chosen."""

from __future__ import annotations

import pytest

from hico_platform.config.schema import replace, to_mapping
from hico_platform.enums import Decision
from hico_platform.errors import ConfigError
from hico_platform.retrain.candidates import Candidate, candidate_plan, candidates_of, choose
from hico_platform.retrain.plan import Entry, digest_of
from hico_platform.retrain.results import RunResult
from hico_platform.search.ledger.base import Ending, Origin, ReportRecord, TrialRecord, TrialState
from tests.small import small_config
from tests.toy import toy_space

SPACE = toy_space()
FACTS = {"search": "x", "trial": "7", "data_digest": "d" * 64, "split": "test"}


def trial(
    number: int,
    value: float | None,
    *,
    temperature: float | None = None,
    epoch: int = 9,
    state: TrialState = TrialState.COMPLETE,
    seed: int = 0,
) -> TrialRecord:
    values = {"contrast.temperature": temperature or (number + 1) / 100, "model.encoder": "gru"}
    config = replace(SPACE.config(values), {"budget.seed": seed})
    reports = ()
    if value is not None:
        reports = (
            ReportRecord(
                epoch=epoch, value=value, metrics={}, history=(), decision=Decision.CONTINUE, checkpoint="c", at_s=1.0
            ),
        )  # type: ignore[assignment,arg-type]
    return TrialRecord(
        number=number,
        state=state,
        values=values,
        origin=Origin.SAMPLER,
        began_at_s=0.0,
        config=to_mapping(config),
        reports=reports,
        ending=None if state is TrialState.RUNNING else Ending(state=state, epoch=epoch, at_s=2.0),
    )


def numbers(*trials: TrialRecord, count: int) -> list[int]:
    return [candidate.trial for candidate in candidates_of(trials, SPACE, count=count)]


def test_the_best_complete_trials_come_first_then_those_that_got_farthest() -> None:
    trials = (
        trial(0, 0.3),
        trial(1, 0.9, state=TrialState.FAILED),
        trial(2, 0.8, epoch=3, state=TrialState.PRUNED),
        trial(3, 0.5),
        trial(4, 0.6, epoch=3, state=TrialState.PRUNED),
        trial(5, 0.2, epoch=6, state=TrialState.PRUNED),
        trial(6, None, state=TrialState.RUNNING),
        trial(7, 0.5),
    )
    assert numbers(*trials, count=1) == [3], "of equal ones the earlier, as the search has it"
    assert numbers(*trials, count=3) == [3, 7, 0]
    assert numbers(*trials, count=9) == [3, 7, 0, 5, 2, 4]
    found = candidates_of(trials, SPACE, count=4)
    assert [(one.searched, one.stopped) for one in found] == [(0.5, False), (0.5, False), (0.3, False), (0.2, True)]
    assert found[0].config.contrast.temperature == 0.04


def test_configurations_that_differ_in_their_seed_alone_are_one_candidate() -> None:
    trials = (trial(0, 0.5, temperature=0.1), trial(1, 0.7, temperature=0.1, seed=3), trial(2, 0.4))
    assert numbers(*trials, count=3) == [1, 2]


CANDIDATES = tuple(
    Candidate(trial=number, config=small_config(contrast__temperature=temperature, budget__seed=5))
    for number, temperature in ((7, 0.1), (2, 0.2), (4, 0.3))
)


def test_every_candidate_runs_over_the_same_seeds_and_is_scored_on_validation() -> None:
    plan = candidate_plan(CANDIDATES, seeds=2, epochs=6, facts=FACTS)
    assert [(run.trial, run.seed) for run in plan.runs] == [(7, 0), (7, 1), (2, 0), (2, 1), (4, 0), (4, 1)]  # type: ignore[attr-defined]
    assert {(run.entry, str(run.entry.part)) for run in plan.runs} == {(Entry.CANDIDATE, "val")}
    assert [run.config.budget.seed for run in plan.runs] == [0, 1] * 3
    assert {run.config.budget.epochs for run in plan.runs} == {6}
    assert plan.runs[2].heading == "candidate, trial 2, seed 0"
    facts = {"search": "x", "data_digest": "d" * 64, "split": "val"}
    longer = replace(CANDIDATES[0].config, {"budget.epochs": 6})
    assert plan.runs[0].digest == digest_of(longer, facts)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"budget.epochs: expected at least 1"):
        candidate_plan(CANDIDATES, seeds=2, epochs=0, facts=FACTS)


def test_a_run_is_known_again_among_other_candidates_and_seeds_and_after_nothing_else() -> None:
    def keys(candidates: tuple[Candidate, ...] = CANDIDATES, seeds: int = 2, **more: object) -> list[str]:
        facts = {**FACTS, **{name: value for name, value in more.items() if name != "epochs"}}
        return [run.key for run in candidate_plan(candidates, seeds=seeds, epochs=more.get("epochs"), facts=facts).runs]  # type: ignore[arg-type]

    assert set(keys()) < set(keys(seeds=3))
    assert set(keys(CANDIDATES[:2])) < set(keys())
    assert keys(trial="2") == keys(), "another best trial changes no run"
    for changed in ({"epochs": 5}, {"data_digest": "e" * 64}, {"code_version": "another"}):
        assert not set(keys(**changed)) & set(keys())
    whole = {
        candidate_plan(candidates, seeds=seeds, epochs=None, facts=FACTS).digest
        for candidates, seeds in ((CANDIDATES, 2), (CANDIDATES, 3), (CANDIDATES[:2], 2))
    }
    assert len(whole) == 3


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({7: (0.9, 0.3), 2: (0.7, 0.6), 4: (0.6, 0.6)}, 2),
        ({7: (0.5, 0.7), 2: (0.6, 0.6), 4: (0.7, 0.5)}, 7),
        ({7: (0.5, 0.5), 2: (0.4, 0.4), 4: (0.9, 0.2)}, 4),
    ],
)
def test_the_mean_over_seeds_chooses_and_of_equal_ones_the_searchs_first(
    scores: dict[int, tuple[float, float]], chosen: int
) -> None:
    plan = candidate_plan(CANDIDATES, seeds=2, epochs=None, facts=FACTS)
    results = {
        run.key: RunResult(
            entry=run.entry,
            seed=run.seed,
            epoch=4,
            metrics={"knn_top1": scores[run.trial][run.seed]},  # type: ignore[attr-defined]
            checkpoint=None,
            seconds=1.0,
        )
        for run in plan.runs
    }
    found = choose(CANDIDATES, results, plan=plan, metric="knn_top1")
    assert [one.candidate for one in found] == list(CANDIDATES)
    assert [one.candidate.trial for one in found if one.chosen] == [chosen]
    assert [one.score.mean for one in found] == pytest.approx([sum(scores[number]) / 2 for number in (7, 2, 4)])


def test_the_metric_of_the_search_chooses() -> None:
    plan = candidate_plan(CANDIDATES, seeds=1, epochs=None, facts=FACTS)
    results = {
        run.key: RunResult(
            entry=run.entry,
            seed=0,
            epoch=4,
            metrics={"knn_top1": one, "retrieval_map": other},
            checkpoint=None,
            seconds=1.0,
        )
        for run, one, other in zip(plan.runs, (0.1, 0.9, 0.5), (0.5, 0.1, 0.9), strict=True)
    }
    chosen = {
        metric: [one.candidate.trial for one in choose(CANDIDATES, results, plan=plan, metric=metric) if one.chosen]
        for metric in ("knn_top1", "retrieval_map")
    }
    assert chosen == {"knn_top1": [2], "retrieval_map": [4]}
