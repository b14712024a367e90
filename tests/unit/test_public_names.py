"""What ``import hico_platform`` gives."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import hico_platform as hico
from hico_platform.errors import HicoError

SLOW = {"IPython", "mlflow", "numpy", "optuna", "pandas", "plotly", "pydantic", "ray", "rich", "torch", "yaml"}


@pytest.mark.parametrize("name", hico.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(hico, name)
    assert name in dir(hico)
    assert name.startswith("__") or inspect.getdoc(found)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        hico.serach  # noqa: B018


def test_importing_it_imports_nothing_slow() -> None:
    code = "import sys, hico_platform; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not SLOW & set(loaded)


def test_errors_are_one_tree() -> None:
    errors = [getattr(hico, name) for name in hico.__all__ if name.endswith("Error")]
    assert len(errors) == 6
    assert all(issubclass(error, HicoError) for error in errors)


def test_public_functions_document_every_parameter_and_what_they_raise() -> None:
    for name in ("evaluate", "load_dataset", "open_search", "prepare_dataset", "pretrain", "retrain", "search"):
        function = getattr(hico, name)
        text = inspect.getdoc(function) or ""
        missing = [one for one in inspect.signature(function).parameters if f"{one}" not in text]
        assert not missing, f"{name}: {missing}"
        assert "Raises:" in text
        assert "Example" in text or name == "prepare_dataset"
