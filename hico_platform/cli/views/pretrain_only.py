"""In words: the sequences that are pretrained on and never scored."""

from __future__ import annotations

from collections.abc import Mapping


def joining(facts: Mapping[str, object]) -> str | None:
    """How many sequences join pretraining alone, and how many have no label, by the facts of data; None if none do."""
    alone, unlabelled = (int(str(facts.get(f"{kind}_sequences", 0))) for kind in ("pretrain_only", "unlabelled"))
    if not alone:
        return None
    if alone == unlabelled:
        return f"{alone:,} without a label join pretraining"
    return f"{alone:,} that are never scored join pretraining, {unlabelled:,} of them without a label"
