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
