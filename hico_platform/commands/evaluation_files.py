"""The files of an evaluation: scores, each confusion matrix as JSON, CSV and picture, and the other figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hico_platform.atomic_io import write_new_folder
from hico_platform.commands.evaluation_report import EvaluationReport
from hico_platform.commands.export_trials import csv_text
from hico_platform.commands.figure_data import about, figures_of_features
from hico_platform.evaluate.scores import TaskResult, confusion
from hico_platform.report.confusion import draw_confusion
from hico_platform.report.curves import EntryScores, draw_occlusion, draw_semi_supervised
from hico_platform.writable import check_free

SCORES = "scores.json"


def write_evaluation(report: EvaluationReport, plain: Mapping[str, Any], out: Path) -> list[str]:
    """Writes the new folder ``out``, whole or not at all; returns the names of its files.

    ``plain`` is the report as JSON, which is its file ``scores.json``. Raises UsageError where there is such a folder.
    """
    check_free(out)
    files = {SCORES: json.dumps(plain, indent=1).encode()}
    for entry in report.entries:
        if entry.encoder is None:
            continue
        for result in entry.results:
            truth, class_names = truth_of(result, report)
            if result.predictions is None or truth is None:
                continue
            counts = confusion(result.predictions, truth, classes=len(class_names)).numpy().astype(np.int64)
            name = f"confusion_{entry.name}_{result.task}"
            matrix = {"rows": "true class", "columns": "answer", "class_names": class_names, "counts": counts.tolist()}
            files[f"{name}.json"] = json.dumps(matrix).encode()
            files[f"{name}.csv"] = _csv(counts.tolist(), class_names)
            files[f"{name}.png"] = draw_confusion(counts, class_names, title=f"{result.task}: {_about(result, report)}")
        if entry.shown is not None:
            drawn = figures_of_features(entry.shown, about=f"{entry.name}, {about(report.facts)}")
            files |= {f"{figure}_{entry.name}.png": content for figure, content in drawn.items()}
    files |= _curves(report)
    write_new_folder(out, files)
    return sorted(files)


def truth_of(result: TaskResult, report: EvaluationReport) -> tuple[Tensor | None, Sequence[str]]:
    """The true classes of the sequences that a result's predictions are of, and the names of all classes."""
    if result.on_target:
        return report.target_labels, report.target_class_names
    return report.labels, report.class_names


def _curves(report: EvaluationReport) -> dict[str, bytes]:
    """The figures that compare all entries, of what was scored."""
    entries = {
        entry.name: EntryScores(
            values={name: value for result in entry.results for name, value in result.values().items()},
            intervals=entry.intervals,
        )
        for entry in report.entries
    }
    found = {
        "semi_supervised.png": draw_semi_supervised(entries, title=f"Few labels: {about(report.facts)}"),
        "occlusion.png": draw_occlusion(entries, title=f"Occlusion: {about(report.facts)}"),
    }
    return {name: content for name, content in found.items() if content is not None}


def _about(result: TaskResult, report: EvaluationReport) -> str:
    """What a result is of, for a title: of the target's data where it was scored on that."""
    of_target = report.facts.get("target", {}) if result.on_target else {}
    return about({**report.facts, **of_target})


def _csv(counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["true class", *map(csv_text, class_names)])
    writer.writerows([csv_text(name), *row] for name, row in zip(class_names, counts, strict=True))
    return text.getvalue().encode()
