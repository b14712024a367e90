from __future__ import annotations

import argparse

import pytest

from hico_platform.cli.tasks_option import task_names


def test_names_are_separated_by_commas_and_there_is_at_least_one() -> None:
    assert task_names("semi, occlusion,") == ("semi", "occlusion")
    with pytest.raises(argparse.ArgumentTypeError, match="expected names of tasks, quick or all, got none"):
        task_names(" , ")
