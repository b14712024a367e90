"""Which training sequences have labels in a semi-supervised task: drawn in two ways, or listed in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hico_platform.errors import DataError, Problem, reason
from hico_platform.evaluate.data import EvalData


class Draw(StrEnum):
    """How a share of the labels is drawn."""

    UNSTRATIFIED = "unstratified"
    """The first int(p n) of a shuffle of all n sequences, as CMD, MAMP and STARS."""

    PER_CLASS = "per_class"
    """round(p n) of the n sequences of each class, as AimCLR, HYSP and SkeAttnCLR. Like there, a class with p n of at
    most one half has none (Python rounds halves to even numbers), and there is no least number."""


def draw_labelled(labels: Tensor, *, percent: int, draw: Draw, seed: int, number: int) -> Tensor:
    """Positions (m,), ascending, of the sequences with ``labels`` (n,) that keep their labels.

    ``number`` tells the draws of one seed apart. With the same seed and number a larger share holds the smaller ones,
    and both ways begin from one shuffle. There may be none.
    """
    order = np.random.default_rng((seed, number)).permutation(len(labels))
    share = percent / 100
    if draw is Draw.UNSTRATIFIED:
        chosen = order[: int(share * len(labels))]
    else:
        shuffled = labels.cpu().numpy()[order]
        of_class = [order[shuffled == label] for label in np.unique(shuffled)]
        chosen = np.concatenate([members[: round(share * len(members))] for members in of_class])
    return torch.from_numpy(np.sort(chosen)).to(labels.device)


def read_label_lists(paths: Sequence[Path], *, data: EvalData) -> dict[str, Tensor]:
    """The sequences (int64 indices of ``data``) of each list, by the name of its file without its suffix.

    A list is a text file with the name of a training sequence on each line; empty lines are left out.

    Raises:
        DataError: a file cannot be read, is empty or has the name of another one, or a line names a sequence that
            there is not, that is not among those to train on, or that the list has already.
    """
    lists: dict[str, Tensor] = {}
    for path in paths:
        name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
        if not name or name in lists:
            raise DataError(
                Problem(
                    file=path,
                    rule="a file name of its own, which names the scores of the list",
                    value=path.stem,
                    remedy="rename the file",
                )
            )
        lists[name] = _read(path, data)
    return lists


def _read(path: Path, data: EvalData) -> Tensor:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            Problem(
                file=path,
                rule="a readable text file with the name of a sequence on each line",
                value=reason(error),
                remedy="check the path and the file",
            )
        ) from error
    at = {name: index for index, name in enumerate(data.names)}
    train = set(data.train.tolist())
    found: dict[int, None] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name:
            continue
        index = at.get(name)
        if index is None:
            raise _wrong(path, number, name, rule="the name of a sequence of this dataset")
        if index not in train:
            raise _wrong(path, number, name, rule="a sequence of the training part: no other has labels to train on")
        if index in found:
            raise _wrong(path, number, name, rule="each sequence once")
        found[index] = None
    if not found:
        raise DataError(Problem(file=path, rule="at least one name of a sequence", value=0, remedy="add names"))
    return torch.tensor(sorted(found), device=data.train.device)


def _wrong(path: Path, number: int, name: str, *, rule: str) -> DataError:
    return DataError(
        Problem(file=path, line=number, rule=rule, value=name, remedy="correct the list, or take another protocol")
    )
