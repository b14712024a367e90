"""The datasets of a run as MLflow's pages show them: name, digest and the split that was used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONTEXT_TAG = "mlflow.data.context"
"""MLflow's tag that says what a run used a dataset for."""

SOURCE_TYPE = "hico-store"
"""A prepared folder, or its address, as ``--data`` takes it; nothing is fetched from it."""

DIGEST_CHARACTERS = 12
"""What is shown, as elsewhere; MLflow keeps at most 36. The source of the dataset has all."""


@dataclass(frozen=True, kw_only=True)
class DatasetInput:
    """One split of a dataset that a run trains or is scored on.

    Args:
        dataset: its name.
        protocol: the rule that splits it.
        split: ``train``, ``validation``, ``test`` or ``transfer``.
        digest: of the dataset's content.
        location: its folder or address, without secrets.
        facts: numbers and names that are shown with it, such as how many sequences the split has.
    """

    dataset: str
    protocol: str
    split: str
    digest: str
    location: str = ""
    facts: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tells the splits of a dataset apart: a run has each name and digest once."""
        return f"{self.dataset} ({self.protocol}, {self.split})"


def inputs_of(
    facts: Mapping[str, Any], *, digest: str, protocol: str, scored_on: str, target_protocol: str = ""
) -> tuple[DatasetInput, ...]:
    """The datasets of a search's or a retraining's runs, by its facts.

    Args:
        facts: ``dataset``, ``data``, ``train_sequences``, ``transfer`` and so on; what is missing is left out.
        digest: of the data.
        protocol: of the data.
        scored_on: ``validation`` or ``test``, of which ``facts`` has the number of sequences.
        target_protocol: of the transfer dataset.
    """
    common = {"dataset": str(facts.get("dataset") or "data"), "protocol": protocol, "digest": digest}
    location = str(facts.get("data") or "")
    further = {"layout": str(facts["layout"])} if facts.get("layout") else {}
    found = [
        DatasetInput(
            **common, split=split, location=location, facts={**_counted(facts, f"{split}_sequences"), **further}
        )
        for split in ("train", scored_on)
    ]
    target, target_digest = str(facts.get("transfer") or ""), facts.get("transfer_digest")
    if target_digest not in (None, "None"):
        found.append(
            DatasetInput(
                dataset=target.rstrip("/").rpartition("/")[2] or "transfer",
                protocol=target_protocol or protocol,
                split="transfer",
                digest=str(target_digest),
                location=target,
            )
        )
    return tuple(found)


def as_mlflow(one: DatasetInput) -> Any:
    """The input as MLflow's client takes it."""
    from mlflow.entities import Dataset, InputTag
    from mlflow.entities import DatasetInput as MlflowInput

    dataset = Dataset(
        name=one.name,
        digest=one.digest[:DIGEST_CHARACTERS],
        source_type=SOURCE_TYPE,
        source=json.dumps({"data": one.location, "protocol": one.protocol, "split": one.split, "digest": one.digest}),
        profile=json.dumps(dict(one.facts)) if one.facts else None,
    )
    return MlflowInput(dataset=dataset, tags=[InputTag(CONTEXT_TAG, one.split)])


def _counted(facts: Mapping[str, Any], key: str) -> dict[str, int]:
    return {"sequences": int(facts[key])} if str(facts.get(key, "")).isdigit() else {}
