from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from hico_platform.errors import HicoError, Problem
from hico_platform.masking import credentials_in, holds_secret, mask_warnings, masked, secrets_of, without_credentials

SECRETS = ("s3cr3t", "wo/rd", "w@rd")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:s3cr3t@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("postgresql://me:pa/ss3cr3tw@rd@host/db is away", "postgresql://me:***@host/db is away"),
        ("postgresql://host/db?user=me&password=s3cr3t", "postgresql://host/db?user=me&password=***"),
        ("(postgresql://host/db?sslpassword=s3cr3t&x=1)", "(postgresql://host/db?sslpassword=***&x=1)"),
        ("cannot read s3://KEY:s3cr3t@bucket/data", "cannot read s3://KEY:***@bucket/data"),
        ("https://s3cr3t@mlflow.lab/api", "https://***@mlflow.lab/api"),
        ("https://me:s3cr3t@mlflow.lab/", "https://me:***@mlflow.lab/"),
        ("GET https://mlflow.lab/?access_token=s3cr3t&page=2", "GET https://mlflow.lab/?access_token=***&page=2"),
        ("https://x.org/?key=s3cr3t#top", "https://x.org/?key=***#top"),
        ("X-Amz-Signature=s3cr3t&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
        ("host=db user=me password='s3cr3t wo/rd' dbname=x", "host=db user=me password=*** dbname=x"),
        ("Authorization: Bearer s3cr3t", "Authorization: Bearer ***"),
        ("//me:s3cr3t@host/db", "//me:***@host/db"),
        ("password: s3cr3t", "password: ***"),
        ("db_password:s3cr3t, host: x", "db_password:***, host: x"),
        ("{'password': 's3cr3t wo/rd', 'x': 1}", "{'password': ***, 'x': 1}"),
        ('{"api_key": "s3cr3t \\" wo/rd", "x": 1}', '{"api_key": ***, "x": 1}'),
        (r'"{\"token\": \"s3cr3t wo/rd\", \"x\": 1}"', r'"{\"token\": ***, \"x\": 1}"'),
        ("{'token': b's3cr3t wo/rd'}", "{'token': ***}"),
        ('PASSWORD="s3cr3t wo/rd" next', "PASSWORD=*** next"),
        ("PASSWORD='s3cr3t", "PASSWORD=***"),
        ("psql --password s3cr3t --user me", "psql --password *** --user me"),
        ("x --api-key 's3cr3t wo/rd' y", "x --api-key *** y"),
        ("X-Auth-Token: s3cr3t", "X-Auth-Token: ***"),
    ],
)
def test_no_secret_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me@host/db",
        "http://127.0.0.1:5000/#/experiments/1",
        "sqlite:////home/me/study.db",
        "s3://bucket/a/b",
        "RAY_AUTH_MODE=token, tokens of a sequence, me@host",
        "budget.epochs=3 seed=4 knn_top1 0.5",
        "2026-11-28 21:43:07,123 INFO a:b@c me@host me:x@host",
        "epoch: 3, tokens: 512, token_id: 5, passes: 2, pass: 3",
        "{'loss': 'vicreg', \"key\": \"value\", 'epoch': 3}",
        "tokenizers==0.22.1 tiktoken>=0.5 tokenizers === 0.2",
        'password authentication failed for user "me"',
        "ui --token-file /home/me/token --home x",
        "token://x, host:80, sqlite:////me:x@y.db, a//b:c@d",
        "postgresql://token:***@host/db",
        "pkg @ https://host/x@1.0 ssh://git@host/x",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


def test_a_known_secret_is_masked_wherever_it_is() -> None:
    assert set(secrets_of("postgresql://me:a b%21c@host/db?password=other1")) == {
        *("a b%21c", "a b!c", "a%20b%21c", "other1")
    }
    known = secrets_of("postgresql://me:pass word@host/db")
    assert masked("no login for pass word at postgresql://me:pass word@host", secrets=known).count("word") == 0
    assert masked("the cat", secrets=("cat",)) == "the cat", "as short as that it may be any word"


def test_every_problem_masks_all_its_parts() -> None:
    url = "postgresql://me:s3cr3t@host/db"
    error = HicoError(Problem(file=url, field="storage", rule=f"not {url}", value=url, remedy=f"try {url}"))
    assert "s3cr3t" not in str(error)
    assert "s3cr3t" not in str(error.problems[0].as_dict())


def test_warnings_are_masked_where_nobody_set_up_logging() -> None:
    mask_warnings()
    assert logging.lastResort is not None
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "away: %s", ("http://me:s3cr3t@host",), None)
    assert logging.lastResort.format(record) == "away: http://me:***@host"


PASSWORDS = [
    "s3cr3t/w@rd",
    "s3cr3t?x=1",
    "s3cr3t#x",
    "a:s3cr3t",
    "it's s3cr3t",
    's3cr3t"\\',
    "s3cr3t%40",
    "@s3cr3t@",
    "s3cr3t wörd",
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("escaped", [True, False])
def test_what_sqlalchemy_takes_for_the_password_is_known(password: str, escaped: bool) -> None:
    url = f"postgresql+psycopg://me:{quote(password, safe='') if escaped else password}@host:5432/db"
    try:
        found = make_url(url).password
    except (ArgumentError, ValueError):
        found = None
    secrets = secrets_of(url)
    assert not escaped or found in secrets
    for text in (url, f"no login at {url!r}", repr(password), json.dumps({"url": url}, ensure_ascii=False)):
        assert "s3cr3t" not in masked(text, secrets=secrets)
    assert "s3cr3t" not in masked(str(HicoError(Problem(rule="x", value=url, remedy=None))), secrets=secrets)


def test_a_token_in_an_address_of_a_repository() -> None:
    assert masked("git+https://s3cr3t@host/repo") == "git+https://***@host/repo"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://me:s3cr3t@host/x", True),
        ("git+https://s3cr3t@host/x", True),
        ("s3://KEY:s3cr3t@bucket", True),
        ("postgresql://host/db?password=s3cr3t", True),
        ("https://host:8443/repo@v1", False),
        ("git+ssh://git@host/repo@v1", False),
        ("sqlite:////home/me:x@y.db", False),
        ("a folder:with@signs", False),
        ("http://[::1/", False),
    ],
)
def test_credentials_are_told_by_parsing(address: str, expected: bool) -> None:
    assert credentials_in(address) is expected


def test_an_address_for_others() -> None:
    assert without_credentials("https://me:s3cr3t@[::1]:5000/ml/#/x") == "https://[::1]:5000/ml/#/x"


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("postgresql+psycopg://me:hunter@secrettail@127.0.0.1:1/db", "secrettail"),
        ("postgresql+psycopg://me:hunter@secrettail@127.0.0.1:1/db", "hunter"),
        ("https://me:word/secrettail@host/simple", "word"),
        ("me:hunter22@host:5432/db", "hunter22"),
        ("//me:hunter22@host/db", "hunter22"),
        ("postgresql:/me:hunter22@host/db", "me:hunter22"),
    ],
)
def test_what_a_parser_takes_for_a_part_of_the_password_is_known(address: str, part: str) -> None:
    assert part in secrets_of(address)
    assert part not in masked(f"no host {part!r} of {address!r}", secrets=secrets_of(address))


@pytest.mark.parametrize(
    "address",
    ["sqlite:////home/me:x@y.db", "/home/me/a:b@c", "me@host", "host:5432/db", "memory:", "study.db", "s3://bucket/a"],
)
def test_an_address_without_a_password_has_no_secrets(address: str) -> None:
    assert secrets_of(address) == ()


def test_the_name_of_a_field_hides_nothing_of_a_problem() -> None:
    problem = Problem(field="env_vars.API_TOKEN", rule="a text", value="password=s3cr3t", remedy=None)
    assert str(problem) == "env_vars.API_TOKEN: expected a text, got 'password=***'"


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:SEC/RETxyz@bucket/x.zip",
        "https://me:p/w@host/x.whl",
        "https://me:1234567/w@host/x.whl",
        "s3://KEY:8080/w@bucket",
        "git+https://me:p/w@host/repo@v1",
        "--index-url=https://me:p'w@host/",
        "https://host:8443/x?token=p/w",
        "https://host/x?key=abc",
        "//me:p/w@host/x",
        "-x TOKEN=p/w -x A=b",
        "--env PASSWORD=p/w",
        '--env "PASSWORD=p/w"',
        "token=${TOKEN}-p/w",
        "--password p/w",
        "--proxy me:p/w@host:3128",
        '{"password": "p w"}',
        "Authorization: Bearer abc",
    ],
)
def test_a_text_that_holds_a_secret(text: str) -> None:
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "torch==2.13.0",
        "tokenizers==0.22.1",
        "tokenizers=0.22.1",
        "tokenizers=0.22.1=py312h1",
        "tokenizers >= 0.22",
        "pkg @ https://host/x@1.0",
        "ssh://git@host/x",
        "git+ssh://git@host:22/repo@v1",
        "git+https://host:8443/repo@v1",
        "git+https://[::1]:8443/repo@v1",
        "https://host:${PORT}/repo@v1",
        "git+https://github.com/me/repo.git@main#egg=x&subdirectory=y",
        "--index-url https://me:${TOKEN}@host/simple",
        "https://${TOKEN}@host/simple",
        "git+https://me:${TOKEN}@host/repo@v1",
        "s3://${KEY}:${SECRET}@bucket/a@b",
        "--proxy host:3128 --proxy http://host:3128 --proxy me:${PASSWORD}@host",
        "--env PASSWORD=${PASSWORD} --env TOKEN=$TOKEN",
        "--env PASSWORD_FILE=/run/secrets/x --secret id=x",
        "Authorization: Bearer ${TOKEN}",
        "--hash=sha256:abc",
        "docker.io/rayproject/ray:2.50@sha256:abc",
        "/home/me/a@b:c",
        "s3://bucket/code.zip",
        "key: value",
    ],
)
def test_a_text_that_holds_no_secret(text: str) -> None:
    assert not holds_secret(text)
