from __future__ import annotations

import dataclasses
import io
import itertools

import pytest
from rich.console import Console

from hico_platform.config.space import Objective
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.messages import Activity
from hico_platform.search.task import TrialActivity
from tests.unit.cli.views.test_search_view import picture, trial


class TestPicture:
    """On a screen: never taller or wider, what matters first."""

    TRIALS = (
        [trial(0, TrialState.RUNNING, epoch=3)]
        + [trial(number, TrialState.PRUNED, epoch=1 + number % 7) for number in range(1, 20)]
        + [trial(20, TrialState.COMPLETE, epoch=9), trial(21, TrialState.FAILED)]
        + [trial(number, TrialState.RUNNING) for number in (22, 23)]
    )
    NOTES = ("reports: " + "epoch 1: 4 came; " * 20, "cost: 3 epochs")

    @pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 14, 23, 39])
    @pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 120])
    def test_it_fits(self, width: int, height: int) -> None:
        for count, name in itertools.product([0, 1, 5, 24], ["toy", "n" * 100]):
            shown = picture(self.TRIALS[:count], name=name, notes=self.NOTES, left_s=80.0, elapsed_s=12.0)
            lines = shown.fitting(width=width, height=height)
            assert 1 <= len(lines) <= height
            assert all(line.cell_len <= width and "\n" not in line.plain for line in lines)

    @pytest.mark.parametrize(("width", "height"), [(80, 23), (120, 39), (60, 14), (80, 9)])
    def test_state_counts_best_and_time_come_first_and_trials_at_work_are_shown(self, width: int, height: int) -> None:
        shown = picture(self.TRIALS, notes=self.NOTES, left_s=80.0, elapsed_s=12.0)
        lines = [line.plain for line in shown.fitting(width=width, height=height)]
        head = " ".join(lines[:4])
        for fact in ("toy: running", "21 of 40 trials ended", "3 running", "ETA 1:20", "elapsed 0:12"):
            assert fact in head
        assert "best knn_top1 0.500 (trial 20, epoch 9)" in head
        rows = [line.split() for line in lines if line.split()[1:2] and line.split()[1] in ("running", "stopped")]
        assert {"0", "22", "23"} <= {row[0] for row in rows}

    def test_left_out_are_the_oldest_that_have_ended(self) -> None:
        lines = [line.plain for line in picture(self.TRIALS).fitting(width=80, height=14)]
        heading = next(index for index, line in enumerate(lines) if line.split()[:2] == ["trial", "state"])
        numbers = [int(line.split()[0]) for line in lines[heading + 1 :]]
        assert numbers == sorted(numbers)
        assert numbers[0] == 0
        assert numbers[1:] == list(range(24 - len(numbers) + 1, 24))
        assert f"{24 - len(numbers)} trials are not shown" in "\n".join(lines)
        ended = [line.plain for line in picture(self.TRIALS[1:20]).fitting(width=80, height=14)]
        assert any("earlier trials are not shown" in line for line in ended)

    def test_the_terminal_it_is_printed_to_decides(self) -> None:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, width=60, height=15, color_system=None)
        console.print(picture(self.TRIALS, notes=self.NOTES))
        lines = output.getvalue().splitlines()
        assert len(lines) == 14
        assert max(map(len, lines)) <= 60


@pytest.mark.parametrize("objectives", [(Objective.KNN,), (Objective.KNN, Objective.PARAMETERS)])
def test_in_a_pipe_are_the_same_lines_without_styles(objectives: tuple[Objective, ...]) -> None:
    trials = [
        *(trial(number, state, epoch=number) for number, state in enumerate(TrialState)),
        trial(10, TrialState.RUNNING),
    ]
    for shown in (trials, trials[-1:], []):
        whole = picture(shown, objectives=objectives, notes=("a note", "another"), has_driver=len(shown) > 1)
        assert whole.plain() == [line.plain for line in whole.whole()]


def test_scores_are_shown_by_their_name_and_with_their_noise() -> None:
    noisy = trial(0, TrialState.COMPLETE, epoch=9)
    noisy = dataclasses.replace(noisy, reports=(dataclasses.replace(noisy.reports[-1], standard_error=0.0277),))
    shown = picture([noisy], objectives=(Objective.MAP,))
    assert "best map 0.500±0.028 (trial 0, epoch 9)" in shown.headline
    heading, row = (line.plain for line in shown.whole()[:2])
    assert heading.split()[:4] == ["trial", "state", "epoch", "map"]
    assert "0.500±0.028 *" in row


def test_an_interrupted_trial_keeps_the_epoch_that_it_was_seen_at() -> None:
    """It has saved that epoch: 0 of 9 after a Ctrl-C would say that all is lost."""
    seen = {0: TrialActivity(number=0, doing=Activity.TRAINING, epoch=7)}
    trials = [trial(0, TrialState.RUNNING, epoch=3), trial(1, TrialState.RUNNING)]
    shown = dataclasses.replace(picture(trials, has_driver=False), activities=seen)
    rows = [line.plain.split()[:3] for line in shown.whole()]
    assert ["0", "interrupted", "7/9"] in rows
    assert ["1", "interrupted", "0/9"] in rows
