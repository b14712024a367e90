"""What ``ui --optuna`` passes on: a study is the record of a search, of which only notes may change."""

from __future__ import annotations

import re

import pytest

from hico_platform.tracking.mlflow_routes import Access
from hico_platform.tracking.optuna_routes import OPTUNA


@pytest.mark.parametrize(
    ("method", "path", "access"),
    [
        ("GET", "/", Access.READ),
        ("GET", "/dashboard/studies/1", Access.READ),
        ("GET", "/api/studies/1/param_importances", Access.READ),
        ("PUT", "/api/studies/1/note", Access.WRITE),
        ("PUT", "/api/studies/1/7/note", Access.WRITE),
        ("DELETE", "/api/studies/1", Access.REFUSED),
        ("POST", "/api/studies/1/rename", Access.REFUSED),
        ("POST", "/api/studies", Access.WRONG_METHOD),
        ("POST", "/api/trials/1/tell", Access.REFUSED),
        ("POST", "/api/llm/trial_filter_query", Access.REFUSED),
        ("POST", "/api/artifacts/1", Access.REFUSED),
        ("POST", "/incompatible-rdb-schema", Access.REFUSED),
        ("GET", "/ajax-api/2.0/mlflow/runs/get", Access.UNKNOWN),
    ],
)
def test_each_request_has_its_kind(method: str, path: str, access: Access) -> None:
    assert OPTUNA.access_of(method, path) is access


def test_no_route_of_optuna_dashboard_writes_but_those_of_notes() -> None:
    optuna = pytest.importorskip("optuna")
    dashboard = pytest.importorskip("optuna_dashboard._app", reason="the extra dashboard is not installed")
    app = dashboard.create_app(optuna.storages.InMemoryStorage())
    routes = {(route.method, re.sub(r"<[^>]+>", "1", route.rule.replace("<:re:(/.*)?>", ""))) for route in app.routes}
    assert len(routes) > 20
    found = {route: OPTUNA.access_of(*route) for route in routes}
    assert Access.UNKNOWN not in found.values(), "a route that nobody has looked at: list it"
    writing = {route for route, access in found.items() if access in (Access.READ, Access.WRITE) and route[0] != "GET"}
    assert writing == {("PUT", "/api/studies/1/note"), ("PUT", "/api/studies/1/1/note")}
