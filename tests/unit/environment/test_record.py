from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from hico_platform.environment import record
from hico_platform.environment.checkout import Checkout
from hico_platform.environment.devices import Gpu
from hico_platform.environment.record import (
    Environment,
    differences,
    environment_at,
    keep_environment,
    kept_in,
    read_environment,
    this_environment,
)

CHECKOUT = Checkout(commit="c" * 40, branch="main", diff="+a\n", digest="d" * 64, untracked=("new.py",))
ONE = Environment(
    packages=("numpy==2.0", "torch==2.8"),
    command="hico-platform search",
    at_s=10.0,
    python="3.12.1",
    system="Linux 6 x86_64",
    processor="AMD EPYC",
    cpus=2,
    gpus=(Gpu(model="NVIDIA H200", uuid="GPU-1"), Gpu(model="NVIDIA H200", uuid="GPU-2")),
    driver="570.1",
    variables={"OMP_NUM_THREADS": "2", "HICO_HOME": "/home/me"},
    checkout=CHECKOUT,
)


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> list[Environment]:
    """What there is around the process now: the last of a list."""
    environments = [ONE]

    def now(*, command: str = "", at_s: float = 0.0) -> Environment:
        return dataclasses.replace(environments[-1], command=command, at_s=at_s)

    monkeypatch.setattr(record, "this_environment", now)
    return environments


def test_a_record_is_read_as_it_was_written(tmp_path: Path, around: list[Environment]) -> None:
    (folder,) = keep_environment(tmp_path, command=ONE.command, at_s=ONE.at_s)
    assert folder == tmp_path / "environment"
    assert sorted(file.name for file in folder.iterdir()) == ["diff.patch", "environment.json", "packages.txt"]
    assert read_environment(folder) == ONE
    assert (folder / "packages.txt").read_text() == "numpy==2.0\ntorch==2.8\n"
    assert (folder / "diff.patch").read_text() == "+a\n"
    assert json.loads((folder / "environment.json").read_text())["command"] == "hico-platform search"


def test_a_run_that_goes_on_adds_a_record_where_something_is_not_as_it_was(
    tmp_path: Path, around: list[Environment]
) -> None:
    first = keep_environment(tmp_path, at_s=10.0)
    around.append(dataclasses.replace(ONE, variables={"OMP_NUM_THREADS": "2", "HICO_HOME": "/elsewhere"}))
    assert keep_environment(tmp_path, command="--resume", at_s=20.0) == first
    around.append(dataclasses.replace(ONE, packages=("numpy==2.0", "torch==2.9"), checkout=None))
    second = keep_environment(tmp_path, at_s=30.0)
    assert [folder.name for folder in second] == ["environment", "environment-2"]
    (tmp_path / "environments").mkdir()
    (tmp_path / "environment-x").mkdir()
    (tmp_path / "environment-10").mkdir()  # without a record
    assert kept_in(tmp_path) == second
    for at_s, packages in ((5.0, ONE.packages), (29.0, ONE.packages), (30.0, ("numpy==2.0", "torch==2.9"))):
        found = environment_at(tmp_path, at_s)
        assert found is not None
        assert found.packages == packages


def test_differences_name_what_may_change_numbers() -> None:
    assert differences(ONE, ONE) == {}
    now = dataclasses.replace(
        ONE,
        packages=("Torch==2.9", "scipy==1.14"),
        python="3.13.0",
        gpus=(Gpu(model="NVIDIA L4"),),
        driver=None,
        cpus=4,
        variables={"HICO_HOME": "/elsewhere", "HICO_KERNELS": "off"},
        checkout=dataclasses.replace(CHECKOUT, digest=""),
    )
    assert differences(ONE, now) == {
        "uncommitted changes": ("sha256 dddddddddddd", None),
        "python": ("3.12.1", "3.13.0"),
        "cpus": (2, 4),
        "gpus": ("2 NVIDIA H200", "NVIDIA L4"),
        "driver": ("570.1", None),
        "package numpy": ("2.0", None),
        "package scipy": (None, "1.14"),
        "package torch": ("2.8", "2.9"),
        "HICO_KERNELS": (None, "off"),
        "OMP_NUM_THREADS": ("2", None),
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "checkout": null, "gpus": [3]}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "environment.json").write_text(text)
    assert read_environment(folder) is None
    assert environment_at(tmp_path, 0.0) is None
    assert environment_at(tmp_path / "none", 0.0) is None


@pytest.mark.slow
def test_this_process_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_NOTIFY_KEY", "hunter2")
    found = this_environment(command="me", at_s=1.0)
    assert found.python == ".".join(str(part) for part in sys.version_info[:3])
    assert any(one.startswith("torch==") for one in found.packages)
    assert "hunter2" not in str(found.files())
    assert found.cpus >= 1
    assert differences(found, this_environment()) == {}
