"""A trained encoder as an MLflow model that includes this project's code.

Requirements name only packages of public indexes: anyone could register a name that no index has, and ``mlflow models
serve`` would install their code. This project's own code is stored in the model (``code_paths``), with the sources of
the kernels, which are compiled on the machine that runs the model.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

from hico_platform.tracking.model_signature import input_example, model_metadata, model_signature

CODE = "code"
"""The folder of a model's code, as MLflow names it."""

CODE_TAG = "hico.model_code"
"""``included``: on versions of models that include their code."""

PACKAGE = "hico_platform"
_SOURCES = (".py", ".c", ".h")
_REQUIRED = ("torch", "numpy", "pyarrow", "safetensors", "pyyaml", "pydantic")  # what loading and predicting import


def write_model_package(folder: Path, *, encoder: Path, loader: str) -> None:
    """Writes the new folder ``folder``: an MLflow pyfunc model whose data is ``encoder``.

    Args:
        folder: the model's folder, which must not exist yet.
        encoder: the exported encoder's folder, which ``loader`` reads.
        loader: the module of this project that MLflow imports to load the model.

    Raises:
        CheckpointError: ``encoder`` is not whole.
    """
    from mlflow import pyfunc
    from mlflow.models import Model

    from hico_platform.export import describe

    model = describe(encoder)
    code = folder.with_name(f"{folder.name}-code") / PACKAGE
    try:
        _copy_sources(code)
        pyfunc.save_model(
            folder,
            loader_module=loader,
            data_path=str(encoder),
            code_paths=[str(code)],
            pip_requirements=requirements(),
            mlflow_model=Model(signature=model_signature(model)),
            input_example=input_example(model),
            metadata=model_metadata(model),
        )
    finally:
        shutil.rmtree(code.parent, ignore_errors=True)


def requirements() -> list[str]:
    """The packages that a model needs, as installed, without the build suffix (``+cpu``), which no index has."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIRED]


def _copy_sources(target: Path) -> None:
    """Copies only source files, not compiled files or other files of a checkout."""
    package = Path(__file__).parents[1]
    for file in sorted(package.rglob("*")):
        if file.suffix in _SOURCES and file.is_file():
            copy = target / file.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
