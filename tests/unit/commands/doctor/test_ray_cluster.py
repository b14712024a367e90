from __future__ import annotations

from pathlib import Path

from hico_platform.commands.doctor import ray_cluster
from hico_platform.errors import Problem, UsageError
from tests.unit.commands.doctor.around import around, seen


def refusing(reason: str) -> ray_cluster.Join:
    def join(address: str) -> str:
        raise UsageError(Problem(field="--address", rule="a cluster", value=f"{address} ({reason})", remedy="check it"))

    return join


def test_a_cluster_of_another_version_is_wrong(tmp_path: Path) -> None:
    reason = "Version mismatch: The cluster was started with Ray: 2.9.0"
    (found,) = ray_cluster.check(around(tmp_path, address="auto"), join=refusing(reason))
    assert str(found.grade) == "wrong"
    assert found.remedy == "install the same Ray and Python on all machines of the cluster, this one included"


def test_one_that_is_away_is_wrong(tmp_path: Path) -> None:
    (found,) = ray_cluster.check(around(tmp_path, address="head:6379"), join=refusing("Connection refused"))
    assert (str(found.grade), found.found, found.remedy) == ("wrong", "head:6379 (Connection refused)", "check it")


def test_one_that_is_there(tmp_path: Path) -> None:
    assert seen(ray_cluster.check(around(tmp_path, address="auto"), join=lambda address: "Ray 2.60")) == [
        ("ray", "good", "Ray 2.60")
    ]
    assert not list(ray_cluster.check(around(tmp_path), join=refusing("none")))


def test_its_token_is_there_and_nobody_elses(tmp_path: Path) -> None:
    def found(**environment: str) -> tuple[str, str]:
        here = around(tmp_path, address="auto", HOME=str(tmp_path), **environment)
        ((about, grade, _),) = seen(ray_cluster.check_token(here))
        return about, grade

    assert found() == ("token", "wrong")
    assert found(RAY_AUTH_TOKEN="t") == ("token", "good")
    assert found(RAY_AUTH_MODE="disabled") == ("token", "warning")
    file = tmp_path / "token"
    file.write_text("t")
    file.chmod(0o644)
    assert found(RAY_AUTH_TOKEN_PATH=str(file)) == ("token", "wrong")
    file.chmod(0o600)
    assert found(RAY_AUTH_TOKEN_PATH=str(file)) == ("token", "good")
    assert not list(ray_cluster.check_token(around(tmp_path)))
