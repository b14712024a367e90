"""Where a search is asked to keep its checkpoints: a store, the default store of this environment, or the home."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hico_platform.checkpoint_store import check_store
from hico_platform.data.address import data_address

VARIABLE = "HICO_CHECKPOINTS"


@dataclass(frozen=True, kw_only=True)
class CheckpointsOption:
    """The store that was asked for, and the one of searches that begin where none was; None is the home."""

    url: str | None = None
    default: str | None = None


IN_THE_HOME = CheckpointsOption()


def checkpoints_option(url: str | None, *, field: str) -> CheckpointsOption:
    """The option with this address, and the default of the environment variable ``HICO_CHECKPOINTS``.

    Raises:
        UsageError: one of the two is no address of a store, or holds keys; ``field`` names the first.
    """
    option = CheckpointsOption(url=url, default=os.environ.get(VARIABLE) or None)
    for name, address in ((field, option.url), (VARIABLE, option.default)):
        if address is not None:
            check_store(data_address(address, field=name), field=name)
    return option
