"""The card of a registered model: what it was trained on, how well it does, what it costs, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.atomic_io import write_whole
from hico_platform.config.schema import flatten
from hico_platform.config.trial import TrialConfig
from hico_platform.evaluate.headings import heading, in_short
from hico_platform.retrain.further_scores import FurtherScore
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS, RunResult, Spread
from hico_platform.tracking.base import CHAMPION

if TYPE_CHECKING:  # which imports torch
    from hico_platform.export import ModelDescription

MOST_CHARACTERS = 5000
"""What MLflow's databases keep of a version's description."""
_SHOWN_CLASSES = 20

Intervals = Mapping[Entry, Mapping[str, tuple[float, float]]]
Further = Mapping[Entry, Mapping[str, FurtherScore]]


def model_card(
    name: str,
    *,
    model: ModelDescription,
    facts: Mapping[str, str],
    summary: Mapping[Entry, Mapping[str, Spread]],
    results: Sequence[RunResult],
    intervals: Intervals | None = None,
    further: Further | None = None,
    verdict: str = "",
    alias: str = CHAMPION,
) -> str:
    """The card in Markdown, of at most ``MOST_CHARACTERS``.

    Args:
        name: of the registered model.
        model: what its folder says of it.
        facts: of the retraining.
        summary: scores on the test split.
        results: of all runs, which say what it cost.
        intervals: low and high end of the interval of each mean, by entry and metric, where they are known.
        further: scores of tasks beyond the quick ones, such as few labels and occlusion.
        verdict: what it is and how it compares with the other entries, in a sentence or two.
        alias: of the registered version.
    """
    sections = {
        "": [f"# {name}", "", *([verdict, ""] if verdict else []), _opening(model)],
        "Data": _data(model, facts),
        "Scores on the test split": _scores(summary, intervals or {}),
        "Harder tasks": _harder(further or {}),
        "Settings": _settings(model.config),
        "Cost": _cost(model, results),
        "Limits": _limits(model, facts, summary, further or {}),
        "Lineage": _lineage(model, facts),
        "Use": _use(f"{name}@{alias}", model),
    }
    text = "\n\n".join(
        "\n".join([*([f"## {title}"] if title else []), *lines]) for title, lines in sections.items() if lines
    )
    return text if len(text) < MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 5]}\n..."


def write_card(folder: Path, card: str) -> None:
    """Writes the card into a model's folder, atomically."""
    from hico_platform.export import CARD

    write_whole(folder / CARD, f"{card}\n".encode())


def _opening(model: ModelDescription) -> str:
    config, about = model.config, model.recogniser
    says = "It turns recordings of skeletons into features"
    if about is not None:
        says += f", and recognises {len(about.class_names)} actions by them"
    return (
        f"An encoder trained by HiCo (hierarchical contrast, AAAI 2023) without labels: {config.model.encoder}, "
        f"{config.model.layers} layer{'s' if config.model.layers > 1 else ''}, width {config.model.hidden_width}, "
        f"stream {config.views.stream}. {says} ({model.feature_width} numbers)."
    )


def _data(model: ModelDescription, facts: Mapping[str, str]) -> list[str]:
    normalisation = "as recorded" if model.normalisation is None else f"normalised as {model.normalisation}"
    missing = {"zero": "joints of zeros are missing", "nan": "NaN marks a missing joint"}[str(model.missing_joint)]
    lines = [
        f"- dataset {_said(facts, 'dataset')}, protocol {_said(facts, 'protocol')}: trained on "
        f"{_said(facts, 'train_sequences')} sequences, scored on {_said(facts, 'test_sequences')} others",
        f"- skeletons of the layout {model.layout.name}: {len(model.layout.joints)} joints, {model.coordinates} "
        f"coordinates, {normalisation}; {missing}",
    ]
    for key, of in (
        ("pretrain_only_sequences", "further sequences were pretrained on alone"),
        ("unlabelled_sequences", "of these have no label"),
        ("overlap", "scored sequences were also pretrained on, which was allowed"),
    ):
        if key in facts:
            lines.append(f"- {facts[key]} {of}")
    about = model.recogniser
    if about is not None:
        shown = ", ".join(about.class_names[:_SHOWN_CLASSES])
        more = f", ... ({len(about.class_names)} in all)" if len(about.class_names) > _SHOWN_CLASSES else ""
        lines.append(f"- classes: {shown}{more}")
        lines.append(
            f"- gallery: {about.gallery:,} of {about.sequences:,} labelled training sequences, as {about.number}; "
            f"probe: {about.probe}"
        )
    lines.append("- licence of the data: not known to this project; ask its publisher before the model is passed on")
    return lines


def _scores(summary: Mapping[Entry, Mapping[str, Spread]], intervals: Intervals) -> list[str]:
    shown = [metric for metric in METRICS if any(metric in scores for scores in summary.values())]
    seeds = {entry: max((spread.count for spread in scores.values()), default=0) for entry, scores in summary.items()}
    lines = [
        f"| | {' | '.join(entry.heading for entry in summary)} |",
        f"|---|{'---|' * len(summary)}",
        f"| seeds | {' | '.join(str(seeds[entry]) for entry in summary)} |",
    ]
    for metric in shown:
        cells = [_cell(scores.get(metric), intervals.get(entry, {}).get(metric)) for entry, scores in summary.items()]
        lines.append(f"| {METRICS[metric]} | {' | '.join(cells)} |")
    brackets = "; in brackets a 95 % interval" if intervals else ""
    return [*lines, "", f"Per cent, mean and deviation over seeds{brackets}. The weights are those of the first seed."]


def _harder(further: Further) -> list[str]:
    """Few labels, what is missing of a recording, and other tasks that were asked for."""
    names = in_short(list(dict.fromkeys(name for scores in further.values() for name in scores)))
    if not names:
        return []
    lines = [f"| | {' | '.join(entry.heading for entry in further)} |", f"|---|{'---|' * len(further)}"]
    for name in names:
        found = [scores.get(name) for scores in further.values()]
        lines.append(f"| {heading(name)} | {' | '.join('' if one is None else _further_cell(one) for one in found)} |")
    return [*lines, "", "Per cent of the test split, as above; what is missing is so of what is recognised alone."]


def _further_cell(one: FurtherScore) -> str:
    return _cell(one.spread, None if one.interval is None else (one.interval.low, one.interval.high))


def _cell(spread: Spread | None, interval: tuple[float, float] | None) -> str:
    if spread is None:
        return ""
    deviation = "" if spread.deviation is None else f" ± {100 * spread.deviation:.1f}"
    between = "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return f"{100 * spread.mean:.1f}{deviation}{between}"


def _settings(config: TrialConfig) -> list[str]:
    """The settings that are not the released ones; all of them are in ``encoder.json``."""
    released = flatten(TrialConfig())
    changed = {name: value for name, value in flatten(config).items() if value != released[name]}
    if not changed:
        return ["The released ones."]
    return [", ".join(f"`{name}` {value}" for name, value in changed.items()), "", "All others are as released."]


def _cost(model: ModelDescription, results: Sequence[RunResult]) -> list[str]:
    best = [result for result in results if result.entry is Entry.BEST]
    hours = sum(result.seconds for result in results) / 3600
    lines = [f"- {model.epoch} epochs; {len(results)} runs of the comparison took {hours:.2f} hours in all"]
    if best:
        lines.append(
            f"- of these the registered one: {best[0].seconds / 3600:.2f} hours, {best[0].precision or 'float32'}"
        )
    return lines


def _limits(
    model: ModelDescription,
    facts: Mapping[str, str],
    summary: Mapping[Entry, Mapping[str, Spread]],
    further: Further,
) -> list[str]:
    lines = [
        f"- tried on {_said(facts, 'dataset')} alone: not on other sensors, skeletons, frame rates, places or people",
    ]
    if not any("transfer_top1" in scores for scores in summary.values()):
        lines.append("- transfer to another dataset was not measured")
    if model.recogniser is not None:
        lines.append(
            "- every recording is taken for one of its classes; how often a probability is right was not measured here"
        )
    hidden = any(name.startswith("occlusion_") for scores in further.values() for name in scores)
    lines.append(
        f"- not tried {'' if hidden else 'with joints or frames hidden, nor '}on recordings of several actions"
    )
    lines.append("- features and gallery may reveal whose movements they are: protect them as the recordings")
    return lines


def _lineage(model: ModelDescription, facts: Mapping[str, str]) -> list[str]:
    known = {
        "search": "search", "trial": "trial", "search_key": "key of the search", "search_state": "state of the search",
        "config": "configuration", "data_digest": "digest of the data",
        "transfer_digest": "digest of the transfer data", "code_version": "code",
    }  # fmt: skip
    lines = [f"- {title}: {facts[key]}" for key, title in known.items() if key in facts]
    return [*lines, *(f"- SHA-256 of {name}: {digest}" for name, digest in sorted(model.digests.items()))]


def _use(address: str, model: ModelDescription) -> list[str]:
    answer = "features" if model.recogniser is None else "probabilities"
    return [
        "```python",
        "from hico_platform import load_encoder",
        f'model = load_encoder("models:/{address}")',
        f"model.{answer}([pose])  # float32 (T, {len(model.layout.joints)}, {model.coordinates})",
        "```",
    ]


def _said(facts: Mapping[str, str], key: str) -> str:
    return facts.get(key, "not recorded")
