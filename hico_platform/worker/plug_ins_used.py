"""Which plug-ins a configuration or a space uses, to be recorded with what comes of them."""

from __future__ import annotations

from hico_platform.config.parameters import Choice
from hico_platform.config.space import CheckedSpace
from hico_platform.config.trial import TrialConfig
from hico_platform.plug_in_names import NamesWithPlugIns, PlugInGroup
from hico_platform.plug_ins import records

_ENCODER = "model.encoder"


def plug_ins_of_config(config: TrialConfig) -> str:
    """The plug-in that a configuration's encoder is, with package and version; empty where it is this package's."""
    return _of([config.model.encoder])


def plug_ins_of_space(space: CheckedSpace) -> str:
    """All plug-ins of a space: sampler, scheduler, and each encoder that a trial may have."""
    encoders = [
        type(space.base.model.encoder)(str(choice))
        for parameter in space.parameters
        for axis in parameter.coordinates()
        if isinstance(axis, Choice) and axis.name == _ENCODER
        for choice in axis.choices
    ]
    settings = space.settings
    return _of([settings.sampler.name, settings.scheduler.name, space.base.model.encoder, *encoders])


def _of(names: list[NamesWithPlugIns]) -> str:
    used: list[tuple[PlugInGroup, str]] = [(name.group(), name.value) for name in names if name.is_plug_in]
    return records(used)
