from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hico_platform.tracking.mlflow_app import AccessGuard, AccessPolicy

TOKEN = "t0ken-of-the-test"
POLICY = AccessPolicy(names=frozenset({"127.0.0.1", "localhost"}), port=5000, token=TOKEN, session="s3ssion")
COOKIE = ("cookie", "hico-ui-5000=s3ssion")
BEARER = ("authorization", f"Bearer {TOKEN}")
HOST = ("host", "127.0.0.1:5000")
SEARCH, TAG = "/ajax-api/2.0/mlflow/runs/search", "/ajax-api/2.0/mlflow/runs/set-tag"


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    passed: list[dict[str, Any]] = field(default_factory=list)


def ask(
    path: str,
    *headers: tuple[str, str],
    method: str = "GET",
    query: str = "",
    host: Iterable[tuple[str, str]] = (HOST,),
    policy: AccessPolicy = POLICY,
    **more: Any,
) -> Answer:
    """What a guard before an app that answers everything with 200 says to one request."""
    answer = Answer()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answer.passed.append(dict(scope))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"DENY")]})
        await send({"type": "http.response.body", "body": b"of the app"})

    async def receive() -> dict[str, Any]:
        raise AssertionError("the guard reads no body")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"").decode()

    given = [(name.encode(), value.encode("latin-1")) for name, value in (*host, *headers)]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": given, **more}
    asyncio.run(AccessGuard(app, policy=policy)(scope, receive, send))
    assert bool(answer.passed) == (answer.status == 200)
    return answer


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "LocalHost:5000"])
def test_it_is_called_by_the_printed_names(host: str) -> None:
    assert ask("/", COOKIE, host=[("host", host)]).status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("127.0.0.1",),
        ("127.0.0.1:5001",),
        ("10.evil.example",),
        ("10.evil.example:5000",),
        ("127.0.0.1:5000.evil.example",),
        ("evil@127.0.0.1:5000",),
        ("127.0.0.1:5000", "evil.example"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("127.0.0.1:5000, evil.example",),
        ("0.0.0.0:5000",),
        ("[::1]:5000",),
    ],
)
def test_no_other_name_is_answered(hosts: tuple[str, ...]) -> None:
    answer = ask("/", COOKIE, host=[("host", host) for host in hosts])
    assert answer.status == 403
    assert "Open the address that hico-platform ui printed" in answer.body


def test_a_default_port_may_be_left_out_and_ipv6_has_brackets() -> None:
    policy = replace(POLICY, names=frozenset({"[::1]"}), port=443, secure=True)
    assert ask("/", ("cookie", "hico-ui-443=s3ssion"), host=[("host", "[::1]")], policy=policy).status == 200
    assert policy.origins == {"https://[::1]", "https://[::1]:443"}
    assert AccessPolicy(names=frozenset({"a"}), port=80, token=TOKEN).hosts == {"a", "a:80"}


@pytest.mark.parametrize("path", [SEARCH, TAG, "/graphql"])
def test_our_own_page_may_write(path: str) -> None:
    own = ("origin", "http://127.0.0.1:5000"), ("sec-fetch-site", "same-origin")
    assert ask(path, COOKIE, *own, method="POST").status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "header",
    [
        ("origin", "http://127.0.0.1:6000"),
        ("origin", "http://localhost:6000"),
        ("origin", "https://127.0.0.1:5000"),
        ("origin", "http://127.0.0.1:5000.evil.example"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ],
)
def test_pages_of_another_address_or_port_get_nothing(header: tuple[str, str], method: str) -> None:
    answer = ask(SEARCH if method == "POST" else "/get-artifact", COOKIE, BEARER, header, method=method)
    assert answer.status == 403
    assert "another address or port" in answer.body


def test_a_link_elsewhere_may_open_the_page() -> None:
    assert ask("/", COOKIE, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/health", "/version", SEARCH, "/static-files/main.js", "/get-artifact", "/nowhere"]
)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("cookie", "hico-ui-5000=wrong"),),
        (("cookie", "hico-ui-5001=s3ssion"),),
        (("cookie", f"hico-ui-5000={TOKEN}"),),
        (("authorization", "Bearer wrong"),),
        (("authorization", "Bearer "),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", "Bearer t\xf6ken"),),
        (("cookie", "hico-ui-5000=\xff"),),
    ],
)
def test_nothing_is_served_without_the_token(path: str, headers: tuple[tuple[str, str], ...]) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
        answer = ask(path, *headers, method=method)
        assert answer.status == 403
        assert "?token=" in answer.body


@pytest.mark.parametrize(
    "header", [COOKIE, BEARER, ("authorization", f"bearer {TOKEN}"), ("cookie", f"a=b; {COOKIE[1]}")]
)
def test_cookie_and_header_are_served(header: tuple[str, str]) -> None:
    assert ask(SEARCH, header, method="POST").status == 200


def test_a_cookie_of_another_server_beside_ours_does_not_shut_it_out() -> None:
    assert ask("/", ("cookie", f"hico-ui-5000=planted; {COOKIE[1]}")).status == 200


def test_a_token_in_the_address_becomes_a_cookie() -> None:
    answer = ask("/", query=f"token={TOKEN}")
    assert answer.status == 303
    assert answer.headers["location"] == "/"
    assert answer.headers["set-cookie"] == "hico-ui-5000=s3ssion; Path=/; HttpOnly; SameSite=Lax"
    assert answer.headers["cache-control"] == "no-store"
    assert ask("/", query=f"a=%2F&token={TOKEN}&b").headers["location"] == "/?a=%2F&b"
    assert (
        ask("/", query=f"token={TOKEN}", policy=replace(POLICY, secure=True)).headers["set-cookie"].endswith("; Secure")
    )


def test_each_process_has_a_cookie_of_its_own() -> None:
    one, two = (AccessPolicy(names=frozenset({"a"}), port=1, token=TOKEN) for _ in range(2))
    assert one.session != two.session
    assert one.session not in repr(one)
    assert TOKEN not in repr(one)


@pytest.mark.parametrize("query", ["token=", "token=wrong", f"token={TOKEN}&token=x", f"token={TOKEN}x", "token=%ff"])
def test_a_wrong_token_in_the_address(query: str) -> None:
    for headers in ((), (COOKIE,)):
        answer = ask("/", *headers, query=query)
        assert answer.status == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "method"),
    [(SEARCH, "POST"), ("/get-artifact", "GET"), ("/", "POST"), ("/", "HEAD"), ("//evil.example/", "GET")],
)
def test_a_token_in_another_address_opens_nothing(path: str, method: str) -> None:
    assert ask(path, method=method, query=f"token={TOKEN}").status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ajax-api/3.0/mlflow/assistant/config"),
        ("PUT", "/ajax-api/3.0/mlflow/assistant/config"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("GET", "/ajax-api/3.0/mlflow/assistant/sessions/a/stream"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/skills/install"),
        ("POST", "/gateway/x/mlflow/invocations"),
        ("POST", "/gateway/proxy/x/y/z"),
        ("POST", "/ajax-api/3.0/mlflow/gateway/secrets/create"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/3.0/jobs/"),
        ("GET", "/ajax-api/3.0/jobs/x"),
        ("POST", "/api/3.0/mlflow/mcp-servers"),
        ("GET", "/ajax-api/3.0/mlflow/mcp-servers/a/b/versions/1"),
        ("POST", "/v1/traces"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x"),
        ("PUT", "/ajax-api/2.0/mlflow-artifacts/artifacts/x/y"),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/x"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/x"),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact"),
        ("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url"),
        ("POST", "/ajax-api/2.0/mlflow/webhooks"),
        ("POST", "/ajax-api/3.0/mlflow/scorers/register"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
        ("POST", "/ajax-api/3.0/mlflow/genai/evaluate/invoke"),
        ("POST", "/ajax-api/3.0/mlflow/demo/generate"),
    ],
)
def test_other_parts_of_mlflow_are_refused_to_whoever_has_the_token(method: str, path: str) -> None:
    answer = ask(path, BEARER, method=method)
    assert answer.status == 403
    assert "does not serve this part of MLflow" in answer.body


ASSISTANT = "/ajax-api/3.0/mlflow/assistant/config"


@pytest.mark.parametrize(
    "path",
    [
        "/" + ASSISTANT,
        "//" + SEARCH,
        ASSISTANT.replace("/mlflow/", "//mlflow/"),
        ASSISTANT.replace("/mlflow/", "/./mlflow/"),
        "/static-files/.." + ASSISTANT,
        "/static-files/../../secrets",
        "/static-files/a/../b",
        "/static-files/..",
        "/static-files//etc/passwd",
        "/static-files/..\\..\\x",
        ASSISTANT.upper(),
        "/AJAX-API/2.0/mlflow/runs/search",
        ASSISTANT.replace("/assistant", "%2fassistant"),
        ASSISTANT.replace("assistant", "%61ssistant"),
        "/mlflow" + ASSISTANT,
        SEARCH + "/",
        SEARCH + "\n",
        SEARCH + "\x00",
        SEARCH + ";x",
        "/prefix" + SEARCH,
        "http://127.0.0.1:5000" + SEARCH,
        "*",
        "",
        "/ajax-api/2.0/mlflow/runs/search/../set-tag",
        "/ajax-api/9.0/mlflow/runs/search",
        "/ajax-api/2.0/mlflow/users/current",
        "/metrics",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_spelling_of_a_path_gets_around_it(path: str) -> None:
    for method in ("GET", "POST", "PUT", "HEAD"):
        answer = ask(path, BEARER, method=method)
        assert answer.status in {403, 404}, path
    assert ask(SEARCH, BEARER, method="POST", root_path="/ajax-api").status == 404


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "post", "GET\n", "PROPFIND"])
def test_no_method_gets_around_it(method: str) -> None:
    assert ask(SEARCH, BEARER, method=method).status == 405


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "x-method-override", "x-original-url", "x-forwarded-prefix"]
)
def test_the_app_learns_neither_secrets_nor_claims(name: str) -> None:
    answer = ask(SEARCH, BEARER, COOKIE, (name, "DELETE"), ("accept", "a"), method="POST")
    assert [header for header, _ in answer.passed[0]["headers"]] == [b"host", b"accept"]


READS = [("GET", "/"), ("HEAD", "/"), ("GET", "/get-artifact"), ("GET", "/ajax-api/2.0/mlflow/artifacts/list")] + [
    ("POST", path)
    for path in (
        "/graphql",
        SEARCH,
        "/api/2.0/mlflow/runs/search",
        "/ajax-api/2.0/mlflow/experiments/search",
        "/ajax-api/2.0/mlflow/experiments/search-datasets",
        "/ajax-api/2.0/mlflow/logged-models/search",
        "/ajax-api/2.0/mlflow/registered-models/get-latest-versions",
        "/ajax-api/3.0/mlflow/traces/search",
    )
]
WRITES = [
    ("POST", TAG),
    ("POST", "/api/2.0/mlflow/runs/set-tag"),
    ("POST", "/ajax-api/2.0/mlflow/runs/delete"),
    ("POST", "/ajax-api/2.0/mlflow/runs/update"),
    ("POST", "/ajax-api/2.0/mlflow/experiments/update"),
    ("POST", "/ajax-api/2.0/mlflow/registered-models/alias"),
    ("DELETE", "/ajax-api/2.0/mlflow/registered-models/alias"),
    ("PATCH", "/ajax-api/2.0/mlflow/model-versions/update"),
    ("PATCH", "/ajax-api/2.0/mlflow/logged-models/m-1/tags"),
    ("DELETE", "/ajax-api/2.0/mlflow/logged-models/m-1/tags/a"),
]


def test_pages_that_are_only_for_reading() -> None:
    only = replace(POLICY, read_only=True)
    for method, path in READS:
        assert ask(path, COOKIE, method=method, policy=only).status == 200, path
        assert ask(path, COOKIE, method=method).status == 200, path
    for method, path in WRITES:
        refused = ask(path, COOKIE, method=method, policy=only)
        assert refused.status == 403
        assert "--read-only" in refused.body
        assert ask(path, COOKIE, method=method).status == 200, path


def test_answers_keep_the_pages_to_themselves() -> None:
    for answer in (ask("/", COOKIE), ask("/")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin", "no-referrer would make Origin null"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert ask("/", COOKIE).headers["x-frame-options"] == "DENY", "the app's own stays"
    assert ask("/").headers["connection"] == "close", "a refused body is not waited for"


def test_web_sockets_are_closed_and_the_apps_start_is_not_run() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it is not called")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {}

    guard = AccessGuard(app, policy=POLICY)
    for kind in ("websocket", "lifespan"):
        scope = {
            "type": kind,
            "path": SEARCH,
            "headers": [(b"host", b"127.0.0.1:5000"), (b"cookie", COOKIE[1].encode())],
        }
        asyncio.run(guard(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
