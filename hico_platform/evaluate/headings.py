"""What tables call a metric, in the order in which they show them."""

from __future__ import annotations

import re
from collections.abc import Sequence

HEADINGS: dict[str, str] = {
    "knn_top1": "1-NN",
    "knn_top1_k5": "5-NN",
    "knn_top1_k9": "9-NN",
    "knn_top1_k20": "20-NN",
    "knn_mean": "kNN",
    "recognition_top1": "linear probe",
    "linear_regularised_top1": "regularised",
    "retrieval_top1": "R@1",
    "retrieval_recall_at_5": "R@5",
    "retrieval_recall_at_10": "R@10",
    "retrieval_map": "mAP",
    "transfer_top1": "transfer",
    "transfer_regularised_top1": "transfer, regularised",
}

SEMI = re.compile(r"semi_(unstratified|per_class)_(\d+)_(.+)_top1")
"""Draw, per cent of labels, and what learnt from them."""
OCCLUSION = re.compile(r"occlusion_(clean|parts|frames)(?:_(\d+))?_(knn|linear)_top1")
"""What is missing, how much of it, and what recognised the rest."""
_METHODS = {"knn": "1-NN", "linear": "linear probe"}
_HIDDEN = re.compile(r"semi_per_class_.*|occlusion_clean_.*|occlusion_.*_knn_top1")


def method(name: str) -> str:
    """What a score's name calls a classifier or a recipe, in words."""
    return _METHODS.get(name, name.replace("_", " "))


def heading(name: str) -> str:
    """What a table calls a score of any task."""
    if found := SEMI.fullmatch(name):
        of = "of labels" if found[1] == "unstratified" else "of each class's labels"
        return f"{found[2]} % {of}, {method(found[3])}"
    if found := OCCLUSION.fullmatch(name):
        kind, amount, by = found.groups()
        missing = {
            "clean": "nothing missing",
            "parts": f"{amount} body part{'' if amount == '1' else 's'} missing",
            "frames": f"{amount} % of frames missing",
        }
        return f"{missing[kind]}, {method(by)}"
    return HEADINGS.get(name, name.replace("_", " "))


def in_short(names: Sequence[str]) -> list[str]:
    """Those of several scores that a short table shows: one way of drawing labels and one classifier of occlusion."""
    return [name for name in names if not _HIDDEN.fullmatch(name)]
