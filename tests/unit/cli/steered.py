"""The commands that steer a search without a search: what they ask for, and what they make of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import steer
from hico_platform.commands.steer import Asked
from hico_platform.home import HomePaths
from hico_platform.search.requests import Answer, Request, RequestKind


def request(kind: RequestKind = RequestKind.STOP, **more: Any) -> Request:
    """A request of ann's."""
    return Request(**{"key": "1", "kind": kind, "by": "ann", "host": "desk", "at_s": 0.0, **more})


@dataclass(kw_only=True)
class Steering:
    """Stands for :func:`ask`: keeps what it is called with, and answers ``answer``."""

    answer: Answer | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, paths: HomePaths, name: str, kind: RequestKind, **more: Any) -> Asked:
        """Writes nothing."""
        self.calls.append({"home": str(paths.home), "name": name, "kind": kind, **more})
        given = {key: value for key, value in more.items() if key in ("trial", "count", "values")}
        return Asked(request=request(kind, **given, answer=self.answer), has_driver=True)


@pytest.fixture
def steering(monkeypatch: pytest.MonkeyPatch) -> Steering:
    """What the commands ask while the test runs."""
    found = Steering()
    monkeypatch.setattr(steer, "ask", found.ask)
    return found


def check_search_or_trial(
    command: str, kind: RequestKind, steering: Steering, capsys: pytest.CaptureFixture[str]
) -> None:
    """``stop``, ``pause`` and ``continue``: of a search, or of one of its trials."""
    assert main([command, "toy", "--home", "/h"]) == 0
    assert main([command, "toy", "7", "--wait", "0.5", "--home", "/h"]) == 0
    common = {"home": "/h", "name": "toy", "kind": kind}
    assert steering.calls == [
        {**common, "trial": None, "patience_s": 10.0},
        {**common, "trial": 7, "patience_s": 0.5},
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"toy: {command}: written down; the driver has not answered yet",
        f"toy: {command} trial 7: written down; the driver has not answered yet",
    ]
    steering.answer = Answer(obeyed=False, says="it has ended", at_s=1.0)
    assert main([command, "toy", "7", "--home", "/h"]) == 1
    assert capsys.readouterr().out == f"toy: {command} trial 7: it has ended\n"
    assert main([command, "toy", "seven", "--home", "/h"]) == 2
    error = f"error: TRIAL: expected a whole number, got 'seven'; see hico-platform {command} --help\n"
    assert capsys.readouterr().err == error
    assert main([command, "a/b", "--home", "/h"]) == 2
    assert capsys.readouterr().err.startswith("error: NAME: expected a name of letters, digits, dot, dash and")
    assert len(steering.calls) == 3, "what is refused is not asked"
