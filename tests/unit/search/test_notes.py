from __future__ import annotations

from hico_platform.search import notes


def test_the_keys_under_which_ledgers_keep_notes_stay_readable() -> None:
    kept = {name: value for name, value in vars(notes).items() if name.isupper()}
    assert len(set(kept.values())) == len(kept)
    of_homes = {
        "SESSIONS": "sessions",
        "ENDED_BY": "ended_by",
        "ENQUEUED": "asked",
        "GPUS": "gpus",
        "EXCLUDED_MACHINES": "machines_left_out",
        "PERSONS_NOTE": "text",
        "ARCHIVED": "archived",
        "RENAMING": "renaming",
        "DELETING": "deleting",
        "PAUSED": "paused",
        "TRIAL_MACHINES": "trial_machines",
        "PAUSES": "pauses",
        "LIMIT_BEFORE": "limit_before",
    }
    assert kept | of_homes == kept, "a key may be added; none of an existing home is called otherwise"
