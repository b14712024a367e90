"""What tables call a metric, in the order in which they show them."""

from __future__ import annotations

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
