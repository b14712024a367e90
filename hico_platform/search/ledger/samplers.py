"""Samplers by the names that space files use: Optuna's, and the grid."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hico_platform.config.parameters import Choice, Range
from hico_platform.config.space import CheckedSpace, SamplerName
from hico_platform.errors import Problem, UsageError
from hico_platform.plug_ins import made
from hico_platform.search.grid import decode, grid_left, grid_points

MOST_DRAWS = 200
SEEDS = 2**32
"""Samplers take a seed below this."""

Make = Callable[[CheckedSpace, int], optuna.samplers.BaseSampler]


def make_sampler(space: CheckedSpace, *, begun: int, names: Mapping[str, str]) -> optuna.samplers.BaseSampler:
    """The sampler of the trial after ``begun`` others.

    Its seed follows from the space's and ``begun``, so that a search that was interrupted proposes what the
    uninterrupted one would have, given the same results. ``names`` gives the study's name of a coordinate.
    """
    seed = (space.settings.sampler.seed * 1_000_003 + begun) % SEEDS
    name = space.settings.sampler.name
    if name is SamplerName.GRID:
        return _GridSampler(space, names)
    inner = made(name.group(), name.value, space, seed) if name.is_plug_in else SAMPLERS[name](space, seed)
    return _ConstrainedSampler(inner, space, seed=seed, names=names) if space.constraints else inner


def is_told_nothing(sampler: optuna.samplers.BaseSampler) -> bool:
    """Whether a sampler does nothing when a trial ends."""
    return type(sampler).after_trial is optuna.samplers.BaseSampler.after_trial


def distribution_of(coordinate: Range | Choice) -> BaseDistribution:
    """A coordinate of a space as a distribution of Optuna's."""
    if isinstance(coordinate, Choice):
        return CategoricalDistribution(coordinate.choices)
    if coordinate.integer:
        step = int(coordinate.step or 1)
        return IntDistribution(int(coordinate.low), int(coordinate.high), log=coordinate.log, step=step)
    return FloatDistribution(coordinate.low, coordinate.high, log=coordinate.log, step=coordinate.step)


def _tpe(space: CheckedSpace, seed: int) -> optuna.samplers.BaseSampler:
    # Multivariate, to model interactions; a constant liar, so that running trials count as bad and concurrent workers
    # do not repeat one another; groups, where a condition makes some parameters rare.
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=space.settings.sampler.startup_trials,
        multivariate=True,
        constant_liar=True,
        group=any(parameter.when for parameter in space.parameters),
    )


def _cmaes(space: CheckedSpace, seed: int) -> optuna.samplers.BaseSampler:
    if importlib.util.find_spec("cmaes") is None:
        raise UsageError(
            Problem(
                field="sampler.name",
                rule="a sampler whose library is installed",
                value="cmaes",
                remedy="run pip install 'hico-platform[cmaes]', or take another sampler",
            )
        )
    return optuna.samplers.CmaEsSampler(
        seed=seed, n_startup_trials=space.settings.sampler.startup_trials, warn_independent_sampling=False
    )


SAMPLERS: Mapping[SamplerName, Make] = {
    SamplerName.TPE: _tpe,
    SamplerName.RANDOM: lambda space, seed: optuna.samplers.RandomSampler(seed=seed),
    SamplerName.GP: lambda space, seed: optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=space.settings.sampler.startup_trials, warn_independent_sampling=False
    ),
    SamplerName.CMAES: _cmaes,
    # Its first generation is random, and as large as the others; 50, Optuna's default, is more than most searches.
    SamplerName.NSGA2: lambda space, seed: optuna.samplers.NSGAIISampler(
        seed=seed, population_size=space.settings.sampler.startup_trials
    ),
    # One sequence for the whole search, whose position is kept in the study: its seed must not change.
    SamplerName.QMC: lambda space, seed: optuna.samplers.QMCSampler(
        seed=space.settings.sampler.seed % SEEDS, scramble=True, warn_independent_sampling=False
    ),
}


class _JointSampler(optuna.samplers.BaseSampler):
    """A sampler that proposes all coordinates at once, whichever of them are asked for then."""

    def __init__(self, space: CheckedSpace, names: Mapping[str, str]) -> None:
        self._space = space
        self._coordinates = {
            names.get(axis.name, axis.name): axis for parameter in space.parameters for axis in parameter.coordinates()
        }

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every coordinate."""
        return {name: distribution_of(axis) for name, axis in self._coordinates.items()}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Not asked for: everything was proposed together."""
        raise NotImplementedError(param_name)


class _GridSampler(_JointSampler):
    """All combinations of choices and stepped ranges, in an order shuffled by the seed."""

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """The first point of the grid that no trial has; after the last, the first again."""
        begun = [other.user_attrs["trial"] for other in study.get_trials(deepcopy=False) if "trial" in other.user_attrs]
        left, every = grid_left(self._space, [content["values"] for content in begun]), grid_points(self._space)
        point = left[0] if left else every[len(begun) % len(every)]
        return {name: point[axis.name] for name, axis in self._coordinates.items()}


class _ConstrainedSampler(_JointSampler):
    """Draws from another sampler until the space's constraints hold."""

    def __init__(
        self, inner: optuna.samplers.BaseSampler, space: CheckedSpace, *, seed: int, names: Mapping[str, str]
    ) -> None:
        super().__init__(space, names)
        self._inner = inner
        self._uniform = optuna.samplers.RandomSampler(seed=seed)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """The first proposal that the constraints admit; after many that they do not, uniform ones."""
        for attempt in range(2 * MOST_DRAWS):
            sampler = self._inner if attempt < MOST_DRAWS else self._uniform
            relative = sampler.infer_relative_search_space(study, trial)
            drawn = sampler.sample_relative(study, trial, relative)
            for name, distribution in search_space.items():
                if name not in drawn:
                    drawn[name] = sampler.sample_independent(study, trial, name, distribution)
            point = {axis.name: drawn[name] for name, axis in self._coordinates.items()}
            if self._space.admits(decode(self._space, point)):
                return drawn
        raise UsageError(
            Problem(
                field="constraints",
                rule="constraints that some part of the space meets",
                value=f"none of {2 * MOST_DRAWS} points",
                remedy="widen the ranges or loosen the constraints",
            )
        )

    def after_trial(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        state: optuna.trial.TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The inner sampler's own."""
        self._inner.after_trial(study, trial, state, values)
