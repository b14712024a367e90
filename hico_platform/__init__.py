"""Distributed hyperparameter search and experiments for HiCo (Hierarchical Contrast, AAAI 2023).

In Python::

    import hico_platform as hico

    search = hico.search("level_weights")              # or hico.open_search("level_weights")
    search.trials                                      # a DataFrame, one row a trial
    result = hico.retrain(search, seeds=3)
    encoder = hico.load_encoder(result.model)

What stands in ``__all__`` is the public interface (docs/api.md). Each name is imported when it is first used, because
torch, Ray and MLflow take seconds.
"""

import importlib
from typing import TYPE_CHECKING

from hico_platform.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    HicoError,
    Problem,
    TrainingError,
    UsageError,
)

if TYPE_CHECKING:
    from hico_platform.api.datasets import Recording, Recordings, load_dataset, prepare_dataset, write_dataset
    from hico_platform.api.evaluation import evaluate
    from hico_platform.api.planning import plan_search
    from hico_platform.api.pretraining import Pretraining, pretrain
    from hico_platform.api.retraining import Retraining, retrain
    from hico_platform.api.search import BestTrial, Search, list_searches, open_search, search
    from hico_platform.commands.encoder import load_encoder

__version__ = "0.2.0"
_AT = {
    "BestTrial": "api.search",
    "Pretraining": "api.pretraining",
    "Recording": "api.datasets",
    "Recordings": "api.datasets",
    "Retraining": "api.retraining",
    "Search": "api.search",
    "list_searches": "api.search",
    "load_dataset": "api.datasets",
    "load_encoder": "commands.encoder",
    "open_search": "api.search",
    "plan_search": "api.planning",
    "prepare_dataset": "api.datasets",
    "pretrain": "api.pretraining",
    "write_dataset": "api.datasets",
}
"""Where each name is, apart from those of packages that are functions too (``hico_platform.callable_package``)."""
_CALLABLE_PACKAGES = ("evaluate", "retrain", "search")
__all__ = [
    "BestTrial",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "HicoError",
    "Pretraining",
    "Problem",
    "Recording",
    "Recordings",
    "Retraining",
    "Search",
    "TrainingError",
    "UsageError",
    "__version__",
    "evaluate",
    "list_searches",
    "load_dataset",
    "load_encoder",
    "open_search",
    "plan_search",
    "prepare_dataset",
    "pretrain",
    "retrain",
    "search",
    "write_dataset",
]


def __getattr__(name: str) -> object:
    """A public name, imported on first use."""
    if name in _CALLABLE_PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _AT:
        found: object = getattr(importlib.import_module(f"{__name__}.{_AT[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for completion, and what is imported already."""
    return sorted({*globals(), *__all__})
