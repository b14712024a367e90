"""The datasets that can be generated; a preset defines everything but the seed."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.data.synth.actions import EMBEDDED_ACTIONS, TRANSFER_ACTIONS, Action
from hico_platform.data.synth.camera import Camera, Sensor


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A dataset: every subject does every action ``repetitions`` times before each camera.

    ``key`` gives each preset its own random numbers. ``posture_spread`` scales how far the posture in a sequence is
    from the person's habitual one; ``vigour_spread`` and ``tempo_spread`` are standard deviations of the logarithm of a
    sequence's amplitude and speed.
    """

    name: str
    key: int
    actions: tuple[Action, ...]
    num_subjects: int
    first_subject: int
    first_setup: int
    cameras: tuple[Camera, ...]
    repetitions: int
    frames: tuple[int, int]
    vigour: float
    vigour_spread: float
    tempo_spread: float
    posture_spread: float
    sensor: Sensor

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.actions) * self.num_subjects * len(self.cameras) * self.repetitions


_SENSOR = Sensor(noise_m=0.01, loss_rate=0.06, long_loss_rate=0.03)

EMBEDDED = Preset(
    name="embedded",
    key=1,
    actions=EMBEDDED_ACTIONS,
    num_subjects=20,
    first_subject=1,
    first_setup=1,
    cameras=(
        Camera(azimuth_deg=-45, height_m=1.2, distance_m=3.2),
        Camera(azimuth_deg=0, height_m=1.0, distance_m=3.0),
        Camera(azimuth_deg=45, height_m=1.4, distance_m=3.5),
    ),
    repetitions=2,
    frames=(90, 150),
    vigour=1.4,
    vigour_spread=0.2,
    tempo_spread=0.5,
    posture_spread=1.1,
    sensor=_SENSOR,
)

TRANSFER = Preset(
    name="transfer",
    key=2,
    actions=TRANSFER_ACTIONS,
    num_subjects=16,
    first_subject=101,
    first_setup=21,
    cameras=(
        Camera(azimuth_deg=-60, height_m=1.7, distance_m=3.0),
        Camera(azimuth_deg=15, height_m=0.8, distance_m=3.6),
        Camera(azimuth_deg=70, height_m=1.3, distance_m=2.8),
    ),
    repetitions=2,
    frames=(80, 140),
    vigour=1.4,
    vigour_spread=0.25,
    tempo_spread=0.5,
    posture_spread=1.0,
    sensor=_SENSOR,
)

TINY = Preset(
    name="tiny",
    key=3,
    actions=(*EMBEDDED_ACTIONS[:3], EMBEDDED_ACTIONS[-1]),
    num_subjects=4,
    first_subject=1,
    first_setup=1,
    cameras=EMBEDDED.cameras,
    repetitions=1,
    frames=(40, 60),
    vigour=1.4,
    vigour_spread=0.2,
    tempo_spread=0.2,
    posture_spread=1.0,
    sensor=_SENSOR,
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (EMBEDDED, TRANSFER, TINY)}
