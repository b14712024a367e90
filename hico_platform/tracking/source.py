"""The tags by which MLflow's pages show what made a run: command and commit."""

from __future__ import annotations

from collections.abc import Mapping

NAME_TAG, TYPE_TAG, COMMIT_TAG = "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"
COMMAND_TAG = "hico.command"
"""The whole command line as it was typed, without secrets."""

_LOCAL = "LOCAL"


def source_tags(command_name: str, *, code_version: str, command: str | None = None) -> Mapping[str, str]:
    """The tags of a run that ``hico-platform COMMAND_NAME`` made.

    Args:
        command_name: ``search`` or ``retrain``.
        code_version: such as ``0.1.0+0123456789ab``; without a commit there is no tag of one.
        command: the command line, if it is known.
    """
    commit = code_version.partition("+")[2]
    return {
        NAME_TAG: f"hico-platform {command_name}",
        TYPE_TAG: _LOCAL,
        **({COMMIT_TAG: commit} if commit else {}),
        **({COMMAND_TAG: command} if command else {}),
    }
