from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hico_platform as hico
from hico_platform.api.notebook import EVERY_S, LiveSearch, in_notebook, search_html
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.status import search_status
from tests.toy import FACTS, toy_space
from tests.unit.api.finished import finished_search


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A notebook's kernel; what it shows."""
    shown: list[str] = []

    class Handle:
        def update(self, picture: Any) -> None:
            shown.append(f"update {picture.data}")

    def display(picture: Any, *, display_id: bool) -> Handle:
        shown.append(f"display {picture.data}")
        return Handle()

    html = SimpleNamespace(HTML=lambda data: SimpleNamespace(data=data), display=display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    monkeypatch.setitem(sys.modules, "IPython.display", html)
    return shown


def test_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=SimpleNamespace))
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_one_table_is_drawn_again_and_no_more_often_than_it_can_be_read(kernel: list[str], tmp_path: Path) -> None:
    home = HomePaths(home=finished_search(tmp_path))
    looks: list[int] = []

    def look() -> Any:
        looks.append(1)
        return search_status(home, "example")

    live = LiveSearch()
    live.refresh(look)
    for _ in range(5):
        live.refresh(look)
    assert len(looks) == 1 or EVERY_S < 1
    live.refresh(look, at_once=True)
    assert [text.split()[0] for text in kernel] == ["display", "update"]
    assert "4 of 4 trials ended" in kernel[-1]


def test_a_table_shows_every_trial_and_what_scores_depend_on(tmp_path: Path) -> None:
    text = search_html(search_status(HomePaths(home=finished_search(tmp_path)), "example"))
    assert text.count("<tr>") == 5
    assert "★" in text
    assert "validation subjects of the training split" in text
    for name in ("clip", "temperature", "encoder", "kNN top-1"):
        assert f">{name}</th>" in text


def test_what_others_wrote_is_escaped(tmp_path: Path) -> None:
    facts = replace(FACTS, more={"dataset": "<script>alert(1)</script>"})
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    StudyLedger.create(storage, name="toy", space=toy_space(), facts=facts, limit=1, at_s=0.0)
    text = hico.open_search("toy", home=tmp_path)._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
