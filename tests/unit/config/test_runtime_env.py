from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.runtime_env import read_runtime_env
from hico_platform.errors import ConfigError


def test_folders_are_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("py_modules: [../package, s3://bucket/package.zip]\nworking_dir: .\nenv_vars: {A: b}\n")
    assert read_runtime_env(file) == {
        "py_modules": [f"{tmp_path}/../package", "s3://bucket/package.zip"],
        "working_dir": str(tmp_path),
        "env_vars": {"A": "b"},
    }


def test_no_mapping(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("- pip\n")
    with pytest.raises(ConfigError, match="a mapping of runtime environment fields"):
        read_runtime_env(file)


def test_what_is_in_a_file_that_is_none_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("HF=planted-s3cr3t\n")
    with pytest.raises(ConfigError) as refused:
        read_runtime_env(file)
    assert "planted-s3cr3t" not in str(refused.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_runtime_env(tmp_path / "none.yaml")
