from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import hico_platform
from hico_platform.tracking.base import LOADER
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.model_package import requirements, write_model_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "encoder").mkdir()
    (folder / "encoder" / "encoder.json").write_text("{}")
    write_model_package(folder / "model", encoder=folder / "encoder", loader=LOADER)
    assert sorted(each.name for each in folder.iterdir()) == ["encoder", "model"]
    return folder / "model"


def test_it_requires_public_packages_alone_each_of_one_version(package: Path) -> None:
    required = (package / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in required} == {
        "mlflow", "torch", "numpy", "pyarrow", "safetensors", "pyyaml", "pydantic",
    }  # fmt: skip
    assert all(re.fullmatch(r"[a-z]+==[0-9][0-9a-z.]*", line) for line in required)
    for file in ("requirements.txt", "conda.yaml", "python_env.yaml"):
        assert "hico" not in (package / file).read_text(), "a name that no index has, and anybody could take"


def test_a_build_of_a_version_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.tracking.model_package.version", lambda name: "2.13.0+cu130")
    assert requirements()[0] == "torch==2.13.0"


def test_its_code_is_this_package_s_sources_and_nothing_else(package: Path) -> None:
    own = Path(hico_platform.__file__).parent
    shipped = {
        each.relative_to(package / "code" / "hico_platform"): each.read_bytes()
        for each in (package / "code").rglob("*")
        if each.is_file()
    }
    kernels = (own / "ops" / "cpu").exists()
    assert {path.suffix for path in shipped} == ({".py", ".c", ".h"} if kernels else {".py"})
    assert (Path("ops/cpu/kernels.c") in shipped) == kernels, "kernels are compiled where the model runs"
    assert all((own / path).read_bytes() == content for path, content in shipped.items())
    flavor = yaml.safe_load((package / "MLmodel").read_text())["flavors"]["python_function"]
    assert (flavor["code"], flavor["data"], flavor["loader_module"]) == ("code", "data/encoder", LOADER)


def test_a_folder_with_a_lock_file_gives_it_to_no_model(
    store: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.runs("Default")
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text("[project]\nname = 'private'\n")
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    write_model_package(tmp_path / "model", encoder=tmp_path / "encoder", loader=LOADER)
    assert not list((tmp_path / "model").glob("*.lock")) + list((tmp_path / "model").glob("*.toml"))
