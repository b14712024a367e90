"""What the state of a released checkpoint says of its model by its shapes, and whether it is whole."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from hico_platform.enums import EncoderType, Level, QueueWrap
from hico_platform.errors import DataError, Problem
from hico_platform.model.foreign_checkpoint import foreign
from hico_platform.model.hico import HiCo
from hico_platform.model.released_checkpoint import HIERARCHY, QUERY, released_name

Shape = tuple[int, ...]

MOST_PROBLEMS = 5
"""Entries of a state that is not whole which a message names, before it counts the rest."""
_WIDEST = 1 << 16


class ReleasedKind(StrEnum):
    """Which script of the release wrote a checkpoint."""

    PRETRAINING = "pretraining"
    """Both encoders with projectors, and the queues."""

    LINEAR = "linear"
    """The encoder with the classifier of the linear probe (``fc``), of its best epoch on the test set."""


@dataclass(frozen=True, kw_only=True)
class ReleasedArchitecture:
    """What the shapes of a released state say of its model.

    ``projection_width`` and ``queue_size`` are None in the state of a linear probe, which has neither.
    """

    kind: ReleasedKind
    encoder: EncoderType
    temporal_width: int
    spatial_width: int
    width: int
    granularities: int
    layers: int
    projection_width: int | None = None
    queue_size: int | None = None
    classes: int | None = None

    def shapes(self) -> dict[str, Shape]:
        """Every entry of such a state under its released name, with its shape."""
        with torch.device("meta"):
            model = HiCo(
                encoder=self.encoder,
                temporal_width=self.temporal_width,
                spatial_width=self.spatial_width,
                width=self.width,
                granularities=self.granularities,
                layers=self.layers,
                heads=1,  # the shapes are those of any number
                dropout=0.0,
                projection_width=self.projection_width or 1,
                queue_size=self.queue_size or 1,
                queue_wrap=QueueWrap.RELEASED,
                temperature=1.0,
                momentum=1.0,
                level_weights=dict.fromkeys(Level, 1.0),
            )
        state = {released_name(name): _released_shape(name, value) for name, value in model.state_dict().items()}
        if self.kind is ReleasedKind.PRETRAINING:
            return state
        hierarchy = f"{QUERY}{HIERARCHY}"
        own = {name.removeprefix(QUERY): shape for name, shape in state.items() if name.startswith(hierarchy)}
        classes = self.classes or 1
        return {**own, "fc.weight": (classes, 2 * self.granularities * self.width), "fc.bias": (classes,)}


def architecture_of(shapes: Mapping[str, Shape]) -> ReleasedArchitecture:
    """What a released state's names and shapes say of its model.

    Raises:
        DataError: it is the state of another model, which is named where it is known, or entries that would tell are
            missing.
    """
    if not any(HIERARCHY in name for name in shapes):
        raise DataError(foreign(shapes))
    kind = ReleasedKind.PRETRAINING if any(name.startswith(QUERY) for name in shapes) else ReleasedKind.LINEAR
    prefix = QUERY if kind is ReleasedKind.PRETRAINING else ""
    missing = _untold(shapes, kind=kind, prefix=prefix)
    if missing:
        raise DataError([_missing(name, (), shapes) for name in missing])
    temporal = shapes[f"{prefix}{HIERARCHY}t_embedding.0.weight"]
    width, temporal_width = temporal
    encoder, layers = _sequence_encoder(shapes, f"{prefix}{HIERARCHY}t_encoder.", width=width)
    spatial_width = shapes[f"{prefix}{HIERARCHY}s_embedding.0.weight"][1]
    if max(width, temporal_width, spatial_width) > _WIDEST:
        raise DataError(
            Problem(rule=f"at most {_WIDEST:,} numbers in a token",
                    value=max(width, temporal_width, spatial_width), remedy="get the file again")
        )  # fmt: skip
    common: dict[str, Any] = {"encoder": encoder, "layers": layers, "width": width, "temporal_width": temporal_width,
              "spatial_width": spatial_width}  # fmt: skip
    if kind is ReleasedKind.LINEAR:
        classes, features = shapes["fc.weight"]
        granularities = _quotient("fc.weight", features, 2 * width)
        return ReleasedArchitecture(kind=kind, granularities=granularities, classes=classes, **common)
    domain = shapes[f"{QUERY}td_proj.0.weight"][1]
    return ReleasedArchitecture(
        kind=kind,
        granularities=_quotient(f"{QUERY}td_proj.0.weight", domain, width),
        projection_width=shapes[f"{QUERY}instance_proj.2.weight"][0],
        queue_size=shapes["i_queue"][1],
        **common,
    )


def check_entries(shapes: Mapping[str, Shape], architecture: ReleasedArchitecture) -> None:
    """Checks that a state has every entry of its model in the right shape, and no other.

    Raises:
        DataError: with each entry that is missing, left over or of another shape, and the nearest name.
    """
    expected = architecture.shapes()
    missing, strange = expected.keys() - shapes.keys(), shapes.keys() - expected.keys()
    problems = [_missing(name, strange, shapes) for name in sorted(missing)]
    problems += [
        Problem(field=name, rule="no entry that its model has no place for", value=list(shapes[name]),
                remedy=_nearest_remedy(name, {"entry that is missing": missing, "entry of its model": expected}))
        for name in sorted(strange)
    ]  # fmt: skip
    problems += [
        Problem(field=name, rule=f"a tensor of shape {list(shape)}, as the other entries have it",
                value=list(shapes[name]), remedy="get the file again, or the one of another model")
        for name, shape in expected.items() if name in shapes and shapes[name] != shape
    ]  # fmt: skip
    if len(problems) > MOST_PROBLEMS:
        left = len(problems) - MOST_PROBLEMS
        more = Problem(rule="a whole checkpoint", value=f"{left} more such entries", remedy="get the file again")
        problems = [*problems[:MOST_PROBLEMS], more]
    if problems:
        raise DataError(problems)


def _released_shape(name: str, value: Tensor) -> Shape:
    if name.endswith(".keys"):
        return tuple(reversed(value.shape))
    return (1,) if name.endswith(".pointer") else tuple(value.shape)


def _untold(shapes: Mapping[str, Shape], *, kind: ReleasedKind, prefix: str) -> list[str]:
    """The entries among those that tell the architecture which are missing, or have other than two axes."""
    needed = [f"{prefix}{HIERARCHY}t_embedding.0.weight", f"{prefix}{HIERARCHY}s_embedding.0.weight"]
    needed += (
        ["fc.weight"]
        if kind is ReleasedKind.LINEAR
        else [f"{QUERY}td_proj.0.weight", f"{QUERY}instance_proj.2.weight", "i_queue"]
    )
    return [name for name in needed if len(shapes.get(name, ())) != 2]


def _sequence_encoder(shapes: Mapping[str, Shape], prefix: str, *, width: int) -> tuple[EncoderType, int]:
    """The type and the number of layers of a branch's sequence encoder."""
    inside = [name.removeprefix(prefix) for name in shapes if name.startswith(prefix)]
    transformer = {found[1] for name in inside if (found := re.match(r"layers\.(\d+)\.", name))}
    if transformer:
        return EncoderType.TRANSFORMER, len(transformer)
    recurrent = {found[1] for name in inside if (found := re.fullmatch(r"weight_ih_l(\d+)", name))}
    gates = shapes.get(f"{prefix}weight_ih_l0", (0,))[0] / max(1, width // 2)
    types = {3: EncoderType.GRU, 4: EncoderType.LSTM}
    if gates not in types:
        raise DataError(
            Problem(field=prefix.removesuffix("."), rule="a Transformer, or a GRU or LSTM of two directions",
                    value=", ".join(sorted(inside)[:3]) or "no entry", remedy="give a checkpoint of the release")
        )  # fmt: skip
    return types[int(gates)], len(recurrent)


def _quotient(name: str, total: int, part: int) -> int:
    if part == 0 or total % part or total == 0:
        raise DataError(
            Problem(field=name, rule=f"a whole number of granularities, each {part} wide", value=total,
                    remedy="get the file again")
        )  # fmt: skip
    return total // part


def _missing(name: str, left_over: Iterable[str], there: Iterable[str]) -> Problem:
    return Problem(
        field=name,
        rule="an entry of the state",
        value="none",
        remedy=_nearest_remedy(name, {"entry that is left over": left_over, "entry that is there": there}),
    )


def _nearest_remedy(name: str, others: Mapping[str, Iterable[str]]) -> str:
    """What to do, with the nearest name of the first of ``others`` that has one."""
    for what, names in others.items():
        for nearest in difflib.get_close_matches(name, list(names), n=1):
            return f"get the file again; the nearest {what} is {nearest}"
    return "get the file again"
