from __future__ import annotations

import base64
import dataclasses
import re
from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.report import figures
from hico_platform.report.content import Importance, ReportContent, ReportedTrial, RetrainRow, RetrainTable
from hico_platform.report.page import render, write_page


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
    importance=Importance(shares={"contrast.temperature": 0.7, "model.encoder": 0.3}, epoch=1, trials=2),
    finals=[
        RetrainTable(
            epochs=9,
            facts={"split": "test", "data_digest": "f" * 64},
            rows=[
                RetrainRow(name="untrained encoder", scores={"knn_top1": (0.25, 0.01, 3)}),
                RetrainRow(
                    name="best configuration", scores={"knn_top1": (0.5, None, 1), "transfer_top1": (0.6, 0.02, 3)}
                ),
            ],
        )
    ],
)


class TestPage:
    def test_says_everything(self) -> None:
        page = render(CONTENT)
        for text in ("finished: 3 of 3 trials ended", "trial 0</b>", "52.0 %", "25.0 ± 1.0", "60.0 ± 2.0", ">stopped<"):
            assert text in page
        assert page.count("<svg") == 4
        assert "contrast.temperature = 0.05" in page

    def test_names_what_the_search_went_by(self) -> None:
        scores = {"knn_top1": 0.431, "retrieval_map": 0.52}
        one = trial(0, "complete", {9: 0.52}, metrics=scores)
        page = render(dataclasses.replace(CONTENT, trials=[one], finals=[], metric="retrieval_map", score="mAP"))
        assert "validation mAP 52.0 %" in page
        assert "<th>mAP</th>" in page
        assert "kNN top-1" not in page
        assert (page.count("<td>52.0</td>"), page.count("<td>43.1</td>")) == (1, 1), "each score once, under its name"

    def test_what_users_wrote_is_text(self) -> None:
        page = render(CONTENT)
        assert "&lt;b&gt;and&lt;/b&gt;" in page
        assert '"<script>"' not in page

    def test_brings_nothing_from_elsewhere(self) -> None:
        addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', render(CONTENT))
        assert addresses == []

    def test_figures_of_a_retraining_are_within_the_page(self, tmp_path: Path) -> None:
        (tmp_path / "features.png").write_bytes(b"a picture")
        final = dataclasses.replace(CONTENT.finals[0], figures=[str(tmp_path / "features.png")])
        page = render(dataclasses.replace(CONTENT, finals=[final]))
        assert f'src="data:image/png;base64,{base64.b64encode(b"a picture").decode()}"' in page
        assert str(tmp_path) not in page

    def test_a_search_that_has_only_begun(self) -> None:
        begun = dataclasses.replace(
            CONTENT, trials=[], best=None, importance=None, finals=[], state="running", progress="0 of 3 trials ended"
        )
        page = render(begun)
        assert "running: 0 of 3 trials" in page
        assert "<svg" not in page

    def test_the_same_content_gives_the_same_page(self) -> None:
        assert render(CONTENT) == render(CONTENT)


class TestFigures:
    def test_parameters_that_did_not_vary_are_left_out(self) -> None:
        alike = [dataclasses.replace(one, values={"model.encoder": "gru"}) for one in CONTENT.trials]
        assert figures.parameters(dataclasses.replace(CONTENT, trials=alike)) is None

    def test_names_are_text_in_the_picture(self) -> None:
        svg = figures.parameters(CONTENT)
        assert svg is not None
        assert "contrast.temperature" in svg
        assert "lstm" in svg


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
