from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hico_platform
from hico_platform import export
from hico_platform.commands import encoder
from hico_platform.errors import DataError, HicoError, UsageError
from hico_platform.tracking import registered_model
from hico_platform.tracking.base import TrackingError, TrackingRefused
from tests.unit.commands.trained import trained_in


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that an encoder is read from, which are told apart by where they are."""
    folders: list[Path] = []
    monkeypatch.setattr(export, "load_encoder", folders.append)
    return folders


def test_an_exported_folder_is_read_where_it_is(tmp_path: Path, read: list[Path]) -> None:
    hico_platform.load_encoder(str(tmp_path))
    hico_platform.load_encoder(tmp_path)
    assert read == [tmp_path, tmp_path]


def test_a_model_s_folder_is_looked_at_first(tmp_path: Path, read: list[Path]) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: evil}}")
    with pytest.raises(DataError, match="evil"):
        hico_platform.load_encoder(tmp_path)
    assert not read


@pytest.mark.parametrize("named", ["argument", "MLFLOW_TRACKING_URI", "HICO_HOME"])
def test_a_registered_model_comes_from_the_store_that_is_named(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[Path]
) -> None:
    stores: list[str] = []

    def fetched(tracker: object, uri: str, into: Path) -> Path:
        stores.append(tracker.uri)  # type: ignore[attr-defined]
        return into / uri

    monkeypatch.setattr(registered_model, "fetch_registered", fetched)
    (tmp_path / "mlflow.db").touch()
    store = f"sqlite:///{tmp_path}/mlflow.db"
    if named != "argument":
        monkeypatch.setenv(named, str(tmp_path) if named == "HICO_HOME" else store)
    encoder.load_encoder("models:/x@champion", tracking=store if named == "argument" else None)
    assert stores == [store]
    assert not read[0].parent.exists(), "what was downloaded is removed"


@pytest.mark.parametrize(
    ("error", "becomes", "says"),
    [
        (TrackingRefused("no such model"), UsageError, "MLFLOW_TRACKING_URI, HICO_HOME"),
        (TrackingError("no route"), HicoError, "try again when it is back"),
    ],
)
def test_a_store_that_does_not_give_it_is_a_line(
    error: Exception, becomes: type[HicoError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Path:
        raise error

    monkeypatch.setattr(registered_model, "fetch_registered", refused)
    with pytest.raises(HicoError, match=says) as caught:
        encoder.load_encoder("models:/x@champion", tracking="http://127.0.0.1:9")
    assert type(caught.value) is becomes
    assert "http:" in str(caught.value)


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import sys, hico_platform; assert not {'torch', 'mlflow', 'ray'} & set(sys.modules); hico_platform.nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AttributeError: module 'hico_platform' has no attribute 'nothing'" in done.stderr


def test_without_a_home_folder_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(UsageError, match="give one by --home DIR or HICO_HOME"):
        encoder.load_encoder("models:/toy@champion")


def test_no_store_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a registered model, got 'no store at .*mlflow.db'"):
        encoder.load_encoder("models:/toy@champion", tracking=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_checkpoint_is_exported_first(tmp_path: Path, read: list[Path]) -> None:
    run = trained_in(tmp_path).run("run")
    newest = max(folder for folder in run.iterdir() if folder.name.startswith("epoch-"))
    for source in (run, newest):
        encoder.load_encoder(source)
        assert read[-1].name == "encoder"
        assert not read[-1].exists(), "what was exported is removed"
    encoder.load_encoder(run / "encoder")
    assert read[-1] == run / "encoder"
