from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from hico_platform.home import mlflow_uri
from hico_platform.tracking import mlflow_client
from hico_platform.tracking.mlflow_client import ENVIRONMENT
from hico_platform.tracking.mlflow_tracker import MlflowTracker


def test_the_end_of_a_run_prints_no_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    client = MlflowTracker(uri="http://me:s3cr3t@127.0.0.1:1", artifacts=None)._client
    info = SimpleNamespace(experiment_id="1", run_name="toy")
    store = client._tracking_client.store
    monkeypatch.setattr(store, "get_run", lambda _: SimpleNamespace(info=info, data=SimpleNamespace(tags={})))
    monkeypatch.setattr(store, "update_run_info", lambda *_, **__: None)
    client.set_terminated("a")
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_database_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    code = (
        "import sys; from hico_platform.tracking.mlflow_tracker import MlflowTracker\n"
        "MlflowTracker(uri=sys.argv[1], artifacts=None).check('toy')\n"
        "MlflowTracker(uri=sys.argv[1], artifacts=None).runs('toy')\n"
    )
    making = subprocess.Popen([sys.executable, "-c", code, mlflow_uri(tmp_path)])
    new, end_s = tmp_path / ".mlflow.db.new", time.monotonic() + 60
    while not (new.exists() and tables(new) > 20):
        assert making.poll() is None
        assert time.monotonic() < end_s
        time.sleep(0.01)
    making.kill()
    making.wait()
    assert not (tmp_path / "mlflow.db").exists()
    assert MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=None).runs("toy") == {}
    assert sorted(path.name for path in tmp_path.glob("*mlflow.db*") if "-" not in path.name) == ["mlflow.db"]


def test_another_ones_database_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mlflow.db"

    def beside(uri: str) -> object:
        with closing(sqlite3.connect(file)) as other:  # on a file system without locks
            other.execute("CREATE TABLE theirs (a)")
        return client(uri)

    client = mlflow_client._client
    monkeypatch.setattr(mlflow_client, "_client", beside)
    mlflow_client._make(file)
    assert tables(file) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def tables(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        try:
            return int(store.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        except sqlite3.OperationalError:  # which is being written
            return 0
