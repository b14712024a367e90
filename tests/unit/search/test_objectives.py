from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.space import CheckedSpace, Objective, SamplerName
from hico_platform.enums import Decision, Signal
from hico_platform.errors import UsageError
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.messages import EpochReport
from hico_platform.search.objectives import fronts, measures, pareto_front, scheduler_scores
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import SimulatedClock, simulate
from hico_platform.search.task import TrialTask
from tests.toy import FACTS, score, toy_space

KNN, SIZE, SPEED = Objective.KNN, Objective.PARAMETERS, Objective.SPEED
SAMPLERS = {"nsga2", "random", "gp", "qmc", "grid"}


class TestFronts:
    def test_more_knn_and_fewer_parameters_beat(self) -> None:
        points = [(0.5, 100.0), (0.6, 100.0), (0.4, 50.0), (0.4, 60.0), (0.4, 50.0), (0.3, 200.0)]
        assert fronts(points, [KNN, SIZE]) == [1, 0, 0, 1, 0, 2]

    def test_more_speed_beats(self) -> None:
        assert fronts([(0.5, 100.0), (0.5, 200.0)], [KNN, SPEED]) == [1, 0]

    def test_no_number_is_worst(self) -> None:
        assert fronts([(math.nan, 10.0), (0.1, 10.0)], [KNN, SIZE]) == [1, 0]

    def test_nothing(self) -> None:
        assert fronts([], [KNN, SIZE]) == []

    @given(st.lists(st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float)), max_size=20))
    def test_a_point_is_beaten_from_the_front_before_and_by_none_of_its_own(
        self, points: list[tuple[float, ...]]
    ) -> None:
        ranks = fronts(points, [KNN, SIZE])

        def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
            return a[0] >= b[0] and a[1] <= b[1] and a != b

        for point, rank in zip(points, ranks, strict=True):
            beaten_from = {other for one, other in zip(points, ranks, strict=True) if beats(one, point)}
            assert max(beaten_from, default=-1) == rank - 1


class TestSchedulerScores:
    def test_one_objective_is_compared_as_it_is(self) -> None:
        assert scheduler_scores(3, (0.4,), {1: (0.5,), 3: (0.9,)}, [KNN]) == (0.4, {1: 0.5})

    def test_several_are_compared_by_their_fronts(self) -> None:
        peers = {1: (0.5, 10.0), 2: (0.3, 5.0), 3: (0.2, 20.0)}
        assert scheduler_scores(9, (0.4, 20.0), peers, [KNN, SIZE]) == (-1.0, {1: 0.0, 2: 0.0, 3: -2.0})


def test_measures_come_from_the_report_or_from_the_epochs_since_the_last() -> None:
    history = [(epoch, {"loss": 1.0, "sequences_per_s": speed}) for epoch, speed in ((1, 5.0), (2, 50.0), (3, 60.0))]
    metrics = {"knn_top1": 0.5, "parameters": 1e6}
    report = EpochReport(epoch=3, metrics=metrics, history=tuple(history), checkpoint=Path("c"))
    assert measures([KNN, SIZE, SPEED], report) == (0.5, 1e6, 50.0)


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_is_measured_by_the_score_that_trials_report(signal: Signal) -> None:
    metrics = {other.metric: 0.1 * number for number, other in enumerate(Signal)}
    report = EpochReport(epoch=3, metrics=metrics, history=(), checkpoint=Path("c"))
    assert measures([Objective(signal.value)], report) == (metrics[signal.metric],)
    space = toy_space(objectives=[signal.value])
    assert (space.settings.signal, space.settings.pretrains_on_validation) == (signal, signal == "knn_subjects")


def width(task: TrialTask) -> float:
    return float(task.config.model.hidden_width)


def final(task: TrialTask) -> float:
    """Wider is better, and so is a temperature near 0.1."""
    return score(task.config.contrast.temperature, 9) * width(task) / 64


def space_of(sampler: str, *, trials: int = 40, startup_trials: int = 8, **more: object) -> CheckedSpace:
    temperature = {"low": 0.05, "high": 0.45, "step": 0.1} if sampler == "grid" else {"low": 0.05, "high": 0.5}
    search = {"contrast": {"temperature": temperature}, "model": {"hidden_width": {"choice": [16, 32, 48, 64]}}}
    settings: dict[str, object] = {
        "objectives": ["knn_top1", "parameters"],
        "search": search,
        "sampler": {"name": sampler, "seed": 1, "startup_trials": startup_trials},
    }
    return toy_space(trials=trials, **{**settings, **more})


def carry_out(space: CheckedSpace, url: str = "memory:", *, limit: int | None = None) -> StudyLedger:
    """Goes on with the search at ``url`` as a new driver, until ``limit`` trials."""
    storage, trials = open_storage(url), limit or space.settings.trials
    if StudyLedger.exists(storage, name="several"):
        ledger = StudyLedger.open(storage, name="several")
        ledger.reopen(source=space.source, limit=trials)
    else:
        ledger = StudyLedger.create(storage, name="several", space=space, facts=FACTS, limit=trials, at_s=0.0)
    clock = SimulatedClock()
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=Path("several"),
        observe=lambda event: None,
        clock=clock,
    )
    simulate(
        controller,
        curve_of=lambda task: lambda epoch: final(task) * epoch / 9,
        clock=clock,
        seconds_per_epoch=width,
        parameters_of=width,
    )
    return ledger


class TestSearch:
    @pytest.mark.parametrize("sampler", sorted(SAMPLERS))
    def test_every_sampler_that_can_takes_several_objectives(self, sampler: str) -> None:
        space = space_of(sampler, trials=12)
        ledger = carry_out(space)
        trials = ledger.trials()
        assert len(trials) == 12
        front = pareto_front(trials, space.settings.objectives)
        assert front
        assert all(trial.state is TrialState.COMPLETE and len(trial.measures) == 2 for trial in front)
        assert [trial.value for trial in front] == sorted((trial.value for trial in front), reverse=True)

    def test_the_others_are_refused_with_their_remedy(self) -> None:
        assert set(SamplerName) - SAMPLERS == {"tpe", "cmaes"}

    def test_tpe_takes_them_where_nothing_is_stopped(self) -> None:
        space = space_of("tpe", trials=14, scheduler={"name": "none"})
        assert {trial.state for trial in carry_out(space).trials()} == {TrialState.COMPLETE}

    def test_speed_is_measured(self) -> None:
        space = space_of("random", trials=6, objectives=["knn_top1", "sequences_per_s"])
        for trial in carry_out(space).trials():
            assert trial.measures[1] == pytest.approx(1 / float(trial.values["model.hidden_width"]))

    def test_a_small_encoder_is_not_stopped_for_its_score(self) -> None:
        widths = {float(trial.values["model.hidden_width"]) for trial in pareto(space_of("nsga2", trials=60))}
        alone = space_of("nsga2", trials=60, objectives=["knn_top1"])
        complete = [trial for trial in carry_out(alone).trials() if trial.state is TrialState.COMPLETE]
        assert 16.0 in widths
        assert len(widths) >= 3
        assert sum(trial.values["model.hidden_width"] == 16 for trial in complete) <= 1

    @pytest.mark.slow
    def test_stopped_trials_are_pruned_with_what_they_reported(self, tmp_path: Path) -> None:
        url = sqlite_url(tmp_path / "study.db")
        records = carry_out(space_of("nsga2", trials=14), url).trials()
        study = optuna.load_study(study_name="several", storage=url)
        kinds = optuna.study.StudyDirection
        assert study.directions == [kinds.MAXIMIZE, kinds.MINIMIZE]
        stopped = [trial for trial in study.trials if trial.state is optuna.trial.TrialState.PRUNED]
        assert stopped
        for trial in stopped:
            assert trial.intermediate_values == records[trial.number].curve
            assert records[trial.number].reports[-1].decision is Decision.STOP
        assert {trial.number for trial in study.best_trials} == {
            trial.number for trial in pareto_front(records, [KNN, SIZE])
        }

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("sampler", "objectives"),
        [("nsga2", ["knn_top1", "parameters"]), ("qmc", ["knn_top1", "parameters"]), ("tpe", ["knn_top1"])],
    )
    def test_a_new_driver_goes_on_as_the_old_one_would_have(
        self, tmp_path: Path, sampler: str, objectives: list[str]
    ) -> None:
        space = space_of(sampler, trials=11, startup_trials=4, objectives=objectives)
        whole = carry_out(space).trials()
        url = sqlite_url(tmp_path / "study.db")
        for limit in (3, 8, 11):
            cut = carry_out(space, url, limit=limit).trials()
        assert [(one.values, one.curve, one.state) for one in cut] == [
            (one.values, one.curve, one.state) for one in whole
        ]

    def test_other_objectives_are_another_search(self) -> None:
        space = space_of("nsga2", trials=3)
        ledger = carry_out(space)
        with pytest.raises(
            UsageError, match=r"objectives: expected the same as when the search began: knn_top1, parameters"
        ):
            ledger.reopen(source=toy_space().source, limit=9)


def pareto(space: CheckedSpace) -> tuple[object, ...]:
    return pareto_front(carry_out(space).trials(), space.settings.objectives)
