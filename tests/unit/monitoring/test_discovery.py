from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hico_platform.monitoring.discovery import discoverable


def test_the_file_is_there_while_metrics_are_served_and_not_after_an_error(tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "toy.search.json"
    served = [{"targets": ["127.0.0.1:9"], "labels": {"__scheme__": "http"}}]
    with contextlib.suppress(RuntimeError), discoverable(file, target="127.0.0.1:9", scheme="http"):
        assert json.loads(file.read_text()) == served
        raise RuntimeError
    assert list(file.parent.iterdir()) == []
