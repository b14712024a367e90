from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.run_log import RunLog
from hico_platform.cli.views.search_picture import SearchPicture, endings, shown_measures, shown_values
from hico_platform.cli.views.search_view import SearchView
from hico_platform.config.space import CheckedSpace, Objective
from hico_platform.enums import Decision
from hico_platform.errors import HicoError, Problem
from hico_platform.search.events import TrialBegan, TrialReported
from hico_platform.search.ledger.base import Ending, Origin, ReportRecord, TrialRecord, TrialState, best_trial
from hico_platform.search.messages import Activity
from hico_platform.search.objectives import pareto_front
from hico_platform.search.phases import Phase
from hico_platform.search.state import search_progress
from hico_platform.search.task import TrialActivity
from tests.toy import toy_space
from tests.unit.cli.test_search import SPACE, carry_out, memory


class TestView:
    def test_plain_lines_where_there_is_no_terminal(self, tmp_path: Path) -> None:
        output = io.StringIO()
        with SearchView(space=SPACE, limit=5, name="toy", output=Output(Console(file=output, width=200))) as view:
            trials = carry_out(memory(), tmp_path, view, fail=4)
        text = output.getvalue()
        assert "trial 0 begins: temperature 0.2, encoder transformer" in text
        assert "trial 0 epoch 1/9 knn_top1 0.077 continue" in text
        assert "trial 4 failed: ValueError: no" in text
        assert "trial 4 failed: ValueError: no at epoch 0 | 5 of 5 trials ended" in text
        assert f"finished, {len(trials)} of 5 trials ended" in view.picture().headline
        assert "\x1b" not in text

    def test_a_live_table_on_a_terminal(self, tmp_path: Path) -> None:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, width=140, height=40)
        with SearchView(space=SPACE, limit=5, name="toy", output=Output(console)) as view:
            carry_out(memory(), tmp_path, view)
        text = output.getvalue()
        for word in ("trial", "encoder", "parameters", "epoch", "knn_top1", "state", "complete", "stopped", "elapsed"):
            assert word in text
        assert "5 of 5 trials ended" in text

    def test_what_was_known_before_counts(self, tmp_path: Path) -> None:
        ledger, output = memory(), io.StringIO()
        trials = carry_out(ledger, tmp_path, lambda event: None)
        view = SearchView(space=SPACE, limit=9, name="toy", output=Output(Console(file=output, width=200)))
        view.on_start(ledger.search, trials)
        assert "5 of 5 trials ended" in view.picture().headline

    def test_several_objectives_show_their_front(self, tmp_path: Path) -> None:
        objectives = [Objective.KNN, Objective.PARAMETERS]
        trials = [
            dataclasses.replace(
                trial,
                state=TrialState.COMPLETE,
                reports=(dataclasses.replace(trial.reports[-1], value=value, measures=(value, size)),),
            )
            for trial, (value, size) in zip(
                carry_out(memory(), tmp_path, lambda event: None)[:3], ((0.5, 9e3), (0.6, 1e4), (0.4, 2e4)), strict=True
            )
        ]
        front = pareto_front(trials, objectives)
        heading, *rows = picture(trials, best=trials[1], objectives=objectives, front=front, limit=3).whole()
        assert heading.plain.split()[:5] == ["trial", "state", "epoch", "knn_top1", "size"]
        assert rows[0].plain.split()[3:6] == ["0.500", "+", "9,000"]
        assert rows[1].plain.split()[3:7] == ["0.600", "+", "*", "10,000"]
        assert rows[2].plain.split()[3:5] == ["0.400", "20,000"]
        assert shown_measures((0.5, 9e3), objectives) == "knn_top1 0.500, parameters 9,000"

    def test_values(self) -> None:
        assert (
            shown_values({"contrast.temperature": 0.123456, "model.encoder": "gru"}) == "temperature 0.123, encoder gru"
        )

    def test_what_was_stopped_when(self, tmp_path: Path) -> None:
        text = ", ".join(endings(carry_out(memory(), tmp_path, lambda event: None, fail=4)))
        assert "stopped at epoch 1" in text
        assert "complete" in text
        assert text.endswith("1 failed")

    def test_a_trial_taken_up_says_what_is_known_and_no_epoch_that_it_may_not_go_on_from(self) -> None:
        output = io.StringIO()
        view = SearchView(space=SPACE, limit=5, name="toy", output=Output(Console(file=output, width=200)))
        view(TrialBegan(trial=trial(0, TrialState.RUNNING, epoch=4)))
        assert "trial 0 taken up again, last report at epoch 4: temperature 0.1" in output.getvalue()
        assert "continues" not in output.getvalue()
        view.on_start(memory().search, [trial(1, TrialState.RUNNING)])
        view(TrialBegan(trial=trial(1, TrialState.RUNNING)))
        view(TrialBegan(trial=trial(2, TrialState.RUNNING)))
        assert "trial 1 taken up again: temperature" in output.getvalue()
        assert "trial 2 begins: temperature" in output.getvalue()

    @pytest.mark.parametrize(
        ("error", "state", "word"),
        [
            (None, "running, 1 of 5 trials ended, 1 running", "starting"),
            (KeyboardInterrupt(), "interrupted, 1 of 5 trials ended, 1 interrupted", "interrupted"),
            (
                HicoError(Problem(rule="a cluster that lives", remedy=None)),
                "interrupted, 1 of 5 trials ended, 1 interrupted",
                "interrupted",
            ),
        ],
    )
    def test_what_is_left_on_the_screen_is_the_state_in_which_the_search_is_left(
        self, error: BaseException | None, state: str, word: str
    ) -> None:
        view = SearchView(space=SPACE, limit=5, name="toy", output=Output(Console(file=io.StringIO())))
        for one in (trial(0, TrialState.COMPLETE), trial(1, TrialState.RUNNING)):
            view._trials[one.number] = one
        if error is not None:
            view.__exit__(type(error), error, None)
        lines = [line.plain for line in view.picture().whole()]
        assert f"toy: {state}" in lines[-1]
        assert lines[2].split()[:2] == ["1", word]

    @pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
    def test_every_trial_is_on_the_terminal_when_the_search_ends(self, error: BaseException | None) -> None:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, width=80, height=10, color_system=None)
        view = SearchView(space=SPACE, limit=30, name="toy", output=Output(console))
        view._trials = {number: trial(number, TrialState.COMPLETE) for number in range(30)}
        view.__enter__()
        output.truncate(0)
        view.__exit__(None if error is None else type(error), error, None)
        shown = output.getvalue()
        lines = shown.splitlines()
        rows = [line for line in lines if "  complete" in line]
        assert [int(line.split()[0]) for line in rows] == list(range(30))
        assert all(len(line) <= 80 and "temperature" in line for line in rows), "a line a trial"

    def test_a_terminal_that_cannot_be_drawn_anew_gets_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "dumb")
        output = io.StringIO()
        with SearchView(
            space=SPACE, limit=5, name="toy", output=Output(Console(file=output, force_terminal=True, width=80))
        ) as view:
            view(TrialBegan(trial=trial(0, TrialState.RUNNING)))
            assert "trial 0 begins" in output.getvalue()


class TestWhatMovesMeanwhile:
    def view(self, output: io.StringIO, *, space: CheckedSpace = SPACE, **more: object) -> SearchView:
        return SearchView(space=space, limit=5, name="toy", output=Output(Console(file=output, width=200), **more))

    def test_phases_are_named_when_they_begin_until_a_report_comes(self) -> None:
        output = io.StringIO()
        view = self.view(output)
        for phase in (Phase.LIBRARIES, Phase.RAY, Phase.RAY, Phase.WORKERS):
            view.phase(phase)
        view(TrialBegan(trial=trial(0, TrialState.RUNNING)))
        for doing, epoch in ((Activity.KERNELS, None), (Activity.TRAINING, None), (Activity.TRAINING, 1)):
            view.activity(TrialActivity(number=0, doing=doing, epoch=epoch))
        phases = [line.partition("] ")[2] for line in output.getvalue().splitlines() if "trial 0" not in line]
        assert phases == [
            "loading libraries", "starting Ray", "starting workers", "compiling and checking kernels",
            "training to the first report",
        ]  # fmt: skip
        assert "training to the first report" in view.picture().phase
        report = trial(0, TrialState.RUNNING, epoch=1).reports[0]
        view(TrialReported(number=0, report=report))
        view.activity(TrialActivity(number=0, doing=Activity.TRAINING, epoch=2))
        assert view.picture().phase == ""

    def test_the_making_of_a_dataset_is_a_phase_with_the_time_left(self) -> None:
        output = io.StringIO()
        view = self.view(output)
        for done in (0, 50, 100):
            view.making("embedded", done, 100)
        lines = [line.partition("] ")[2] for line in output.getvalue().splitlines()]
        assert lines == ["making the embedded dataset", "made the embedded dataset: 100 recordings in 0:00"]

    def test_a_running_trial_shows_what_its_heartbeats_tell(self) -> None:
        view = self.view(io.StringIO())
        for number in range(3):
            view(TrialBegan(trial=trial(number, TrialState.RUNNING)))
        view.activity(TrialActivity(number=0, doing=Activity.KERNELS, epoch=None))
        view.activity(TrialActivity(number=1, doing=Activity.TRAINING, epoch=7))
        rows = [line.plain.split()[:3] for line in view.picture().whole()[1:4]]
        assert rows == [["0", "compiling", "0/9"], ["1", "running", "7/9"], ["2", "starting", "0/9"]]
        assert view.picture().left_s is not None, "an estimate by epochs"

    def test_a_trial_that_trained_for_longer_is_no_new_best_by_a_lower_score(self) -> None:
        output = io.StringIO()
        view = self.view(output, space=toy_space(trials=5, scheduler={"name": "none", "report_every": 1}))
        for number in (0, 1):
            view(TrialBegan(trial=trial(number, TrialState.RUNNING)))
        for number, epoch, value in ((0, 1, 0.5), (1, 2, 0.3), (0, 3, 0.5)):
            report = dataclasses.replace(trial(0, TrialState.RUNNING, epoch=1).reports[0], epoch=epoch, value=value)
            view(TrialReported(number=number, report=report))
        shown = [line for line in output.getvalue().splitlines() if "now the best trial" in line]
        assert [line.split("epoch ")[1].split("/")[0] for line in shown] == ["1", "3"]

    def test_a_report_without_a_decision_is_in_the_log_alone(self, tmp_path: Path) -> None:
        space = toy_space(trials=5, scheduler={"name": "asha", "grace_epochs": 2, "report_every": 1})
        output = io.StringIO()
        log = RunLog()
        log.open(tmp_path / "search.log")
        view = self.view(output, space=space, log=log)
        view(TrialBegan(trial=trial(0, TrialState.RUNNING)))
        for report in trial(0, TrialState.RUNNING, epoch=4).reports:
            view(TrialReported(number=0, report=report))
        shown = [line for line in output.getvalue().splitlines() if "/9" in line]
        assert [line.split("epoch ")[1].split("/")[0] for line in shown] == ["1", "2"], "now the best, and a rung"
        assert ["now the best trial" in line for line in shown] == [True, False]
        logged = (tmp_path / "search.log").read_text()
        assert [f"epoch {epoch}/9" in logged for epoch in (1, 2, 3, 4)] == [True] * 4

    def test_quiet_shows_no_progress(self, tmp_path: Path) -> None:
        output = io.StringIO()
        view = self.view(output, quiet=True)
        view.phase(Phase.RAY)
        carry_out(memory(), tmp_path, view)
        assert output.getvalue() == ""

    def test_a_heartbeat_line_says_how_far_all_is(self) -> None:
        output = io.StringIO()
        view = self.view(output)
        view.phase(Phase.RAY)
        view._beat()
        assert "toy: starting Ray (0:00), 0 of 5 trials ended" in output.getvalue()
        view(TrialBegan(trial=trial(0, TrialState.RUNNING)))
        view._phase.end()
        view._beat()
        assert "toy: running, 0 of 5 trials ended, 1 running" in output.getvalue()

    @pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (120, 40)])
    def test_no_line_is_wider_or_taller_than_the_screen(self, width: int, height: int) -> None:
        view = self.view(io.StringIO())
        view.phase(Phase.REPORTS)
        for number in range(30):
            view(TrialBegan(trial=trial(number, TrialState.RUNNING)))
        lines = view.picture().fitting(width=width, height=height - 1)
        assert max(len(line.plain) for line in lines) <= width
        assert len(lines) <= height - 1
        assert any("training to the first report" in line.plain for line in lines)


def trial(number: int, state: TrialState, *, epoch: int = 0) -> TrialRecord:
    """A trial of many parameters, with a report where it has an epoch."""
    values = {f"contrast.temperature{part or ''}": 0.1 for part in range(9)} | {"model.encoder": "transformer"}
    reports = [
        ReportRecord(
            epoch=at, value=0.5, metrics={}, history=(), decision=Decision.CONTINUE, checkpoint=Path(""), at_s=1.0
        )
        for at in range(1, epoch + 1)
    ]
    return TrialRecord(
        number=number,
        state=state,
        values=values,
        origin=Origin.SAMPLER,
        began_at_s=0.0,
        reports=tuple(reports),
        ending=Ending(state=state, epoch=epoch, at_s=9.0) if state.is_final else None,
    )


def picture(trials: Sequence[TrialRecord], *, limit: int = 40, **more: object) -> SearchPicture:
    options = {"name": "toy", "epochs": 9, "best": best_trial(trials), "has_driver": True} | more
    progress = search_progress(trials, limit=limit, max_failures=3, has_driver=True, has_ended=False)
    return SearchPicture(progress=progress, trials=trials, **options)
