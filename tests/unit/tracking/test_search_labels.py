"""Labels of a search as tags of its run, whichever comes first."""

from __future__ import annotations

import dataclasses

from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.notes import ARCHIVED, PERSONS_NOTE
from hico_platform.search.tags import TagRecord
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.search_labels import copy_labels, label_tags
from hico_platform.tracking.search_runs import SearchRuns
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE


def ledger() -> MemoryLedger:
    return MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.0)


def test_empty_labels_are_tags_only_where_they_clear_what_was_there() -> None:
    kept = ledger()
    assert label_tags(kept) == {}
    assert label_tags(kept, empty=True) == {"hico.note": "", "hico.tags": "", "hico.archived": ""}
    for tag in ("paper", "baseline"):
        kept.set_tag(TagRecord(name=tag, by="ann", at_s=1.0))
    kept.set_note(ARCHIVED, {"by": "ann", "at_s": 1.0})
    assert label_tags(kept) == {"hico.tags": "baseline, paper", "hico.archived": "true"}


def test_the_run_of_the_search_has_them_whichever_comes_first() -> None:
    kept_ledger, tracker = ledger(), MemoryTracker()
    assert not copy_labels(tracker, kept_ledger), "there is no run yet"
    kept_ledger.set_note(PERSONS_NOTE, {"text": "look", "by": "ann", "at_s": 1.0})
    SearchRuns(ledger=kept_ledger, space=SPACE, tracker=tracker).open_search(fresh=True, by_number=False)
    (kept,) = tracker.kept.values()
    assert kept.run.tags["hico.note"] == "look"
    assert "hico.tags" not in kept.run.tags
    kept_ledger.set_tag(TagRecord(name="paper", by="ann", at_s=1.0))
    kept_ledger.set_note(PERSONS_NOTE, None)
    kept_ledger.set_note(ARCHIVED, {"by": "ann", "at_s": 1.0})
    assert copy_labels(tracker, kept_ledger)
    tags = dataclasses.asdict(next(iter(tracker.kept.values())).run)["tags"]
    assert (tags["hico.note"], tags["hico.tags"], tags["hico.archived"]) == ("", "paper", "true")
