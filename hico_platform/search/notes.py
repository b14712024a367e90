"""The names under which a search keeps plain values in its ledger (:meth:`Ledger.set_note`). They are persisted."""

from __future__ import annotations

SESSIONS = "sessions"
"""When each driver began, Unix times."""

ENDED_BY = "ended_by"
"""The rule of the space that ended the search, as a sentence; none while none has."""

ENQUEUED = "asked"
"""The points that have been enqueued, so that a resumed search enqueues none of them again."""

GPUS = "gpus"
"""The GPUs that a trial holds, given by the space or measured."""

EXCLUDED_MACHINES = "machines_left_out"
"""Machines that get no further trial from the present driver, each with host, reason, trials and at_s."""

PERSONS_NOTE = "text"
"""What a person wrote about the search: text, by, at_s."""

ARCHIVED = "archived"
"""Who archived the search, and when: by, at_s; none while it is not archived."""

RENAMING = "renaming"
"""The name that the search is being given, while a rename is under way: to, by, at_s."""

DELETING = "deleting"
"""Who is deleting the search, while a deletion is under way: by, at_s."""

PAUSED = "paused"
"""What is paused, by the driver at work: search (whether no trial runs), trials (the numbers of those that wait)."""

CHECKPOINTS = "checkpoints"
"""The store that checkpoints are in: url, folder; none where they are in the home."""

TRIAL_MACHINES = "trial_machines"
"""The numbers of the trials that each machine ran, with the GPUs that they held."""

PAUSES = "pauses"
"""When trials were paused (:mod:`~hico_platform.search.pauses`)."""

LIMIT_BEFORE = "limit_before"
"""The limit before the last request that raised it: key, limit; so that it is raised once."""
