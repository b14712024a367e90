"""What the tracking store's pages say of a retraining and of its runs, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from hico_platform.retrain.candidates import CandidateRun
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import METRICS, Spread
from hico_platform.tracking.base import CHALLENGER
from hico_platform.tracking.notes import plain


def retraining_note(
    name: str,
    facts: Mapping[str, str],
    *,
    summary: Mapping[Entry, Mapping[str, Spread]] | None = None,
    promotion: Promotion | None = None,
) -> str:
    """The description of a retraining's own run; with its ``summary``, the comparison and what to do next."""
    origin = f"the configuration {plain(facts['config'])}" if "config" in facts else f"the search {plain(name)}"
    lines = [f"Retraining of {origin} with several seeds, compared on the test split of {_data(facts)}."]
    if summary is None:
        lines += ["", f"**Next**: the same `hico-platform retrain {shlex.quote(name)}` goes on, if it was interrupted."]
        return "\n".join(lines)
    shown = [metric for metric in METRICS if any(metric in scores for scores in summary.values())]
    lines += [
        "",
        f"| per cent | {' | '.join(METRICS[metric] for metric in shown)} |",
        f"| --- |{' --- |' * len(shown)}",
        *(
            f"| {entry.heading} | {' | '.join(_cell(scores.get(metric)) for metric in shown)} |"
            for entry, scores in summary.items()
        ),
    ]
    if promotion is not None:
        lines += ["", f"**{plain(promotion.sentence)}**"]
    alias = CHALLENGER if promotion is None or promotion.alias is None else promotion.alias
    lines += ["", f"**Next**: `hico-platform predict --model {shlex.quote(name)}@{alias} FILE` recognises recordings."]
    return "\n".join(lines)


def run_note(name: str, run: PlannedRun, facts: Mapping[str, str]) -> str:
    """The description of one run of a retraining."""
    if isinstance(run, CandidateRun):
        return (
            f"Candidate of the retraining of {plain(name)}: the settings of trial {run.trial} with seed {run.seed}, "
            f"scored on the validation persons of {_data(facts)}."
        )
    trained = "trained on the whole training split" if run.entry.is_trained else "not trained"
    return (
        f"{run.entry.heading.capitalize()}, seed {run.seed}: {trained}, scored on the test split of {_data(facts)}; "
        f"part of the retraining of {plain(name)}."
    )


def _data(facts: Mapping[str, str]) -> str:
    return f"{plain(facts.get('dataset', 'the data'))}, protocol {plain(facts.get('protocol', 'not recorded'))}"


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{100 * spread.mean:.1f}" + ("" if spread.deviation is None else f" ± {100 * spread.deviation:.1f}")
