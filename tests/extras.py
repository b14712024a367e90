"""A package that brings one plug-in of each kind, as it lies installed: a module and its metadata on the path."""

from __future__ import annotations

from pathlib import Path

PACKAGE, VERSION = "hico-extras", "1.2"
BROKEN = "hico-broken"

_MODULE = '''
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
from torch import nn

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.readers import Format, Item, ReadPlan
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.enums import Decision
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.search.scheduler.base import Scheduler


class Mean(nn.Module):
    """Each token and the mean of its granularity, through a linear layer."""

    def __init__(self, *, width, layers, heads, dropout):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, tokens, lengths):
        return self.linear(tokens)


def sampler(space, seed):
    return optuna.samplers.RandomSampler(seed=seed)


class Never(Scheduler):
    def __init__(self, config, epochs):
        self.epochs = epochs

    @property
    def report_epochs(self):
        return (self.epochs,)

    def decide(self, *, number, epoch, value, curves):
        return Decision.CONTINUE


@dataclass(frozen=True, kw_only=True)
class Numbers:
    folder: Path
    dataset: str = "numbers"
    layout: object = KINECT_V2
    class_names: tuple = ("low", "high")
    coordinates: int = 3
    missing_joint: MissingJoint = MissingJoint.NAN
    normalised: bool = False
    protocols: dict = field(default_factory=dict)

    def plan(self):
        return ReadPlan(items=[Item(file=file) for file in sorted(self.folder.glob("*.num"))], problems=[])

    def read(self, item):
        seed = int(item.file.read_text())
        pose = np.random.default_rng(seed).normal(size=(30, 1, 25, 3)).astype(np.float32)
        yield Sequence(name=item.file.stem, label=seed % 2, pose=pose, metadata={"subject": seed})


def _recognises(raw, options):
    return "files that end in .num" if list(Path(raw).glob("*.num")) else None


READER = Format(opens=lambda raw, options: Numbers(folder=raw), recognises=_recognises, takes=("normalisation",))


class Chance:
    name, quick = "chance", True

    def missing(self, evaluated):
        return None

    def run(self, evaluated):
        return TaskResult(task="chance", protocol="one over classes", scores={"chance": Score(value=0.25)})
'''
_ENTRY_POINTS = """
[hico_platform.encoders]
mean = hico_extras:Mean
[hico_platform.samplers]
dice = hico_extras:sampler
[hico_platform.schedulers]
never = hico_extras:Never
[hico_platform.readers]
numbers = hico_extras:READER
[hico_platform.evaluation_tasks]
chance = hico_extras:Chance
"""
_BROKEN_ENTRY_POINTS = "".join(
    f"[hico_platform.{group}]\nwrecked = hico_nowhere:thing\n"
    for group in ("encoders", "samplers", "schedulers", "readers", "evaluation_tasks")
)


def install(site: Path) -> Path:
    """Lays both packages, the sound and the broken one, into a folder for ``sys.path``; returns the folder."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "hico_extras.py").write_text(_MODULE)
    for name, version, points in ((PACKAGE, VERSION, _ENTRY_POINTS), (BROKEN, "0.1", _BROKEN_ENTRY_POINTS)):
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
    return site
