from __future__ import annotations

from types import SimpleNamespace

import pytest

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
