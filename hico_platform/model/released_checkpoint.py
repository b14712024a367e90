"""Parameter names of the released code (HuiGuanLab/HiCo), for parity tests and imported checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from hico_platform.enums import Representation

QUERY, HIERARCHY = "encoder_q.", "hi_encoder."
_WRAPPER = "module."

# Ours -> released; applied in order to every state name.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^query\.", "encoder_q."),
    (r"^key\.", "encoder_k."),
    (r"\.projectors\.heads\.clip\.", ".clip_proj."),
    (r"\.projectors\.heads\.part\.", ".part_proj."),
    (r"\.projectors\.heads\.temporal_domain\.", ".td_proj."),
    (r"\.projectors\.heads\.spatial_domain\.", ".sd_proj."),
    (r"\.projectors\.heads\.instance\.", ".instance_proj."),
    (r"\.encoder\.temporal\.", ".hi_encoder.t_"),
    (r"\.encoder\.spatial\.", ".hi_encoder.s_"),
    (r"_downsample\.convolution\.", "_downsample.conv.dw_conv."),
    (r"_sequence\.(rnn\.)?", "_encoder."),
    (r"\.attention\.qkv\.", ".self_attn.in_proj_"),
    (r"\.attention\.out\.", ".self_attn.out_proj."),
    (r"\.widen\.", ".linear1."),
    (r"\.narrow\.", ".linear2."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.feed_forward_norm\.", ".norm2."),
)
_QUEUES = {
    Representation.CLIP: "c_queue",
    Representation.PART: "p_queue",
    Representation.TEMPORAL_DOMAIN: "t_queue",
    Representation.SPATIAL_DOMAIN: "s_queue",
    Representation.INSTANCE: "i_queue",
}


def released_name(name: str) -> str:
    """The released name of one of :class:`HiCo`'s state entries."""
    queue = re.fullmatch(r"queues\.(\w+)\.(keys|pointer)", name)
    if queue:
        suffix = "_ptr" if queue[2] == "pointer" else ""
        return _QUEUES[Representation(queue[1])] + suffix
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def from_released(state: Mapping[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """A released state under our ``names``; queues are (P, size) there and (size, P) here.

    Raises:
        KeyError: the released state lacks one of them.
    """
    converted = {}
    for name in names:
        value = state[released_name(name)]
        if name.endswith(".keys"):
            value = value.T.contiguous()
        elif name.endswith(".pointer"):
            value = value.reshape(())
        converted[name] = value
    return converted


def without_wrapper(names: Iterable[str]) -> dict[str, str]:
    """Names as the release has them -> as they stand in a state; ``DataParallel`` puts ``module.`` before each."""
    names = tuple(names)
    wrapped = bool(names) and all(name.startswith(_WRAPPER) for name in names)
    return {name.removeprefix(_WRAPPER) if wrapped else name: name for name in names}


def encoder_entry(name: str) -> str:
    """The released name, without the prefix, of one of :class:`HierarchicalEncoder`'s state entries."""
    return released_name(f"query.encoder.{name}").removeprefix(QUERY)
