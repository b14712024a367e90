from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.test_space import messages


class TestMistakes:
    @pytest.mark.parametrize(
        ("simplex", "message"),
        [
            (
                "{simplex: [clip, part], sum: 4, low: 2.5}",
                ".low: expected below 2, so that 2 weights can sum to 4, got 2.5; take low below 2, or a larger sum",
            ),
            (
                "{simplex: [clip, part], sum: 4, high: 1.5}",
                ".high: expected above 2, so that 2 weights can sum to 4, got 1.5; take high above 2, or a smaller sum",
            ),
            ("{simplex: [clip, part], sum: 4, low: 3, high: 2.5}", ".low: expected at most high 2.5, got 3; swap them"),
            ("{simplex: [clip, clip]}", ".simplex[1]: expected each weight once, got 'clip'; remove one of the two"),
            (
                "{simplex: [clip, domains]}",
                ".simplex[1]: expected one of clip, part, domain, instance, got 'domains'; did you mean domain?",
            ),
            (
                "{simplex: [clip]}",
                ".simplex: expected at least two weights, got ['clip']; write [clip, part, domain, instance]",
            ),
            ("{simplex: [clip, part], sum: 0}", ".sum: expected a number above 0, got 0; correct it"),
            ("{simplex: [clip, part], sum: .inf}", ".sum: expected a number above 0, got inf; write a finite number"),
            ("{simplex: [clip, part], low: -1}", ".low: expected a number at least 0, got -1; correct it"),
            (
                "{simplex: [clip, part], high: .nan}",
                ".high: expected a number at least 0, got nan; write a finite number",
            ),
            ("{simplex: [clip, part], sum: null}", ".sum: expected a number above 0; correct it"),
            (
                "{simplex: [clip, part], total: 4}",
                ".total: expected a known key, got 'total'; use one of simplex, sum, low, high, when",
            ),
        ],
    )
    def test_weights_that_cannot_sum(self, tmp_path: Path, simplex: str, message: str) -> None:
        expected = f"space.yaml:2: search.contrast.level_weights{message}"
        assert messages(tmp_path, f"contrast.level_weights: {simplex}") == [expected]
