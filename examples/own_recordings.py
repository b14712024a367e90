"""From arrays in memory to features and neighbours: a dataset, a pretraining, a score on persons it has not seen.

    python examples/own_recordings.py --out /tmp/own

The recordings here are made up: three movements of six people, as a pose tracker would give them. Put your own arrays
in their place: (frames, joints, 3) in metres, NaN where a joint is missing. Files (CSV, BVH, NumPy and others) become a
dataset by hico.prepare_dataset(folder, out), and poses of an image by layout="coco" and coordinates=2.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import hico_platform as hico

# A standing person in the joints of a Kinect v2, metres, x to the left, y up.
STANDING = np.array(
    [
        [0, 0.95, 0], [0, 1.20, 0], [0, 1.48, 0], [0, 1.65, 0],  # spine base and mid, neck, head
        [0.18, 1.40, 0], [0.22, 1.12, 0], [0.24, 0.88, 0], [0.25, 0.80, 0],  # left shoulder, elbow, wrist, hand
        [-0.18, 1.40, 0], [-0.22, 1.12, 0], [-0.24, 0.88, 0], [-0.25, 0.80, 0],  # right arm
        [0.09, 0.92, 0], [0.10, 0.50, 0], [0.10, 0.08, 0], [0.10, 0.02, 0.12],  # left hip, knee, ankle, foot
        [-0.09, 0.92, 0], [-0.10, 0.50, 0], [-0.10, 0.08, 0], [-0.10, 0.02, 0.12],  # right leg
        [0, 1.42, 0],  # spine at the shoulders
        [0.25, 0.72, 0], [0.22, 0.80, 0.03], [-0.25, 0.72, 0], [-0.22, 0.80, 0.03],  # tips and thumbs of both hands
    ]
)  # fmt: skip
LEFT_ARM, RIGHT_ARM = [5, 6, 7, 21, 22], [9, 10, 11, 23, 24]
LEFT_LEG, RIGHT_LEG = [13, 14, 15], [17, 18, 19]
MOVEMENTS = ("raise an arm", "raise both arms", "march")


def movement(name: str, *, frames: int, speed: float, size: float, noise: np.random.Generator) -> np.ndarray:
    """Poses (frames, 25, 3): limbs that turn about shoulder or hip, and what a tracker adds."""
    poses = np.repeat(size * STANDING[None], frames, axis=0)
    phase = np.sin(np.arange(frames) * speed) ** 2  # 0 at rest, 1 at the end of the movement

    def turn(joints: list[int], about: int, degrees: np.ndarray) -> None:
        angle = np.radians(degrees)
        y, z = poses[:, joints, 1] - poses[:, [about], 1], poses[:, joints, 2] - poses[:, [about], 2]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        poses[:, joints, 1] = poses[:, [about], 1] + cos * y - sin * z
        poses[:, joints, 2] = poses[:, [about], 2] + sin * y + cos * z

    if name == "march":
        turn(LEFT_LEG, 12, -50 * phase)
        turn(RIGHT_LEG, 16, -50 * (1 - phase))
    else:
        turn(RIGHT_ARM, 8, -150 * phase)
        if name == "raise both arms":
            turn(LEFT_ARM, 4, -150 * phase)
    return (poses + noise.normal(scale=0.005, size=poses.shape)).astype(np.float32)


def recordings() -> Iterator[hico.Recording]:
    """72 recordings; ``subject`` is what the protocol chooses by."""
    noise = np.random.default_rng(0)
    for subject in range(6):
        size, pace = noise.uniform(0.85, 1.1), noise.uniform(0.08, 0.14)
        for repetition in range(4):
            for name in MOVEMENTS:
                pose = movement(name, frames=int(noise.integers(40, 70)), speed=pace, size=size, noise=noise)
                metadata = {"subject": subject, "repetition": repetition}
                yield hico.Recording(name=f"{subject}-{repetition}-{name}", pose=pose, label=name, metadata=metadata)


def main() -> None:
    """Makes the dataset, trains, scores and looks at neighbours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the dataset and the run")
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()

    made = hico.write_dataset(recordings(), arguments.out / "data", name="own", layout="kinect-v2")
    print(made)

    data = hico.load_dataset(arguments.out / "data", protocol="odd-subjects")
    run = hico.pretrain(
        {
            "model": {"encoder": "gru", "hidden_width": 32},
            "contrast": {"queue_size": 16, "momentum": 0.99},
            "views": {"frames": 32, "min_crop_frames": 8, "min_crop_ratio": 0.3},
            "optimiser": {"name": "adamw", "learning_rate": 0.003},
            "budget": {"epochs": arguments.epochs, "batch_size": 8},
        },
        data=data,
        protocol="odd-subjects",
        out=arguments.out / "run",
    )
    print(run)

    scores = hico.evaluate(run, data, protocol="odd-subjects", tasks=["knn", "retrieval"])
    print(scores.pivot(index="score", columns="entry", values="value").round(3))

    # Features of any recording, and the nearest of the training persons to one of a person that was not trained on.
    encoder = run.encoder()
    train, test = data.train, data.open_test()
    gallery = encoder.features([one.pose for one in train])
    query = encoder.features([test[0].pose])
    cosine = (gallery @ query.T)[:, 0] / np.linalg.norm(gallery, axis=1) / np.linalg.norm(query)
    print(f"{test[0].name} is nearest to {', '.join(train.names[i] for i in np.argsort(-cosine)[:3])}")


if __name__ == "__main__":
    main()
