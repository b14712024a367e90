"""What the tracking store's pages say of a search and of its trials, in Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.search.ledger.base import Ending, SearchRecord, TrialRecord, TrialState
from hico_platform.search.state import SearchState, TrialStatus
from hico_platform.tracking.notes import plain, table

_NEXT = {
    SearchState.RUNNING: ("status {name} --watch", "shows how far it is"),
    SearchState.INTERRUPTED: ("search --resume --name {name}", "goes on where it ended"),
    SearchState.FAILED: ("search --resume --name {name}", "goes on, once what failed is mended"),
    SearchState.FINISHED: (
        "retrain {name}",
        "trains the best configuration again with several seeds, scores it on the test split and registers the model",
    ),
}


def search_note(
    search: SearchRecord,
    space: CheckedSpace,
    *,
    state: SearchState,
    counts: Mapping[TrialState, int],
    metric: str,
    best: tuple[TrialRecord, float] | None,
    best_page: str | None,
    persons_note: str = "",
) -> str:
    """The description of a search's own run: what it is, how far, the best so far, what it was run on, what to do next.

    Args:
        search: as the ledger has it.
        space: as the search began or was resumed with.
        state: of the search.
        counts: trials in each state.
        metric: the name of its score in the tracking store.
        best: the best trial so far, with its score.
        best_page: the address of that trial's page.
        persons_note: what a person noted of the search by ``hico-platform note``.
    """
    name, facts = shlex.quote(search.name), search.facts
    ended = sum(count for one, count in counts.items() if one.is_final)
    shown = [f"{counts[one]} {TrialStatus(one).word}" for one in TrialState if counts.get(one)]
    sections = [
        [plain(space.settings.description)] if space.settings.description else [],
        [f"**Note**: {plain(persons_note)}"] if persons_note else [],
        [
            f"**{str(state).capitalize()}**: {ended} of {search.limit} trials ended"
            + (f" ({', '.join(shown)})" if shown else "")
        ],
    ]
    if best is not None:
        trial, value = best
        title = f"trial {trial.number}"
        sections.append(
            [
                f"**{'Best' if state is SearchState.FINISHED else 'Best so far'}**: "
                f"{title if best_page is None else f'[{title}]({best_page})'} with `{metric}` {value:.4f}",
            ]
        )
        sections.append(settings_table(trial.values))
    counted = [
        f"{facts.more[key]:,} sequences {what}"
        for key, what in (("train_sequences", "to train on"), ("validation_sequences", "of other persons to score on"))
        if isinstance(facts.more.get(key), int)
    ]
    data = f"{plain(str(facts.more.get('dataset') or 'data'))}, protocol {plain(facts.protocol)}"
    sections.append([f"**Data**: {', '.join([data, *counted])}; digest `{facts.data_digest[:12]}`"])
    command, does = _NEXT[state]
    sections.append(
        [
            f"**Next**: `hico-platform {command.format(name=name)}` {does}. "
            f"`hico-platform report {name}` makes the report, which is the artifact `report.html` at the end."
        ]
    )
    return _joined(sections)


def trial_note(
    search: SearchRecord, trial: TrialRecord, *, search_page: str | None, ending: Ending | None, score: str
) -> str:
    """The description of a trial's run: what was tried, how it ended, what to do next.

    ``score`` is the last score with its name, or empty.
    """
    name = plain(search.name)
    of = name if search_page is None else f"[{name}]({search_page})"
    if ending is None:
        state = "Running"
    elif ending.state is TrialState.FAILED:
        state = f"Failed after {ending.epoch} epochs: {plain((ending.reason or '')[:500])}"
    else:
        state = (
            f"{TrialStatus(ending.state).word.capitalize()} after {ending.epoch} epochs{f', {score}' if score else ''}"
        )
    sections = [
        [f"Trial {trial.number} of the search {of}; its settings: {trial.origin}"],
        [f"**{state}**"],
        settings_table(trial.values),
    ]
    if ending is not None:
        sections.append([f"**Next**: `hico-platform show {shlex.quote(search.name)} {trial.number}` shows it whole."])
    return _joined(sections)


def settings_table(values: Mapping[str, Scalar]) -> list[str]:
    """The settings that a search varies, as a table."""
    return table(values, heading=("setting", "value"))


def count_states(trials: Mapping[int, TrialState]) -> Mapping[TrialState, int]:
    """How many trials are in each state."""
    return Counter(trials.values())


def _joined(sections: list[list[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in sections if lines)
