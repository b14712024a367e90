from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from types import ModuleType

import pytest

import hico_platform
from hico_platform.callable_package import make_callable

CALLABLE = ("evaluate", "retrain", "search")


@pytest.mark.parametrize("name", CALLABLE)
def test_the_package_is_the_function_too(name: str) -> None:
    package = getattr(hico_platform, name)
    assert isinstance(package, ModuleType)
    assert package is sys.modules[f"hico_platform.{name}"]
    assert "progress" in inspect.signature(package).parameters
    assert package.__doc__ == package._function.__doc__
    assert pickle.loads(pickle.dumps(package)) is package


def test_it_calls_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made_for_this")
    monkeypatch.setitem(sys.modules, "made_for_this", made)
    make_callable("made_for_this", function="operator:sub")
    assert made(5, 3) == 2  # type: ignore[operator]


def test_importing_what_lies_in_a_package_leaves_it_callable() -> None:
    code = (
        "import hico_platform.search.state, hico_platform as hico\n"
        "import hico_platform.search.eta as eta\n"
        "assert callable(hico.search) and eta.epochs_spent(()) == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
