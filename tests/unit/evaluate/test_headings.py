from __future__ import annotations

import pytest

from hico_platform.evaluate.headings import HEADINGS, heading, in_short
from hico_platform.retrain.results import METRICS


def test_headings_are_told_apart_and_the_comparison_has_those_of_the_report() -> None:
    assert len(set(HEADINGS.values())) == len(HEADINGS)
    assert METRICS.items() <= HEADINGS.items()
    assert HEADINGS.keys() - METRICS.keys() == {"retrieval_top1"}


def test_the_table_of_a_retraining_keeps_its_order() -> None:
    assert list(METRICS.values()) == [
        "1-NN", "5-NN", "9-NN", "20-NN", "kNN", "linear probe", "regularised", "R@5", "R@10", "mAP", "transfer",
        "transfer, regularised",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("knn_top1", "1-NN"),
        ("semi_unstratified_5_linear_top1", "5 % of labels, linear probe"),
        ("semi_per_class_20_finetune_layer_decay_top1", "20 % of each class's labels, finetune layer decay"),
        ("semi_list_mine_linear_top1", "semi list mine linear top1"),
        ("occlusion_clean_knn_top1", "nothing missing, 1-NN"),
        ("occlusion_parts_1_linear_top1", "1 body part missing, linear probe"),
        ("occlusion_parts_2_knn_top1", "2 body parts missing, 1-NN"),
        ("occlusion_frames_25_knn_top1", "25 % of frames missing, 1-NN"),
        ("finetune_cmd_top1", "finetune cmd top1"),
    ],
)
def test_scores_of_other_tasks_are_said_in_words(name: str, expected: str) -> None:
    assert heading(name) == expected


def test_tables_show_one_way_of_drawing_labels_and_one_classifier_and_whatever_else_there_is() -> None:
    names = [
        "semi_unstratified_1_linear_top1", "semi_per_class_1_linear_top1", "occlusion_clean_linear_top1",
        "occlusion_parts_1_knn_top1", "occlusion_parts_1_linear_top1", "finetune_cmd_top1",
    ]  # fmt: skip
    assert in_short(names) == [
        "semi_unstratified_1_linear_top1", "occlusion_parts_1_linear_top1", "finetune_cmd_top1",
    ]  # fmt: skip
