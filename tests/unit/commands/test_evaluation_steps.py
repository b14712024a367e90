"""The steps of an evaluation: numbered in order, with what is done of each."""

from __future__ import annotations

import time

from hico_platform.commands.evaluation_report import EvaluationProgress
from hico_platform.commands.evaluation_steps import EvaluationSteps


def test_steps_are_numbered_and_end_with_all_of_their_total() -> None:
    seen: list[EvaluationProgress] = []
    steps = EvaluationSteps(seen.append)
    steps.count = 2
    with steps.step("encoder", "features", total=3):
        steps.alive()
        steps.alive()
    with steps.step("encoder", "knn"):
        steps.alive()
    assert [(now.task, now.number, now.steps, now.done, now.total, now.ended) for now in seen] == [
        ("features", 1, 2, 0, 3, False),
        ("features", 1, 2, 1, 3, False),
        ("features", 1, 2, 2, 3, False),
        ("features", 1, 2, 3, 3, True),
        ("knn", 2, 2, 0, 0, False),
        ("knn", 2, 2, 0, 0, False),
        ("knn", 2, 2, 0, 0, True),
    ]


def test_no_step_is_done_more_than_whole() -> None:
    seen: list[EvaluationProgress] = []
    steps = EvaluationSteps(seen.append)
    with steps.step("encoder", "features", total=1):
        steps.alive()
        steps.alive()
    assert max(now.done for now in seen) == 1


def test_a_part_counts_by_itself_until_the_step_ends() -> None:
    seen: list[EvaluationProgress] = []
    steps = EvaluationSteps(seen.append)
    with steps.step("encoder", "fine-tuning", total=0):
        steps.part("draw 2 of 5", 3, 80)
        steps.alive()
    assert [(now.detail, now.done, now.total) for now in seen] == [
        ("", 0, 0),
        ("draw 2 of 5", 3, 80),
        ("draw 2 of 5", 3, 80),
        ("", 80, 80),
    ]


def test_signs_of_life_between_steps_say_nothing() -> None:
    seen: list[EvaluationProgress] = []
    steps = EvaluationSteps(seen.append)
    steps.alive()
    steps.part("draw 1 of 5", 1, 80)
    assert not seen


def test_a_step_is_timed() -> None:
    steps = EvaluationSteps(lambda now: None)
    with steps.step("encoder", "knn") as step:
        began = time.monotonic()
        while time.monotonic() - began < 0.01:
            pass
    assert 0.01 <= step.seconds < 5
