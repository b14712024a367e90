from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hico_platform.errors import DataError, UsageError
from hico_platform.export import CARD, FILES, load_encoder
from hico_platform.tracking.base import LOADER, TrackingError, TrackingRefused
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.model_package import write_model_package
from hico_platform.tracking.registered_model import fetch_registered, fetch_saved
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    small_export(folder / "encoder", recogniser=small_recogniser())
    (folder / "encoder" / CARD).write_text("# a card")
    write_model_package(folder / "model", encoder=folder / "encoder", loader=LOADER)
    shutil.rmtree(folder / "model" / "code" / "hico_platform")  # whose 300 files are not looked at
    return folder / "model"


@pytest.fixture
def model(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "model"))


def flavor(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    """Changes what the model says of how MLflow loads it."""

    def changed(model: Path) -> None:
        text = yaml.safe_load((model / "MLmodel").read_text())
        change(text["flavors"])
        (model / "MLmodel").write_text(yaml.safe_dump(text))

    return changed


def own(flavors: dict[str, object]) -> dict[str, object]:
    found = flavors["python_function"]
    assert isinstance(found, dict)
    return found


FOREIGN = {
    "another loader": (flavor(lambda all_: own(all_).update(loader_module="evil")), "got 'evil'"),
    "a pickle": (flavor(lambda all_: own(all_).update(loader_module="mlflow.pyfunc.model")), "mlflow.pyfunc.model"),
    "another flavor": (flavor(lambda all_: all_.update(sklearn={})), "the one flavor python_function"),
    "data elsewhere": (flavor(lambda all_: own(all_).update(data="../../home")), "data data/encoder"),
    "code elsewhere": (flavor(lambda all_: own(all_).update(code="data")), "its code in code"),
    "no flavor": (lambda model: (model / "MLmodel").write_text("[a, b]"), "the one flavor"),
    "no YAML": (lambda model: (model / "MLmodel").write_text("{"), "in YAML"),
    "a constructor": (lambda model: (model / "MLmodel").write_text("!!python/object/apply:os.getpid []"), "in YAML"),
    "no model file": (lambda model: (model / "MLmodel").unlink(), "with a file MLmodel"),
    "a file beside": (lambda model: (model / "python_model.pkl").write_bytes(b"."), "python_model.pkl"),
    "a file in the data": (lambda model: (model / "data" / "x.pkl").write_bytes(b"."), "x.pkl"),
    "a file beside the weights": (lambda model: (model / "data" / "encoder" / "x.pt").write_bytes(b"."), "x.pt"),
}


@pytest.mark.parametrize("change", FOREIGN)
def test_a_model_that_this_project_did_not_register_is_data_of_another(
    model: Path, tmp_path: Path, change: str
) -> None:
    alter, match = FOREIGN[change]
    alter(model)
    with pytest.raises(DataError, match=match) as caught:
        fetch_saved(model, tmp_path / "into")
    assert caught.value.exit_code == 3
    assert "was not loaded" in str(caught.value)


def test_an_own_model_is_read_with_and_without_its_code(model: Path, tmp_path: Path) -> None:
    encoder = fetch_saved(model, tmp_path / "into")
    assert sorted(each.name for each in encoder.iterdir()) == sorted(set(FILES) - {CARD})
    assert load_encoder(encoder).class_names == CLASS_NAMES
    flavor(lambda all_: own(all_).pop("code"))(model)  # as earlier versions registered it
    shutil.rmtree(model / "code", ignore_errors=True)
    assert fetch_saved(model, tmp_path / "again").is_dir()


def test_a_model_of_an_earlier_version_has_an_encoder_alone(tmp_path: Path) -> None:
    write_model_package(tmp_path / "model", encoder=small_export(tmp_path / "encoder"), loader=LOADER)
    encoder = fetch_saved(tmp_path / "model", tmp_path / "into")
    assert sorted(each.name for each in encoder.iterdir()) == ["encoder.json", "encoder.safetensors"]


@pytest.mark.slow
def test_from_the_registry_by_alias_and_version(store: MlflowTracker, package: Path, tmp_path: Path) -> None:
    run_id = store.open_run(experiment="registry", key="r", name="r", parent=None, params={}, tags={}, at_s=1.0)
    store.register_champion(
        "registry", run_id=run_id, model=package / "data" / "encoder", loader=LOADER, description="", tags={}
    )
    for uri in ("models:/registry@champion", "models:/registry/1"):
        encoder = fetch_registered(store, uri, tmp_path / uri.replace("/", "_"))
        assert load_encoder(encoder).class_names == CLASS_NAMES
    with pytest.raises(TrackingRefused, match="no version has the alias another") as refused:
        fetch_registered(store, "models:/registry@another", tmp_path)
    assert refused.value.remedy == "take models:/registry@champion"
    for uri in ("models:/nothing/1", "models:/nothing@champion"):
        with pytest.raises(TrackingRefused, match="no model is called nothing") as refused:
            fetch_registered(store, uri, tmp_path)
        assert str(refused.value.remedy).startswith(
            "register the model of a search by hico-platform retrain SEARCH, or"
        )
        assert "registry" in str(refused.value.remedy)
    with pytest.raises(TrackingRefused, match="it has no version 9") as refused:
        fetch_registered(store, "models:/registry/9", tmp_path)
    assert refused.value.remedy == "take models:/registry@champion"
    for uri in ("models:/registry", "models:/registry@a@b", "models:/a/../b", "models:/registry/latest"):
        with pytest.raises(UsageError, match="models:/NAME@ALIAS"):
            fetch_registered(store, uri, tmp_path)
    with pytest.raises(TrackingError):
        fetch_registered(MlflowTracker(uri="http://127.0.0.1:9", artifacts=None), "models:/registry/1", tmp_path)


def test_where_nothing_was_better_the_challenger_is_named(store: MlflowTracker, package: Path, tmp_path: Path) -> None:
    run_id = store.open_run(experiment="modest", key="r", name="r", parent=None, params={}, tags={}, at_s=1.0)
    encoder = package / "data" / "encoder"
    store.register_champion(
        "modest", run_id=run_id, model=encoder, loader=LOADER, description="", tags={}, alias="challenger"
    )
    with pytest.raises(
        TrackingRefused,
        match="no version has the alias champion: no model of it was better than released settings and untrained",
    ) as refused:
        fetch_registered(store, "models:/modest@champion", tmp_path)
    assert refused.value.remedy == "take models:/modest@challenger"
    assert fetch_registered(store, "models:/modest@challenger", tmp_path / "into").is_dir()


@pytest.mark.slow
def test_a_foreign_model_of_the_registry_runs_nothing(store: MlflowTracker, tmp_path: Path) -> None:
    from mlflow import pyfunc

    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\ndef _load_pyfunc(path): pass\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("x")
    pyfunc.save_model(
        tmp_path / "model",
        loader_module="evil",
        data_path=str(tmp_path / "data"),
        code_paths=[str(tmp_path / "evil.py")],
        pip_requirements=[],
    )
    with store.client() as client:
        client.create_registered_model("foreign")
        client.create_model_version("foreign", (tmp_path / "model").as_uri())
        client.set_registered_model_alias("foreign", "champion", "1")
    with pytest.raises(DataError, match="got 'evil'"):
        fetch_registered(store, "models:/foreign@champion", tmp_path / "into")
    assert not (tmp_path / "mark").exists()


@pytest.mark.slow
def test_a_champion_of_an_earlier_version_gets_its_code(
    store: MlflowTracker, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import pyfunc

    encoder = package / "data" / "encoder"
    pyfunc.save_model(
        tmp_path / "model", loader_module=LOADER, data_path=str(encoder), pip_requirements=["hico-platform==0.1.0"]
    )
    run_id = store.open_run(experiment="earlier", key="r", name="r", parent=None, params={}, tags={}, at_s=1.0)
    store.log_folder(run_id, tmp_path / "model", name="model")
    with store.client() as client:
        client.create_registered_model("earlier")
        client.create_model_version("earlier", f"{client.get_run(run_id).info.artifact_uri}/model", run_id=run_id)
    log = MlflowTracker.log_folder

    def cut_off(*words: Any, name: str) -> None:
        log(*words, name=name)
        raise RuntimeError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "log_folder", cut_off)
        with pytest.raises(TrackingRefused, match="cut off"):
            store.register_champion("earlier", run_id=run_id, model=encoder, loader=LOADER, description="", tags={})
    uploads: list[str] = []

    def counted(*words: Any, name: str) -> None:
        uploads.append(name)
        log(*words, name=name)

    monkeypatch.setattr(MlflowTracker, "log_folder", counted)
    for _ in range(2):
        found = store.register_champion("earlier", run_id=run_id, model=encoder, loader=LOADER, description="", tags={})
        assert (found.version, uploads) == (1, ["model"])
    with store.client() as client:
        kept = Path(client.download_artifacts(run_id, "model", str(tmp_path)))
    assert "hico" not in (kept / "requirements.txt").read_text()
    assert (kept / "code" / "hico_platform" / "export" / "__init__.py").is_file()
