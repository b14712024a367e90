"""The runs of a retraining: the best configuration and the released settings, at one budget, over seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hico_platform.config.schema import flatten, replace, to_mapping
from hico_platform.config.trial import (
    ContrastConfig,
    ModelConfig,
    OptimiserConfig,
    TrialConfig,
    ViewsConfig,
    as_first_written,
)
from hico_platform.enums import Part

SCHEMA_VERSION = 1


class Entry(StrEnum):
    """A row of the comparison, or a candidate for its last one."""

    RAW_POSE = "raw pose"
    UNTRAINED = "untrained"
    RELEASED = "released"
    BEST = "best"
    CANDIDATE = "candidate"
    """One of the configurations among which validation chooses; it never sees the test split."""

    @property
    def is_trained(self) -> bool:
        """Whether the entry has a trained model."""
        return self in (Entry.RELEASED, Entry.BEST, Entry.CANDIDATE)

    @property
    def part(self) -> Part:
        """What the entry is scored on."""
        return Part.VAL if self is Entry.CANDIDATE else Part.TEST

    @property
    def heading(self) -> str:
        """The row's heading in tables."""
        return _TITLES.get(self, self.value)


_TITLES = {
    Entry.UNTRAINED: "untrained encoder",
    Entry.RELEASED: "released settings",
    Entry.BEST: "best configuration",
}


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a retraining; ``key`` names it within the plan and is the name of its folder."""

    entry: Entry
    seed: int
    config: TrialConfig

    @property
    def key(self) -> str:
        """For example ``best-seed-0``."""
        return f"{self.entry.replace(' ', '-')}-seed-{self.seed}"

    @property
    def heading(self) -> str:
        """The run on a page: ``released settings, seed 1``."""
        return f"{self.entry.heading}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class RetrainPlan:
    """All runs of a retraining. ``digest`` changes with anything that could change a result."""

    runs: tuple[PlannedRun, ...]
    digest: str


def released_settings(config: TrialConfig) -> TrialConfig:
    """The released settings at the budget of ``config``.

    Method and optimiser are as released: encoder, layers, heads, dropout, contrast, level weights, learning
    rate and schedule, and the matrices of a view. What the budget decides stays: width, granularities, epochs, batch
    size, frames, crops and evaluation, so that the two differ in their settings and not in their size.
    """
    model, views = ModelConfig(), ViewsConfig()
    return replace(
        config,
        {
            **_dotted("contrast", ContrastConfig()),
            **_dotted("optimiser", OptimiserConfig()),
            "model.encoder": model.encoder.value,
            "model.layers": model.layers,
            "model.heads": model.heads,
            "model.dropout": model.dropout,
            "views.shear_probability": views.shear_probability,
            "views.shear_strength": views.shear_strength,
            "views.corruption_probability": views.corruption_probability,
            "views.corruption": views.corruption.value,
            "views.corrupted_joint_share": views.corrupted_joint_share,
            "views.rotation_degrees": views.rotation_degrees,
            "views.tilt_degrees": views.tilt_degrees,
            "views.scale": views.scale,
        },
    )


def make_plan(best: TrialConfig, *, seeds: int, epochs: int | None, facts: Mapping[str, Any]) -> RetrainPlan:
    """The runs for ``seeds`` seeds, the longest first; ``facts`` (data digests, protocol, code) enter the digest.

    Where the best configuration is the released settings, they are trained once.

    Raises:
        ConfigError: ``epochs`` breaks its rule.
    """
    if epochs is not None:
        best = replace(best, {"budget.epochs": epochs})
    released = released_settings(best)
    entries = {Entry.BEST: best, **({Entry.RELEASED: released} if released != best else {}), Entry.UNTRAINED: best}
    runs = [
        PlannedRun(entry=entry, seed=seed, config=replace(config, {"budget.seed": seed}))
        for entry, config in entries.items()
        for seed in range(seeds)
    ]
    runs.append(PlannedRun(entry=Entry.RAW_POSE, seed=0, config=best))
    return RetrainPlan(runs=tuple(runs), digest=digest_of(best, facts))


def digest_of(config: TrialConfig, facts: Mapping[str, Any]) -> str:
    """Identifies what is trained, but for its seed, with the facts that its scores depend on."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "config": as_first_written(to_mapping(replace(config, {"budget.seed": 0}))),
        "facts": dict(facts),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _dotted(prefix: str, config: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in flatten(config).items()}
