from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.package_files import find_space
from hico_platform.errors import ConfigError
from tests.unit.config.test_space import write


class TestShipped:
    @pytest.mark.parametrize("text", ["level_weights", "level_weights.yaml"])
    def test_found_by_name(self, text: str) -> None:
        assert find_space(text).name == "level_weights.yaml"

    def test_a_path_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path, "{}", "level_weights.yaml")
        assert find_space("level_weights.yaml").resolve() == tmp_path / "level_weights.yaml"

    @pytest.mark.parametrize("text", ["level_weights.json", "search_spaces/level_weights", "level_weights.yaml.yaml"])
    def test_a_name_with_something_else_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="the name of a space that ships"):
            find_space(text)

    def test_neither_path_nor_name(self) -> None:
        with pytest.raises(ConfigError, match=r"name of a space that ships.*level_weights, optimiser"):
            find_space("mine.yaml")
        with pytest.raises(ConfigError, match=r"did you mean temperature\?"):
            find_space("temprature.yaml")
