"""The coordinates of a space as the parameters of an Optuna study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import optuna

from hico_platform.config.parameters import Choice, Range, Simplex
from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.search.ledger.samplers import distribution_of

Distribution = optuna.distributions.BaseDistribution


def parameter_names(space: CheckedSpace, known: Mapping[str, Distribution]) -> dict[str, str]:
    """The study's names of coordinates whose choices or scale changed since the search began.

    A study fixes the choices and the scale of a parameter. A changed one gets a name of its own, such as
    ``model.encoder@2``, and the sampler learns it anew. The bounds of a range may change under its name.

    Args:
        space: as it is now.
        known: the study's parameters so far.
    """
    names = {}
    for parameter in space.parameters:
        for axis in parameter.coordinates():
            name, variant = axis.name, 1
            while name in known and not _compatible(known[name], distribution_of(axis)):
                variant += 1
                name = f"{axis.name}@{variant}"
            if variant > 1:
                names[axis.name] = name
    return names


def suggest(trial: optuna.Trial, axis: Range | Choice, *, name: str) -> Scalar:
    """A trial's value of a coordinate, which has ``name`` in the study."""
    if isinstance(axis, Choice):
        return cast(Scalar, trial.suggest_categorical(name, axis.choices))
    if axis.integer:
        return trial.suggest_int(name, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    return trial.suggest_float(name, axis.low, axis.high, step=axis.step, log=axis.log)


def weights_of_simplexes(space: CheckedSpace) -> list[str]:
    """The fields whose values are no parameters of the study but follow from its ``...share`` parameters."""
    return [field for parameter in space.parameters if isinstance(parameter, Simplex) for field in parameter.fields]


def _compatible(old: Distribution, new: Distribution) -> bool:
    try:
        optuna.distributions.check_distribution_compatibility(old, new)
    except ValueError:
        return False
    return True
