from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hico_platform.errors import UsageError
from hico_platform.report import page as page_module
from hico_platform.report.content import ReportContent, ReportedTrial, RetrainRow, RetrainTable
from hico_platform.report.page import render, write_page
from tests.reported import many_trials


def trial(number: int, state: str, curve: dict[int, float], **more: object) -> ReportedTrial:
    values = {"contrast.temperature": 0.05 * (number + 1), "model.encoder": ("gru", "lstm")[number % 2]}
    defaults = {
        "origin": "sampler", "values": values, "metrics": {}, "seconds": 12.4, "reason": None, "run_id": None,
    }  # fmt: skip
    return ReportedTrial(
        number=number, state=state, word={"pruned": "stopped"}.get(state, state), curve=curve, **(defaults | more)
    )


CONTENT = ReportContent(
    name="toy",
    description="temperatures <b>and</b> encoders",
    state="finished",
    progress="3 of 3 trials ended",
    ended_by=None,
    limit=3,
    epochs=9,
    rungs=[1, 3],
    trials=[
        trial(0, "complete", {1: 0.2, 3: 0.3, 9: 0.52}, metrics={"knn_top1": 0.52, "transfer_top1": 0.61}),
        trial(1, "pruned", {1: 0.1}, metrics={"knn_top1": 0.1, "transfer_top1": 0.41}),
        trial(2, "failed", {}, reason='ValueError: "<script>"'),
    ],
    best=0,
    facts={"protocol": "xsub", "data digest": "abc123"},
    finals=[
        RetrainTable(
            epochs=9,
            facts={"split": "test", "data_digest": "f" * 64},
            headings={"knn_top1": "1-NN", "transfer_top1": "transfer"},
            rows=[
                RetrainRow(name="untrained encoder", scores={"knn_top1": (0.25, 0.01, 3)}),
                RetrainRow(
                    name="best configuration", scores={"knn_top1": (0.5, None, 1), "transfer_top1": (0.6, 0.02, 3)}
                ),
            ],
        )
    ],
)


class Reader(HTMLParser):
    """The texts of a page by the id of the element that they are in, its tables, and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.addresses: list[str] = []
        self.text = ""
        self._in_cell = self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.addresses += [named[name] or "" for name in ("src", "href") if name in named]
        self._hidden = tag in ("script", "style") or self._hidden
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._hidden = self._hidden and tag not in ("script", "style")
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data.strip() if not data.strip() else data
        if not self._hidden:
            self.text += f" {' '.join(data.split())}"

    def table(self, *headings: str) -> list[list[str]]:
        """The rows of the one table with such first headings."""
        (found,) = [one for one in self.tables if tuple(one[0][: len(headings)]) == headings]
        return found[1:]


SECTIONS = (
    "best", "history", "curves", "rungs", "parallel", "weights", "importance", "slices", "cost", "trials", "final",
    "figures", "failures", "reproduce",
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without Plotly's five megabytes."""
    monkeypatch.setattr(page_module, "_plotly", lambda: "/* plotly */")


class TestPage:
    def test_has_every_section_and_each_id_once(self) -> None:
        for content in (CONTENT, many_trials(60), dataclasses.replace(CONTENT, trials=[], best=None, finals=[])):
            ids = Reader(render(content)).ids
            assert [one for one in ids if one in SECTIONS] == list(SECTIONS)
            assert len(ids) == len(set(ids))

    def test_says_everything(self) -> None:
        text = Reader(render(CONTENT)).text
        for part in ("finished 3 of 3 trials ended", "trial 0 at epoch 9", "52.0 %", "25.0 ± 1.0", "60.0 ± 2.0"):
            assert part in text
        assert "ValueError" in text

    def test_the_table_has_each_trial_as_the_ledger_has_it(self) -> None:
        content = many_trials(60)
        rows = Reader(render(content)).table("trial", "state", "epoch", "kNN top-1, %")
        assert len(rows) == 60
        for row, one in zip(rows, content.trials, strict=True):
            assert row[:3] == [str(one.number), one.word, str(one.epoch)]
            assert row[3] == ("" if one.value is None else f"{100 * one.value:.1f} ± 1.5")
            metrics = [one.metrics.get(name) for name in ("recognition_top1", "retrieval_map", "transfer_top1")]
            assert row[4:7] == ["" if value is None else f"{100 * value:.1f}" for value in metrics]
            assert row[7] == f"{one.values['contrast.level_weights.clip']:.3g}"

    def test_names_what_the_search_went_by(self) -> None:
        scores = {"knn_top1": 0.431, "retrieval_map": 0.52}
        one = trial(0, "complete", {9: 0.52}, metrics=scores)
        page = render(dataclasses.replace(CONTENT, trials=[one], finals=[], metric="retrieval_map", score="mAP"))
        reader = Reader(page)
        assert "validation mAP of trial 0" in reader.text
        assert "kNN top-1" not in page
        ((_, _, _, score, knn, *_),) = reader.table("trial", "state", "epoch", "mAP, %")
        assert (score, knn) == ("52.0", "43.1"), "each score once, under its name"

    def test_what_users_wrote_is_text(self) -> None:
        page = render(CONTENT)
        assert "&lt;b&gt;and&lt;/b&gt;" in page
        assert '"<script>"' not in page

    def test_asks_no_server(self) -> None:
        page = render(CONTENT)
        assert [one for one in Reader(page).addresses if not one.startswith("#")] == []
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        rules = dict(rule.split(" ", 1) for rule in html.unescape(policy[1]).split("; "))
        assert rules["default-src"] == "'none'"
        scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
        assert rules["script-src"].split() == [f"'sha256-{one}'" for one in hashes]

    def test_figures_of_a_retraining_are_within_the_page(self, tmp_path: Path) -> None:
        (tmp_path / "retrieval.png").write_bytes(b"a picture")
        final = dataclasses.replace(CONTENT.finals[0], figures=[str(tmp_path / "retrieval.png")])
        page = render(dataclasses.replace(CONTENT, finals=[final]))
        assert f'src="data:image/png;base64,{base64.b64encode(b"a picture").decode()}"' in page
        assert str(tmp_path) not in page

    def test_a_search_that_has_only_begun(self) -> None:
        begun = dataclasses.replace(
            CONTENT, trials=[], best=None, finals=[], state="running", progress="0 of 3 trials ended"
        )
        page = render(begun)
        assert "running 0 of 3 trials" in Reader(page).text
        assert plots_of(page) == {}

    def test_the_same_content_gives_the_same_page(self) -> None:
        assert render(CONTENT) == render(CONTENT)

    def test_parameters_are_named_as_people_named_them(self) -> None:
        page = render(many_trials(60))
        assert "level weight: clip" in page
        assert ".share" not in page

    @pytest.mark.slow
    def test_every_plot_is_one_of_plotlys_schema(self) -> None:
        import plotly.graph_objects as go

        for figure in plots_of(render(many_trials(60))).values():
            if figure["kind"] == "plotly":
                text = json.dumps(figure["data"])
                go.Figure(data=json.loads(re.sub(r"var\\(--[a-z-]+\\)", "red", text)), layout=figure["layout"] | _PLAIN)


_PLAIN = {"shapes": []}


def plots_of(page: str) -> dict[str, dict[str, Any]]:
    """The plots of a page by name."""
    found = re.search(r'<script type="application/json" id="plot-data">(.*?)</script>', page, flags=re.DOTALL)
    assert found is not None
    plots: dict[str, dict[str, Any]] = json.loads(found[1])
    return plots


class TestSideBySide:
    def test_searches_have_ids_of_their_own_and_one_table(self) -> None:
        one, other = many_trials(60, name="one"), many_trials(60, name="other", seed=1)
        reader = Reader(render(one, other))
        assert len(reader.ids) == len(set(reader.ids))
        assert {f"s{n}-{section}" for n in (0, 1) for section in SECTIONS} <= set(reader.ids)
        rows = reader.table("search", "state", "score", "best, %", "95 % interval")
        for row, content in zip(rows, (one, other), strict=True):
            best = content.best_trial
            assert best is not None
            assert best.value is not None
            assert row[3] == f"{100 * best.value:.1f}"
            assert row[4] == f"{100 * (best.value - 1.96 * 0.015):.1f} to {100 * (best.value + 1.96 * 0.015):.1f}"
        assert "scores can be compared" in reader.text

    def test_another_protocol_is_a_warning(self) -> None:
        one = many_trials(10, name="one")
        other = dataclasses.replace(one, name="other", facts={**one.facts, "protocol": "xview"})
        assert "differ in protocol: their scores cannot be compared" in Reader(render(one, other)).text


class TestWriting:
    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        file = tmp_path / "deep" / "report.html"
        write_page("one", file, overwrite=False)
        assert file.read_text() == "one"
        assert [path.name for path in file.parent.iterdir()] == ["report.html"]

    def test_a_users_file_is_never_overwritten_unasked(self, tmp_path: Path) -> None:
        file = tmp_path / "report.html"
        file.write_text("mine")
        with pytest.raises(
            UsageError, match=r"--out: expected a file that does not exist yet, got .*; give another, or --force"
        ):
            write_page("one", file, overwrite=False)
        assert file.read_text() == "mine"
        write_page("one", file, overwrite=True)
        assert file.read_text() == "one"
