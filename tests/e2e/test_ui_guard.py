"""What ``hico-platform ui`` serves, and to whom: other accounts of a machine connect to loopback as its owner does."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from hico_platform.tracking.mlflow_routes import Access, access_of
from tests.mlflow_store import mlflow_home

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, kw_only=True)
class Served:
    process: subprocess.Popen[str]
    port: int
    token: str
    folder: Path
    run_id: str

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, text, {"content-type": "application/json", **given})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}

    def files(self) -> set[Path]:
        return {file for place in ("current", "user") for file in (self.folder / place).rglob("*")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("ui")
    home, current, user = (folder / name for name in ("home", "current", "user"))
    tracker = mlflow_home(home)
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(run_id, "hello", name="a.txt")
    current.mkdir()
    user.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "hico_platform", "ui", "--home", str(home), "--port", str(port)]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "HOME": str(user), "PYTHONPATH": paths}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, cwd=current, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(rf"http://127\.0\.0\.1:{port}/\?token=([\w-]+)#/experiments/1/runs", line)
            assert found, line
            yield Served(process=process, port=port, token=found[1], folder=folder, run_id=run_id)
        finally:
            process.kill()


def test_another_account_of_the_machine_gets_nothing(served: Served) -> None:
    before = served.files()
    provider = {"model": "m", "selected": True, "base_url": "http://127.0.0.1:9", "permissions": {"full_access": True}}
    assistant = "/ajax-api/3.0/mlflow/assistant"
    attacks: list[tuple[str, str, object]] = [
        ("PUT", f"{assistant}/config", {"providers": {"ollama": provider}}),
        ("GET", f"{assistant}/config", None),
        ("POST", f"{assistant}/message", {"message": "run id"}),
        ("GET", f"{assistant}/sessions/00000000-0000-0000-0000-000000000000/stream", None),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", b"planted"),
        ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}),
        ("POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": served.run_id, "key": "planted", "value": "x"}),
        ("GET", f"/get-artifact?path=a.txt&run_uuid={served.run_id}", None),
        ("GET", "/", None),
        ("GET", "/health", None),
    ]
    for method, path, body in attacks:
        assert served.ask(method, path, body)[0] == 403, path
        assert served.ask(method, path, body, authorization="Bearer guessed")[0] == 403, path
    own = {"authorization": f"Bearer {served.token}"}
    for method, path, body in attacks[:5]:
        assert served.ask(method, path, body, **own)[0] == 403, "whoever has the token needs none of it"
    assert served.ask("GET", "/", None, **own, host="10.evil.example")[0] == 403
    assert served.files() == before
    assert "planted" not in served.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={served.run_id}", **own)[1].decode()


def test_arguments_that_all_can_see_hold_no_secret(served: Served) -> None:
    command = Path(f"/proc/{served.process.pid}/cmdline")
    if not command.exists():
        pytest.skip("no /proc here")
    assert served.token not in command.read_text()
    assert "mlflow.db" not in command.read_text()


def test_who_opens_the_printed_address_can_do_everything(served: Served) -> None:
    status, _, headers = served.ask("GET", f"/?token={served.token}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].partition(";")[0]
    page = {"cookie": cookie, "origin": f"http://127.0.0.1:{served.port}"}
    status, body, headers = served.ask("GET", "/", **page)
    assert status == 200
    assert b"<html" in body
    script = re.search(rb'src="(static-files/[^"]+\.js)"', body)
    assert script
    assert served.ask("GET", f"/{script[1].decode()}", **page)[0] == 200
    note = {"run_id": served.run_id, "key": "mlflow.note.content", "value": "worth a look"}
    assert served.ask("POST", "/ajax-api/2.0/mlflow/runs/set-tag", note, **page)[0] == 200
    answer = served.ask("POST", "/ajax-api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}, **page)
    assert "worth a look" in answer[1].decode()
    assert served.ask("GET", f"/get-artifact?path=a.txt&run_uuid={served.run_id}", **page)[1] == b"hello"
    elsewhere = {"cookie": cookie, "origin": "http://127.0.0.1:1"}
    assert served.ask("POST", "/ajax-api/2.0/mlflow/runs/set-tag", note, **elsewhere)[0] == 403


def test_mlflows_client_works_with_the_token(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", served.token)
    client = MlflowClient(f"http://127.0.0.1:{served.port}")
    client.set_tag(served.run_id, "by", "client")
    assert client.get_run(served.run_id).data.tags["by"] == "client"
    assert [file.path for file in client.list_artifacts(served.run_id)] == ["a.txt"]
    client.create_registered_model("champion")
    client.create_model_version("champion", source=f"runs:/{served.run_id}/model", run_id=served.run_id)
    client.set_registered_model_alias("champion", "best", "1")
    assert client.get_model_version_by_alias("champion", "best").version == "1"
    client.rename_registered_model("champion", "former")
    client.delete_run(served.run_id)
    client.restore_run(served.run_id)


def test_ctrl_c_ends_it(served: Served) -> None:  # the last that asks it
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(60) == 130
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", served.port), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.1)
    pytest.fail("something listens still")


def routes_of_mlflow() -> Iterator[tuple[str, str]]:
    """All methods and paths of the installed MLflow's apps."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    for rule in flask_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield method, re.sub(r"<path:[^>]+>", "a/b", rule.rule)
    for route in _leaves(app.routes):
        if type(route).__name__ != "Mount":
            methods = route.methods or {"WEBSOCKET"}
            yield from ((method, re.sub(r"\{[^}]+:path\}", "a/b", route.path)) for method in methods)


def _leaves(routes: Any) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "effective_candidates"):  # a router that FastAPI looks into when it is asked
            yield from _leaves(route.effective_candidates())
        else:
            yield route


@pytest.mark.filterwarnings("ignore")
def test_each_route_of_mlflow_is_served_or_refused_by_name() -> None:
    """Fails when a newer MLflow has routes that nobody has looked at: list them as served or as refused."""
    routes = {(method, re.sub(r"<[^>]+>|\{[^}]+\}", "x", path)) for method, path in routes_of_mlflow()}
    assert len(routes) > 400
    found = {route: access_of(*route) for route in routes}
    assert {route for route, access in found.items() if access in {Access.UNKNOWN, Access.WRONG_METHOD}} == set()
    served = {path for (_, path), access in found.items() if access in {Access.READ, Access.WRITE}}
    words = (
        r"assistant|gateway|jobs|mcp|otel|v1/|invocations|invoke|proxy|mlflow-artifacts|upload|presigned|webhook|scorer"
    )
    assert [path for path in served if re.search(words, path)] == []
