"""The compose file's services from installed packages: databases upgraded, backed up and restored, and (``make stack``,
some minutes) a search and a retraining through restarts of PostgreSQL and MLflow."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.failed_restores import check_failed_restores
from tests.e2e.s3_store import s3_store
from tests.e2e.stack import Stack
from tests.e2e.test_retrain import SMALL

pytestmark = pytest.mark.e2e

TRIALS = 3
LIMIT_S = 300
BUCKET = "s3://hico/artifacts"
SECRETS = ("postgres_superuser", "hico_database", "mlflow_database", "mlflow_auth", "mlflow_credentials")
OLDER = """
import sys
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = sqlalchemy.create_engine(sys.argv[1])
Base.metadata.create_all(engine)
config = _get_alembic_config(sys.argv[1])
last, before, *_ = ScriptDirectory.from_config(config).walk_revisions()
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, before.revision)
print(before.revision, last.revision)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name, since sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="hico-s-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def databases(folder: Path) -> Iterator[Stack]:
    """PostgreSQL alone, with both databases upgraded, the tracking database from the version before."""
    pytest.importorskip("flask_wtf", reason="MLflow's basic-auth needs Flask-WTF: pip install 'hico-platform[server]'")
    stack = Stack(folder)
    try:
        start_databases(stack)
        yield stack
    finally:
        stack.close()


@pytest.fixture
def stack(folder: Path) -> Iterator[Stack]:
    """All services but the driver."""
    pytest.importorskip("flask_wtf", reason="MLflow's basic-auth needs Flask-WTF: pip install 'hico-platform[server]'")
    with s3_store() as endpoint:
        stack = Stack(folder, artifacts=BUCKET if endpoint else None, endpoint=endpoint or "")
        (stack.secrets / "artifacts_s3").write_text(
            "[default]\naws_access_key_id = key\naws_secret_access_key = secret\n"
        )
        try:
            stack.start("head")
            start_databases(stack)
            stack.start("mlflow")
            stack.wait_for_ray()
            stack.start("worker")
            stack.wait_for_mlflow()
            yield stack
        finally:
            stack.close()


def start_databases(stack: Stack) -> None:
    stack.start("postgres")
    made = subprocess.run(
        [sys.executable, "-c", OLDER, stack.environment("upgrade")["HICO_TRACKING_DATABASE"]],
        env=stack.environment("mlflow"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    older, newest = made.stdout.split()
    assert older in version(stack)
    stack.upgrade()
    assert newest in version(stack)


def version(stack: Stack) -> str:
    return stack.sql("mlflow", stack.secret("mlflow_database"), "mlflow", "SELECT version_num FROM alembic_version")


def restart(stack: Stack) -> None:
    """As machines do it to services: MLflow by SIGKILL, PostgreSQL as ``docker stop`` ends its image."""
    stack.stop("mlflow", signal.SIGKILL)
    stack.stop("postgres", signal.SIGINT)
    time.sleep(1)
    stack.start("postgres")
    stack.start("mlflow")


def through_a_restart(stack: Stack, first: list[str], again: list[str], *, begun: Callable[[], bool]) -> str:
    """A command of the driver's, restarts in its middle, and the command that makes up for what is missing."""
    driver = stack.driver(*first)
    deadline = time.monotonic() + LIMIT_S
    while not begun():
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < deadline, stack.log("worker")
        time.sleep(0.1)
    restart(stack)
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode in {0, 1}, output
    assert "Traceback" not in output
    stack.wait_for_mlflow()
    driver = stack.driver(*again)
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, output
    return output


def request(stack: Stack, route: str, *, password: str | None, **fields: Any) -> Any:
    """An answer of MLflow's API, or the status of its refusal."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{stack.ports['mlflow']}/api/2.0/mlflow/{route}",
        data=json.dumps(fields).encode(),
        headers={"Content-Type": "application/json"},
    )
    if password is not None:
        asked.add_header("Authorization", "Basic " + base64.b64encode(f"hico:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code


def runs(stack: Stack, experiment: str) -> list[dict[str, Any]]:
    password = stack.secret("mlflow_credentials")
    found = request(stack, "experiments/search", password=password, max_results=100)["experiments"]
    (number,) = [one["experiment_id"] for one in found if one["name"] == experiment]
    answer = request(stack, "runs/search", password=password, experiment_ids=[number], max_results=100)
    return list(answer["runs"])


def seen_by_trials(stack: Stack) -> bytes:
    """Environments and command lines of all processes of the head and the workers."""
    listing = subprocess.run(["ps", "-eo", "pid,sess"], check=True, capture_output=True, text=True).stdout
    leaders = {stack.running[name].pid for name in ("head", "worker")}
    seen = b""
    for line in listing.splitlines()[1:]:
        pid, session = map(int, line.split())
        for file in ("environ", "cmdline") if session in leaders else ():
            try:
                seen += Path(f"/proc/{pid}/{file}").read_bytes()
            except OSError:
                continue
    return seen


def test_databases_are_upgraded_apart_and_restored_from_a_backup(databases: Stack) -> None:
    check_roles(databases)
    ask(databases, "hico", "INSERT INTO studies (study_id, study_name) VALUES (1, 'mine')")
    ask(databases, "hico", "INSERT INTO trials (trial_id, number, study_id, state) VALUES (1, 0, 1, 'COMPLETE')")
    ask(databases, "mlflow", "INSERT INTO experiments (name, workspace) VALUES ('mine', 'default')")
    (databases.folder / "hico" / "tiny").mkdir()
    weights = databases.folder / "artifacts" / "weights"
    weights.write_text("1 2 3")
    whole = check_backup(databases)
    assert ["mine" in part for part in whole[:3]] == [True, False, True]
    assert weights.read_text() == "1 2 3"


@pytest.mark.skipif("HICO_STACK" not in os.environ, reason="takes minutes: make stack")
def test_a_search_and_a_retraining_through_restarts_and_a_restored_backup(stack: Stack) -> None:
    check_roles(stack)
    for password in (None, "wrong"):
        assert request(stack, "experiments/search", password=password, max_results=1) == 401
    data = stack.folder / "hico" / "tiny"
    made = stack.driver("data", "synth", "--preset", "tiny", "--out", str(data))
    assert made.wait(timeout=LIMIT_S) == 0, made.communicate()[0]
    address = ["--address", f"127.0.0.1:{stack.ports['ray']}"]
    looked = b""

    def at_work() -> bool:
        nonlocal looked
        count = ask(stack, "hico", "SELECT count(*) FROM trial_intermediate_values").strip()
        looked = seen_by_trials(stack)
        return count.isdigit() and int(count) > 0

    settings = [word for value in SMALL for word in ("--set", value)]
    through_a_restart(
        stack,
        ["search", "--space", "level_weights.yaml", "--name", "small", "--data", str(data), "--trials", str(TRIALS),
         *settings, *address],
        ["search", "--resume", "--name", "small", *address],
        begun=at_work,
    )  # fmt: skip
    found = runs(stack, "small")
    tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in found]
    assert sorted(tag["hico.kind"] for tag in tags) == ["search"] + ["trial"] * TRIALS
    assert {run["info"]["status"] for run in found} == {"FINISHED"}
    assert {tag["hico.uploads"] for tag in tags if tag["hico.kind"] == "trial"} == {"kept"}

    retrain = ["retrain", "small", "--seeds", "1", "--json", *address]
    before = set(data.parent.rglob("*"))
    output = through_a_restart(stack, retrain, retrain, begun=lambda: bool(set(data.parent.rglob("*")) - before))
    assert (
        json.loads(output[output.index('{"') if '{"' in output else output.index("{\n") :])["champion"]["version"] == 1
    )

    check_secrets(stack, looked)
    if "s3://" in " ".join(stack.words("mlflow")):
        assert not list((stack.folder / "artifacts").iterdir()), "artifacts went to the S3 store"
    stack.stop("mlflow", signal.SIGKILL)
    whole = check_backup(stack)
    stack.upgrade()
    assert state(stack) == whole, "what is up to date stays"
    status = stack.driver("status", "small", "--json")
    assert json.loads(status.communicate(timeout=LIMIT_S)[0])["state"] == "finished"


def ask(stack: Stack, role: str, statement: str, database: str | None = None) -> str:
    """What a role's database answers."""
    return stack.sql(role, stack.secret(f"{role}_database"), database or role, statement)


def check_roles(stack: Stack) -> None:
    """No role is a superuser or opens the other's database."""
    assert ask(stack, "hico", "SELECT rolname FROM pg_roles WHERE rolsuper").split() == ["postgres"]
    assert "permission denied for database" in ask(stack, "hico", "SELECT 1", "mlflow")
    assert "permission denied for database" in ask(stack, "mlflow", "SELECT 1", "hico")
    assert "authentication failed" in stack.sql("hico", "wrong", "hico", "SELECT 1")


def check_secrets(stack: Stack, looked: bytes) -> None:
    """No secret of the stores in what trials could see, in the home, or in Ray's session."""
    assert b"RAY_AUTH_TOKEN_PATH" in looked
    assert b"HICO_STORAGE" not in looked
    for name in SECRETS:
        secret = stack.secret(name)
        assert secret.encode() not in looked, name
        for folder in ("hico", "ray", "artifacts", "tmp"):
            grep = ["grep", "-rlaF", "--devices=skip", secret, str(stack.folder / folder)]
            assert subprocess.run(grep, capture_output=True, text=True, check=False).stdout == "", name


def state(stack: Stack) -> list[str]:
    """What a backup is to keep."""
    return [
        ask(stack, "hico", "SELECT study_name FROM studies ORDER BY 1"),
        ask(stack, "hico", "SELECT trial_id, state FROM trials ORDER BY 1"),
        ask(stack, "mlflow", "SELECT name FROM experiments ORDER BY 1"),
        ask(stack, "hico", "SELECT count(*), sum(intermediate_value) FROM trial_intermediate_values"),
        ask(stack, "mlflow", "SELECT key, step, value FROM metrics ORDER BY 1, 2, 3"),
        ask(stack, "mlflow", "SELECT name, version FROM model_versions"),
        ask(stack, "mlflow", "SELECT username FROM users"),
        ask(stack, "mlflow", "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"),
        "\n".join(
            f"{file} {file.stat().st_size if file.is_file() else ''}"
            for name in ("hico", "artifacts")
            for file in sorted((stack.folder / name).rglob("*"))
        ),
    ]


def check_backup(stack: Stack) -> list[str]:
    """Both databases and the files are as they were, whatever became of them; a broken backup is not restored."""
    whole = state(stack)
    assert not [part for part in whole if "ERROR" in part]
    stack.maintenance("backup", "tonight")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
        stack.maintenance("backup", "tonight")
    ask(stack, "hico", "DROP TABLE trial_intermediate_values; UPDATE trials SET state = 'FAIL'")
    ask(stack, "mlflow", "UPDATE experiments SET name = 'broken'; CREATE TABLE of_a_newer_version (a int)")
    shutil.rmtree(stack.folder / "hico" / "tiny")
    for file in filter(Path.is_file, (stack.folder / "artifacts").iterdir()):
        file.write_text("broken")
    broken = state(stack)
    assert broken != whole
    dump = stack.folder / "backups" / "tonight" / "mlflow.dump"
    kept = dump.read_bytes()
    dump.write_bytes(kept[:-1])
    with pytest.raises(subprocess.CalledProcessError):
        stack.maintenance("restore", "tonight")
    assert state(stack) == broken
    dump.write_bytes(kept)
    check_failed_restores(stack, "tonight", state)
    stack.maintenance("restore", "tonight")
    assert [file.name for file in (stack.folder / "backups").iterdir()] == ["tonight"]
    assert state(stack) == whole
    return whole
