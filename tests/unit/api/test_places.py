from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.api.places import assignments_of, paths_of, tracking_of
from hico_platform.config.yaml_loader import parse_yaml
from hico_platform.errors import UsageError


@pytest.mark.parametrize(
    "value",
    [3, 0.25, 1e-7, True, None, "lstm", "a: b # c", [1, 2.5], {"low": 0.1, "high": 0.3}, "", "yes", "1e3"],
)
def test_a_value_is_read_back_as_it_was_given(value: object) -> None:
    (text,) = assignments_of({"some.field": value})
    name, _, written = text.partition("=")
    assert name == "some.field"
    read = parse_yaml(written).data
    assert read == value
    assert type(read) is type(value)


def test_numbers_of_numpy_and_paths() -> None:
    assert assignments_of({"a": np.float32(0.5), "b": np.int64(2), "c": Path("x y")}) == ["a=0.5", "b=2", 'c="x y"']


def test_as_the_commands_take_them() -> None:
    assert assignments_of(["budget.epochs=3", "trials=2"]) == ["budget.epochs=3", "trials=2"]
    assert assignments_of("trials=2") == ["trials=2"]
    assert assignments_of(None) == []
    with pytest.raises(UsageError, match=r"set\['a'\]: expected a number, a text"):
        assignments_of({"a": np.zeros(3)})


def test_places_are_those_of_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_HOME", str(tmp_path / "variable"))
    assert paths_of(None).home == tmp_path / "variable"
    assert paths_of(tmp_path).home == tmp_path
    assert paths_of(tmp_path).storage is None
    monkeypatch.setenv("HICO_STORAGE", "postgresql://host/db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host")
    assert (paths_of(tmp_path).storage, paths_of(tmp_path).tracking) == ("postgresql://host/db", "http://host")
    assert paths_of(tmp_path, tracking="http://other").tracking == "http://other"


def test_a_registered_model_of_a_home_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a model of a tracking store"):
        tracking_of("models:/mine@champion", paths_of(tmp_path))
    assert not (tmp_path / "mlflow.db").exists()
    assert tracking_of("models:/mine@champion", paths_of(tmp_path, tracking="http://host")) == "http://host"
