"""Normalisation: brings recorded skeletons into one frame of reference, vectorised and without padding.

``released.py`` holds what HiCo and AGCN do, to the last bit; ``centred.py`` and ``turn.py`` hold the other methods,
which share everything but the turn. Every method puts the vertical on z, that of ``image.py`` on y, which is for poses
in an image. They are compared in
``docs/decisions/0014-normalisation.md``.
"""

from __future__ import annotations

from enum import StrEnum

from hico_platform.data.layout import Layout
from hico_platform.data.normalise.bodies import MOST_BODIES_KEPT, MOST_BODIES_READ, Normalised, Pose
from hico_platform.data.normalise.centred import centred
from hico_platform.data.normalise.image import image_turn
from hico_platform.data.normalise.released import released
from hico_platform.data.normalise.turn import centre_turn, upright_turn, yaw_turn

__all__ = ["MOST_BODIES_KEPT", "MOST_BODIES_READ", "Normalisation", "Normalised", "Pose", "normalise"]


class Normalisation(StrEnum):
    """How poses are brought into one frame of reference."""

    RELEASED = "released"
    """As HiCo and AGCN: centred, the spine of body 0 in frame 0 turned onto z, then its shoulders onto x."""

    UPRIGHT = "upright"
    """Centred, the trunk of body 0 turned onto z, and then about z until its shoulders face x; over all frames."""

    YAW = "yaw"
    """Centred, the camera's vertical put on z, and turned about z alone until the shoulders of body 0 face x."""

    CENTRE = "centre"
    """Centred, the camera's vertical put on z, and not turned by the pose."""

    IMAGE = "image"
    """Of 2D poses: centred, y up, and as large as a person in metres."""

    @property
    def coordinates(self) -> int:
        """Of the poses that it is for."""
        return 2 if self is Normalisation.IMAGE else 3


_TURNS = {
    Normalisation.UPRIGHT: upright_turn,
    Normalisation.YAW: yaw_turn,
    Normalisation.CENTRE: centre_turn,
    Normalisation.IMAGE: image_turn,
}


def normalise(
    pose: Pose, layout: Layout, *, method: Normalisation = Normalisation.RELEASED, num_frames: int | None = None
) -> Normalised:
    """Chooses one or two bodies of a recording, centres them and turns them.

    Args:
        pose: float32 (T, M, J, C) with any number of bodies, in metres, a missing joint all NaN. ``yaw`` and ``centre``
            take the camera's y to point upwards, as in Kinect's recordings; ``image`` takes poses in an image, whose
            y points down, in any unit.
        layout: says which points are the centre and the axes.
        method: how the pose is centred and turned.
        num_frames: of ``released`` alone: cuts or repeats the result to this length, each body with its own period, as
            the released files are padded to 300.

    Returns:
        float32 (T', M', J, C), a missing joint all zeros, with M' 1 or 2, bodies in order of decreasing motion, and
        what had to be filled in. If no body has a joint in any frame, T' and M' are 0.
    """
    if method is Normalisation.RELEASED:
        return released(pose, layout, num_frames=num_frames)
    if num_frames is not None:
        raise ValueError(f"num_frames is for {Normalisation.RELEASED} alone")
    return centred(pose, layout, turn=_TURNS[method])
