"""The retrained model of a search in the model registry: its champion, or a challenger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.errors import HicoError, first_line
from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.exported_model import export_model
from hico_platform.retrain.further_scores import NOTHING_FURTHER, FurtherScores
from hico_platform.retrain.model_card import model_card, write_card
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.search.phases import Phase
from hico_platform.tracking.base import CHALLENGER, LOADER, Registered, Tracker, TrackingError, TrackingRefused

if TYPE_CHECKING:  # the driver does without torch until a model is exported
    from hico_platform.worker.run_task import TrialData

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
    data: TrialData,
    results: Sequence[RunResult],
    comparison: Comparison,
    further: FurtherScores = NOTHING_FURTHER,
    on_phase: Callable[[Phase], None] = lambda phase: None,
) -> tuple[Registered | None, str | None]:
    """Registers the first seed's model: choosing the seed by its test score would select on the test split.

    It is exported with a gallery and a probe of what it was trained on in ``data``. The model card has what is known of
    the numbers: ``summary``, ``results`` of all runs, ``comparison``, and the ``further`` tasks. ``on_phase`` is told
    what goes on: the probe takes longer than all else.

    Returns:
        the version of the registered model with its alias, or why there is none.
    """
    try:
        on_phase(Phase.EXPORTING)
        model = export_model(Path(champion.checkpoint or ""), data=data)
        says = f"{description(name, summary, facts)}. {promotion.sentence}"
        card = _card(
            name,
            model,
            says,
            alias=promotion.alias or tracker.alias_of(name, run_id) or CHALLENGER,
            summary=summary,
            facts=facts,
            results=results,
            comparison=comparison,
            further=further,
        )
        on_phase(Phase.REGISTERING)
        return _register(tracker, name, model, run_id, card, facts, promotion), None
    except TrackingError as error:
        return None, f"the tracking store was away: {error}"
    except TrackingRefused as error:
        return None, f"the tracking store refused it: {error}"
    except (HicoError, OSError) as error:
        return None, f"the model could not be exported: {first_line(error)}"


def _register(
    tracker: Tracker,
    name: str,
    model: Path,
    run_id: str,
    card: str,
    facts: Mapping[str, str],
    promotion: Promotion,
) -> Registered:
    return tracker.register_champion(
        name,
        run_id=run_id,
        model=model,
        loader=LOADER,
        description=card.partition("\n\n")[2],  # MLflow's pages have the name above it
        tags={f"hico.{key}": value for key, value in facts.items()},
        alias=promotion.alias,
    )


def _card(
    name: str,
    model: Path,
    says: str,
    *,
    alias: str,
    summary: Summary,
    facts: Mapping[str, str],
    results: Sequence[RunResult],
    comparison: Comparison,
    further: FurtherScores,
) -> str:
    """The model card, which is written beside the model too."""
    from hico_platform.export import describe

    intervals = {
        entry: {metric: (found.low, found.high) for metric, found in by_metric.items()}
        for entry, by_metric in comparison.intervals.items()
    }
    card = model_card(
        name,
        model=describe(model),
        facts=facts,
        summary=summary,
        results=results,
        intervals=intervals,
        further=further.scores,
        verdict=says,
        alias=alias,
    )
    write_card(model, card)
    return card


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
