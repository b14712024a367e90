"""People who were found frame by frame, without a name: who is whom in the next frame, and which two are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hico_platform.data.normalise import MOST_BODIES_KEPT

Array = npt.NDArray[np.float64]

MOST_FRAMES_BETWEEN = 30
"""One second: a person who is not found for longer is another one."""

MOST_MOVED = 0.5
"""How far a person moves from one frame to the next, at most, as a share of their size: the mean over the joints that
both frames show. It does not grow over a gap, so that a cut of the video begins new people."""

BEYOND = "people beyond two dropped"
_MOST_COMPARED = 200


class _Track:
    def __init__(self) -> None:
        self.frames: list[int] = []
        self.people: list[Array] = []
        self.score = 0.0

    def add(self, frame: int, person: Array) -> None:
        self.frames.append(frame)
        self.people.append(person)
        self.score += float(np.nan_to_num(person[:, 2]).sum())


def tracked(frames: Sequence[int], people: Sequence[Array]) -> tuple[Array, dict[str, int]]:
    """The one or two people of the largest sum of scores, (T, M, J, 3), and remarks.

    ``people[i]`` is (P, J, 3) of x, y and score in frame ``frames[i]``, ascending from 0; a joint of score 0 is
    missing. Frames without a person are zeros. A person is the one of an earlier frame who is nearest, the nearest
    pairs first, see ``MOST_MOVED``. M is 0 if there is nobody.
    """
    tracks: list[_Track] = []
    open_tracks: list[_Track] = []
    for frame, found in zip(frames, people, strict=True):
        open_tracks = [track for track in open_tracks if frame - track.frames[-1] <= MOST_FRAMES_BETWEEN]
        open_tracks = open_tracks[-_MOST_COMPARED:]
        continued: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, t, p in sorted(
            (distance, t, p)
            for t, track in enumerate(open_tracks)
            for p, distance in enumerate(_moved(track.people[-1], found))
            if distance <= MOST_MOVED
        ):
            if p not in continued and t not in taken:
                continued[p] = open_tracks[t]
                taken.add(t)
        for p, person in enumerate(found):
            if p not in continued:
                continued[p] = _Track()
                tracks.append(continued[p])
                open_tracks.append(continued[p])
            continued[p].add(frame, person)
    kept = sorted(tracks, key=lambda track: -track.score)[:MOST_BODIES_KEPT]
    joints = people[0].shape[1] if people else 0
    pose = np.zeros((frames[-1] + 1 if frames else 0, len(kept), joints, 3))
    for m, track in enumerate(kept):
        pose[track.frames, m] = track.people
    return pose, {BEYOND: len(tracks) - len(kept)} if len(tracks) > len(kept) else {}


def _moved(before: Array, found: Array) -> list[float]:
    """How far each of ``found`` (P, J, 3) is from a person (J, 3), as a share of their size; inf without joints."""
    shown = before[:, 2] > 0
    if not shown.any() or not len(found):
        return [np.inf] * len(found)
    both = shown & (found[:, :, 2] > 0)  # (P, J)
    count = both.sum(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files, which are refused afterwards
        size = max(float(np.ptp(before[shown, :2], axis=0).max()), 1e-6)
        distance = np.where(both, np.linalg.norm(found[:, :, :2] - before[:, :2], axis=-1), 0.0).sum(axis=1)
        relative = np.where(count > 0, distance / np.maximum(count, 1) / size, np.inf)
    return [float(value) if np.isfinite(value) else np.inf for value in relative]
