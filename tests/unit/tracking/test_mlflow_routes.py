from __future__ import annotations

import pytest

from hico_platform.tracking.mlflow_routes import Access, access_of


@pytest.mark.parametrize(
    "path",
    [
        "/static-files/..%2f..%2fetc/passwd",
        "/static-files/%2E%2E/x",
        "/static-files/a%5cb",
        "/static-files/a%00",
        "/static-files/../x",
        "/static-files/a//b",
        "/static-files/a\\b",
        "/ajax-api/2.0/mlflow/logged-models/a%2Fb",
    ],
)
def test_a_path_that_somebody_may_read_otherwise_is_not_served(path: str) -> None:
    assert access_of("GET", path) is Access.UNKNOWN


@pytest.mark.parametrize("path", ["/static-files/js/main.5f.js", "/static-files/100%", "/static-files/50%-off.js"])
def test_a_plain_path_is_served(path: str) -> None:
    assert access_of("GET", path) is Access.READ
