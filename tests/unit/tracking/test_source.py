from __future__ import annotations

from hico_platform.tracking.source import source_tags


def test_a_run_names_its_command_and_commit() -> None:
    assert source_tags("search", code_version="0.1.0+0123456789ab", command="hico-platform search --name toy") == {
        "mlflow.source.name": "hico-platform search",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "0123456789ab",
        "hico.command": "hico-platform search --name toy",
    }


def test_an_installed_package_has_no_commit() -> None:
    assert "mlflow.source.git.commit" not in source_tags("retrain", code_version="0.1.0")
