"""The retrained model of a search in the model registry: its champion, or a challenger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hico_platform.errors import HicoError, first_line
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.base import LOADER, Registered, Tracker, TrackingError, TrackingRefused

SEARCH_STATE, FINISHED = "search_state", "finished"
"""The fact with the search's state when its best configuration was taken: ``running, 5 of 12 trials ended``."""

Summary = Mapping[Entry, Mapping[str, Spread]]


def register_champion(
    tracker: Tracker,
    *,
    name: str,
    champion: RunResult,
    run_id: str,
    summary: Summary,
    facts: Mapping[str, str],
    promotion: Promotion,
) -> tuple[Registered | None, str | None]:
    """Registers the first seed's model: choosing the seed by its test score would select on the test split.

    Returns:
        the version of the registered model with its alias, or why there is none.
    """
    try:
        return _register(tracker, name, champion, run_id, summary, facts, promotion), None
    except TrackingError as error:
        return None, f"the tracking store was away: {error}"
    except TrackingRefused as error:
        return None, f"the tracking store refused it: {error}"
    except (HicoError, OSError) as error:
        return None, f"the model could not be exported: {first_line(error)}"


def _register(
    tracker: Tracker,
    name: str,
    champion: RunResult,
    run_id: str,
    summary: Summary,
    facts: Mapping[str, str],
    promotion: Promotion,
) -> Registered:
    from hico_platform.checkpoint import load_checkpoint
    from hico_platform.export import export_encoder

    checkpoint = Path(champion.checkpoint or "")
    model = checkpoint.parent / "encoder"
    if not model.is_dir():
        export_encoder(load_checkpoint(checkpoint), model)
    return tracker.register_champion(
        name,
        run_id=run_id,
        model=model,
        loader=LOADER,
        description=f"{description(name, summary, facts)}. {promotion.sentence}",
        tags={f"hico.{key}": value for key, value in facts.items()},
        alias=promotion.alias,
    )


def description(name: str, summary: Summary, facts: Mapping[str, str]) -> str:
    """The model's description in the registry: its configuration, and its score on the test split."""
    score = summary[Entry.BEST]["knn_top1"]
    state = facts.get(SEARCH_STATE, FINISHED)
    if "config" in facts:
        which = f"the configuration {facts['config']}"
    elif state == FINISHED:
        which = f"best configuration of the search {name}"
    else:
        which = f"best so far of the search {name}, which was {state}"
    seeds = f"{score.count} seed{'' if score.count == 1 else 's'}"
    return f"HiCo, {which}; test 1-NN {score.mean:.1%} over {seeds}"
