"""The page of metrics: every name under which a number lands in MLflow, in ``--json`` or in a checkpoint's facts.

Names are put together from parts in the code (a task, a protocol, a share), so the table lists them as patterns, with a
word in angle brackets where a part varies. ``explained`` says whether a line is of a name; a test asks it for every
score that the pages on evaluation, retraining and searches name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docs.generate.markdown import code, table
from hico_platform.tracking.metric_names import MetricNames, grouped

SHARE = "0 to 1"


@dataclass(frozen=True)
class Metric:
    """A name, or a pattern of names.

    Attributes:
        name: with ``<...>`` where a part varies.
        unit: of the value.
        better: "higher", "lower" or "" where it is neither.
        meaning: a sentence.
    """

    name: str
    unit: str
    better: str
    meaning: str

    def in_mlflow(self, section: str) -> str:
        """Its name there, in the group of charts that it belongs to; empty for what is not logged."""
        names = MetricNames()
        if section == OF_EVALUATE:
            return ""
        if section == OF_SEARCH:
            return names.best(self.name.removeprefix("best_"))
        if section != OF_RETRAINING:
            return grouped(self.name)
        if found := re.match(r"(val|test)_(.*)", self.name):
            return names.of_part(*found.groups())
        entry, name = re.match(r"(best_over_<entry>|<entry>)_(.*)", self.name).groups()  # type: ignore[union-attr]
        return names.of_entry(entry, name)


OF_SEARCH, OF_RETRAINING, OF_EVALUATE = "Of a search", "Of a retraining", "Of evaluate"
SECTIONS: dict[str, tuple[str, tuple[Metric, ...]]] = {
    "Training": (
        "Of each epoch, in a trial's run and in `pretrain --json`.",
        (
            Metric("loss", "nats", "lower", "the weighted sum of the levels' losses, mean over the epoch's steps"),
            Metric("loss_clip", "nats", "lower", "InfoNCE of the clip level, before its weight"),
            Metric("loss_part", "nats", "lower", "InfoNCE of the part level, before its weight"),
            Metric(
                "loss_domain",
                "nats",
                "lower",
                "InfoNCE of the domain level: the sum of its two terms, before its weight",
            ),
            Metric("loss_instance", "nats", "lower", "InfoNCE of the instance level, before its weight"),
            Metric("parameters", "count", "lower", "parameters of the encoder that downstream tasks use; an objective"),
            Metric(
                "sequences_per_s",
                "1/s",
                "higher",
                "training speed, sequences a second on what one trial holds; an objective",
            ),
        ),
    ),
    "Validation": (
        "At each report of a trial: on the validation subjects, among the other training subjects.",
        (
            Metric(
                "knn_top1",
                SHARE,
                "higher",
                "accuracy of 1-NN by cosine; what a search goes by unless it says otherwise",
            ),
            Metric("knn_top1_k<k>", SHARE, "higher", "accuracy of kNN with k = 5, 9 or 20"),
            Metric("knn_mean", SHARE, "higher", "the mean of kNN with k = 1, 5, 9 and 20"),
            Metric("knn_subjects", SHARE, "higher", "1-NN of every training subject among all the others"),
            Metric("retrieval_map", SHARE, "higher", "mean average precision of the ranking by cosine"),
            Metric("linear_regularised_top1", SHARE, "higher", "L2 logistic regression on standardised features"),
            Metric(
                "<score>_standard_error",
                SHARE,
                "",
                "how far that score would move with other people: a bootstrap over persons",
            ),
        ),
    ),
    "At the end of a trial": (
        "Downstream tasks of a trial, whether it was stopped or ran to its end.",
        (
            Metric("recognition_top1", SHARE, "higher", "linear probe as released, its last epoch"),
            Metric("retrieval_top1", SHARE, "higher", "accuracy of the nearest training sequence"),
            Metric(
                "retrieval_recall_at_<k>",
                SHARE,
                "higher",
                "share of sequences with one of their class among the nearest k",
            ),
            Metric("transfer_top1", SHARE, "higher", "linear probe as released, on the transfer dataset"),
            Metric("transfer_regularised_top1", SHARE, "higher", "regularised probe on the transfer dataset"),
        ),
    ),
    OF_SEARCH: (
        "In the run of the search; the step is the number of trials that have ended.",
        (Metric("best_<score>", SHARE, "higher", "the best score so far, by what the search goes by"),),
    ),
    OF_RETRAINING: (
        "`val_` is a candidate's score on validation subjects, `test_` a score on the test split. In the run "
        "`retraining`, `<entry>` is `best`, `released`, `untrained` or `raw_pose`.",
        (
            Metric("val_<score>", SHARE, "", "of a candidate, one seed"),
            Metric("test_<score>", SHARE, "", "of a final run, one seed"),
            Metric("<entry>_mean_test_<score>", SHARE, "", "mean over the seeds"),
            Metric("<entry>_std_test_<score>", SHARE, "", "standard deviation over the seeds"),
            Metric("<entry>_low_test_<score>", SHARE, "", "lower end of the 95 % interval over persons and seeds"),
            Metric("<entry>_high_test_<score>", SHARE, "", "upper end of that interval"),
            Metric("<entry>_seeds", "count", "", "seeds that were trained"),
            Metric(
                "best_over_<entry>_test_<score>", SHARE, "higher", "difference of the best configuration to that entry"
            ),
            Metric("best_over_<entry>_p_test_<score>", SHARE, "lower", "p of the paired test of that difference"),
        ),
    ),
    OF_EVALUATE: (
        "In `evaluate --json` and its `scores.json`; each has an interval beside it. "
        "[Evaluation](../evaluation.md) has the protocols.",
        (
            Metric("linear_released_top1", SHARE, "higher", "linear probe as released, its last epoch"),
            Metric("calibration_ece", SHARE, "lower", "expected calibration error of the regularised probe, 15 bins"),
            Metric("calibration_brier", SHARE, "lower", "Brier score of the regularised probe"),
            Metric("transfer_released_top1", SHARE, "higher", "linear probe as released, on the target's classes"),
            Metric(
                "transfer_finetune_<recipe>_top1",
                SHARE,
                "higher",
                "the whole encoder trained on the target, by a recipe",
            ),
            Metric(
                "fusion_<probe>_top1", SHARE, "higher", "sum of the probe's logits of three streams, or of one of them"
            ),
            Metric(
                "semi_<draw>_<percent>_<learner>_top1", SHARE, "higher", "with a share of the labels, mean over draws"
            ),
            Metric("finetune_<recipe>_top1", SHARE, "higher", "the whole encoder trained, by a recipe"),
            Metric(
                "occlusion_<condition>_<method>_top1", SHARE, "higher", "where parts of the body or frames are missing"
            ),
        ),
    ),
    "Of the machine": (
        "MLflow's system metrics, of the driver and of each worker while it runs.",
        (Metric("system/<what>", "as named", "", "CPU, memory, disk and GPU of the machine; units are in the names"),),
    ),
}


def explained(name: str) -> bool:
    """Whether a line of the page is of this name, as the ledger or as MLflow has it."""
    return any(
        _pattern(shown).fullmatch(name)
        for section, (_, metrics) in SECTIONS.items()
        for metric in metrics
        for shown in (metric.name, metric.in_mlflow(section))
    )


def _pattern(name: str) -> re.Pattern[str]:
    parts = re.split(r"(<[^>]+>)", name)
    return re.compile("".join("[a-z0-9_]+" if part.startswith("<") else re.escape(part) for part in parts))


def page() -> str:
    """The page."""
    lines = [
        "# Metrics",
        "",
        "Every number has its unit here. Scores are shares from 0 to 1 in MLflow and JSON, and percent in",
        "tables for people.",
        "A word in angle brackets stands for what varies. The ledger, `--json` and exports have the plain names;",
        "in MLflow they are in groups, each of which is a section of charts ([tracking](../tracking.md)).",
        "",
    ]
    for title, (about, metrics) in SECTIONS.items():
        rows = [(one.name, one.in_mlflow(title), one.unit, one.better, one.meaning) for one in metrics]
        shown = [(code(name), code(there) if there else "", *rest) for name, there, *rest in rows]
        lines += [f"## {title}", "", about, "", table(["name", "in MLflow", "unit", "better", "meaning"], shown)]
    return "\n".join(lines)
