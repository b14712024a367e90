"""Actors of a recording: tracks of one person joined, and the two that matter chosen.

A track is what the sensor followed under one id. The sensor loses people (behind each other, turned sideways, in an
embrace) and finds them again under a new id, so one person may have several tracks. As in pyskl and CTR-GCN, tracks
that do not overlap in time become one actor; unlike there, only if a person could have moved from one to the other,
and the nearest ones first instead of those that move most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import numpy.typing as npt

MOST_BODIES_IN_FRAME = 6
"""As many as a Kinect v2 follows at once."""

MOST_TRACKS = 1000
"""Limits the time that one recording takes."""

MOST_ACTORS = 2

MOST_MISSING_FRAMES = 60
"""Two seconds. Who is found again later may be someone else. Of 223 tracks of NTU RGB+D 60 that begin after another has
ended, 124 begin in the next frame and 216 within this many."""

REFOUND_METRES = 0.3
"""How far the centre of a body may be off when it has just been found, or is about to be lost."""

WALKING_METRES = 0.05
"""How far a person walks in a frame, at 1.5 m/s."""

MOST_JOINED_METRES = 0.8
"""An arm's length. Farther away another person may be standing: two who interact in NTU RGB+D are a metre apart."""

SHORT_FRAMES = 11
"""An actor of at most this many frames, a third of a second, is noise where another one is longer (as in CTR-GCN)."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Actors:
    """Who each body of a recording is."""

    numbers: Ints
    """(B,): the actor of each body, from 0 in order of first appearance; -1 where it is left out."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What was joined and left out, by name."""


def find_actors(frames: Sequence[int], ids: Sequence[int], coordinates: Floats) -> Actors:
    """The one or two actors of a recording.

    ``frames`` and ``ids`` hold the frame and the id of each of B bodies, frames in ascending order and an id once a
    frame; ``coordinates`` is (B, J, C) in metres, a missing joint all zeros. A body without a joint is left out. Of
    more than two actors those stay whose number of frames times the square of their motion is largest; motion as in
    ``normalise.most_moving``, which would choose the same of actors that are seen equally long.
    """
    if len(set(ids)) < 2:
        return Actors(numbers=np.zeros(len(ids), np.int64))
    shown: npt.NDArray[np.bool_] = np.any(coordinates, axis=(1, 2))  # (B,)
    numbers = np.full(len(ids), -1, np.int64)
    if not shown.any():
        numbers[0] = 0
        return Actors(numbers=numbers)
    coordinates = coordinates[shown]
    shown_ids = list(compress(ids, shown))
    number = {identity: track for track, identity in enumerate(dict.fromkeys(shown_ids))}
    tracks = np.array([number[identity] for identity in shown_ids], np.int64)
    before = _joined(_Ends.of(np.array(frames, np.int64)[shown], tracks, coordinates))
    actors = _chained(before)[tracks]  # (B,)
    joined = sum(track >= 0 for track in before)
    kept, remarks = _kept(actors, coordinates)
    if joined:
        remarks = {"tracks joined": joined, "recordings with joined tracks": 1, **remarks}
    column = np.full(len(before), -1, np.int64)
    column[kept] = np.arange(len(kept))
    numbers[shown] = column[actors]
    return Actors(numbers=numbers, remarks=remarks)


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """Frame and centre at the first and last body of each of K tracks; tracks are in the order of their first frame."""

    first: Ints
    last: Ints
    first_centre: Floats
    """(K, C)."""
    last_centre: Floats

    @classmethod
    def of(cls, frames: Ints, tracks: Ints, coordinates: Floats) -> _Ends:
        firsts = np.unique(tracks, return_index=True)[1]
        lasts = len(tracks) - 1 - np.unique(tracks[::-1], return_index=True)[1]
        return cls(
            first=frames[firsts],
            last=frames[lasts],
            first_centre=_centres(coordinates[firsts]),
            last_centre=_centres(coordinates[lasts]),
        )


def _centres(coordinates: Floats) -> Floats:
    """The mean (B, C) of each body's joints, without missing ones."""
    present = coordinates.any(axis=-1)  # (B, J)
    centres: Floats = coordinates.sum(axis=1) / present.sum(axis=1)[:, None]
    return centres


def _joined(ends: _Ends) -> list[int]:
    """For each track the one that it continues, -1 if none; the nearest in space and time first."""
    before = [-1] * len(ends.first)
    continued = set[int]()
    for _, track, follower in sorted(_candidates(ends)):
        if before[follower] < 0 and track not in continued:
            before[follower] = track
            continued.add(track)
    return before


def _candidates(ends: _Ends) -> Iterator[tuple[float, int, int]]:
    """Cost, track and follower of each pair that may be one person."""
    order = np.argsort(ends.last, kind="stable")
    lasts = ends.last[order]
    for follower, first in enumerate(ends.first.tolist()):
        low, high = np.searchsorted(lasts, (first - MOST_MISSING_FRAMES - 1, first))
        tracks = order[low:high]
        passed = first - ends.last[tracks]  # frames from the last body of one track to the first of the other
        metres = np.linalg.norm(ends.first_centre[follower] - ends.last_centre[tracks], axis=-1)
        near = metres <= np.minimum(REFOUND_METRES + WALKING_METRES * passed, MOST_JOINED_METRES)
        costs = metres + WALKING_METRES * passed
        for cost, track in zip(costs[near].tolist(), tracks[near].tolist(), strict=True):
            yield cost, track, follower


def _chained(before: list[int]) -> Ints:
    """The actor of each track; a track comes after the one that it continues."""
    actors: list[int] = []
    count = 0
    for track in before:
        if track < 0:
            actors.append(count)
            count += 1
        else:
            actors.append(actors[track])
    return np.array(actors, np.int64)


def _kept(actors: Ints, coordinates: Floats) -> tuple[Ints, dict[str, int]]:
    """The actors that stay, in order of first appearance, and how many were left out, by reason."""
    frames = np.bincount(actors)
    candidates = np.flatnonzero(frames > SHORT_FRAMES)
    if not len(candidates):
        candidates = np.arange(len(frames))
    kept = candidates
    if len(candidates) > MOST_ACTORS:
        motion = np.array([coordinates[actors == actor].std(axis=(0, 1)).sum() for actor in candidates])
        weight = frames[candidates] * motion**2
        kept = np.sort(candidates[np.argsort(-weight, kind="stable")[:MOST_ACTORS]])
    left_out = {
        "short tracks dropped": len(frames) - len(candidates),
        "tracks beyond two dropped": len(candidates) - len(kept),
    }
    return kept, {name: count for name, count in left_out.items() if count}
