"""The figures of a retraining, after all results: of the best configuration's first seed, and of all entries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hico_platform.atomic_io import write_new_folder, write_whole
from hico_platform.checkpoint_store import is_in_a_store
from hico_platform.errors import first_line
from hico_platform.retrain.exported_model import read_trained_run
from hico_platform.retrain.losses import read_losses
from hico_platform.retrain.results import FIGURE_NUMBERS, FIGURES
from hico_platform.tracking.base import Tracker

if TYPE_CHECKING:  # the driver does without torch until figures are drawn
    from hico_platform.retrain.run import RetrainReport
    from hico_platform.worker.run_task import TrialData


def add_figures(report: RetrainReport, *, data: TrialData, tracker: Tracker) -> str | None:
    """Draws figures beside the results, unless they are there, and logs them to the best configuration's first run.

    Returns why they are missing, or None: the results are whole without them, so that nothing fails for a figure.
    """
    folder = report.directory / FIGURES
    if is_in_a_store(report.champion.checkpoint):
        return report.unregistered
    try:
        if not folder.is_dir():
            write_new_folder(folder, _draw(report, data))
        curves = _curves(report)
        for name, content in curves.items():  # drawn again: there may be more seeds, or tasks, than before
            write_whole(folder / name, content)
        if report.run_id is None:
            return "the tracking store has no run for them"
        tracker.log_folder(report.run_id, folder, name=FIGURES)
        seeds = max((result.seed for result in report.results), default=0) + 1
        for picture in sorted(folder.glob("*.png")):
            name = f"{FIGURES}/{picture.stem}"
            if picture.name in curves and seeds > 1:  # the store keeps the first picture of a name
                name += f"_{seeds}_seeds"
            tracker.log_image(report.run_id, picture, name=name, epoch=report.champion.epoch)
    except Exception as error:
        return first_line(error) or type(error).__name__
    return None


def _draw(report: RetrainReport, data: TrialData) -> dict[str, bytes]:
    """PNGs by file name, and the numbers of those that the report draws itself.

    The checkpoint scores the test split as it was scored before: nothing is chosen by it.
    """
    from hico_platform.commands.figure_data import about, figure_data, figure_numbers, figures_of_features
    from hico_platform.evaluate.data import of_encoder
    from hico_platform.evaluate.knn import vote
    from hico_platform.evaluate.scores import confusion
    from hico_platform.report.confusion import draw_confusion
    from hico_platform.report.losses import draw_losses

    checkpoint = Path(report.champion.checkpoint or "")
    _, config, store, encoder, sequences = read_trained_run(checkpoint, data=data)
    evaluated = of_encoder(encoder, data=sequences, config=config.evaluation, seed=config.budget.seed)
    facts: Mapping[str, Any] = {
        "dataset": store.dataset, "protocol": data.source.protocol, "split": "test", "seed": config.budget.seed,
    }  # fmt: skip
    title = f"best configuration, {about(facts)}"
    shown = figure_data(evaluated, store=store)
    found = figures_of_features(shown, about=title)
    answers = vote(sequences.train_labels[evaluated.neighbours[:, :1].to(sequences.train.device)])
    counts = confusion(answers, sequences.eval_labels, classes=sequences.classes).numpy().astype(np.int64)
    found["confusion_knn"] = draw_confusion(counts, store.class_names, title=f"1-NN: {about(facts)}")
    trained_on = about({**facts, "split": "whole training"})
    losses = read_losses(checkpoint.parent)
    if losses:
        found["losses"] = draw_losses(losses, title=f"Losses in training: {trained_on}")
    numbers = figure_numbers(shown, counts=counts, losses=losses)
    return {**{f"{name}.png": content for name, content in found.items()}, FIGURE_NUMBERS: numbers}


def _curves(report: RetrainReport) -> dict[str, bytes]:
    """PNGs by file name: what all entries score with few labels, and with parts or frames missing."""
    from hico_platform.report.curves import EntryScores, draw_occlusion, draw_semi_supervised

    if not report.further:
        return {}
    entries = {
        entry.heading: EntryScores(
            values={name: one.spread.mean for name, one in scores.items()},
            intervals={name: one.interval for name, one in scores.items() if one.interval is not None},
        )
        for entry, scores in report.further.scores.items()
    }
    protocol = Path(report.facts["protocol"]).name
    seeds = len({result.seed for result in report.results})
    of = f"{report.facts['dataset']}, {protocol}, test split, {seeds} seed{'' if seeds == 1 else 's'}"
    found = {
        "semi_supervised.png": draw_semi_supervised(entries, title=f"Few labels: {of}"),
        "occlusion.png": draw_occlusion(entries, title=f"Occlusion: {of}"),
    }
    return {name: content for name, content in found.items() if content is not None}
