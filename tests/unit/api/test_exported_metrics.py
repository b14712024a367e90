from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from hico_platform.api.exported_metrics import exported_metrics
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths


def test_they_are_served_where_the_home_says_while_the_search_runs(tmp_path: Path) -> None:
    paths = HomePaths(home=tmp_path)
    with exported_metrics(0, name="toy", paths=paths) as metrics:
        assert metrics is not None
        (found,) = json.loads(paths.metrics("toy").read_text())
        (target,) = found["targets"]
        assert target.startswith("127.0.0.1:")
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as answer:
            assert b"hico_" in answer.read()
    assert not paths.metrics("toy").exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{target}/metrics", timeout=10)


def test_without_a_port_nothing_is_served(tmp_path: Path) -> None:
    with exported_metrics(None, name="toy", paths=HomePaths(home=tmp_path)) as metrics:
        assert metrics is None
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_or_none_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for port, rule in (
            (taken.getsockname()[1], "a port that can be listened on"),
            (70000, "a port from 0 to 65535"),
        ):
            with (
                pytest.raises(UsageError, match=f"metrics_port: expected {rule}"),
                exported_metrics(port, name="toy", paths=HomePaths(home=tmp_path)),
            ):
                pytest.fail("nothing is begun")
