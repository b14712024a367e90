from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import hico_platform
from hico_platform.export import load_encoder
from hico_platform.tracking.base import LOADER
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.model_package import requirements, write_model_package
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    small_export(folder / "encoder", recogniser=small_recogniser())
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
    small_export(tmp_path / "encoder")
    monkeypatch.chdir(tmp_path)
    write_model_package(tmp_path / "model", encoder=tmp_path / "encoder", loader=LOADER)
    assert not list((tmp_path / "model").glob("*.lock")) + list((tmp_path / "model").glob("*.toml"))


def test_mlflows_server_takes_recordings_of_several_lengths(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``mlflow models serve`` answers a request, without its process."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # to which MLflow adds the model's code
    from mlflow import pyfunc
    from mlflow.pyfunc.scoring_server import invocations

    model = pyfunc.load_model(str(package))
    poses = [np.random.default_rng(frames).normal(size=(frames, 25, 3)) for frames in (9, 14)]
    body = {"inputs": [pose.tolist() for pose in poses], "params": {"output": "neighbours", "k": 1}}
    body["inputs"][1][0][3] = [None, None, None]
    poses[1][0, 3] = np.nan
    answer = invocations(json.dumps(body), "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200
    expected = load_encoder(package / "data" / "encoder").neighbours(poses, k=1)
    assert [[one["name"] for one in of] for of in json.loads(answer.response)["predictions"]] == [
        [one.name for one in of] for of in expected
    ]
    example = (package / "serving_input_example.json").read_text()
    answer = invocations(example, "application/json", model, model.metadata.get_input_schema())
    assert list(json.loads(answer.response)["predictions"][0]) == list(CLASS_NAMES)
