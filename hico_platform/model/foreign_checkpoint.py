"""States of other models, named by what they look like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hico_platform.errors import Problem
from hico_platform.model.released_checkpoint import HIERARCHY

# The first that fits is named. Where methods share an encoder, the entries tell the encoder and not the method.
_FOREIGN: tuple[tuple[str, str], ...] = (
    ("CMD, which contrasts three recurrent encoders", r"^(module\.)?encoder_[qk]_(motion|bone)\..*gru"),
    ("CrosSCLR or the three-stream AimCLR, on ST-GCN", r"^(module\.)?encoder_[qk]_(motion|bone)\..*st_gcn_networks"),
    ("SkeletonCLR or AimCLR, contrast on ST-GCN", r"^(module\.)?encoder_[qk]\..*st_gcn_networks"),
    ("ST-GCN", r"st_gcn_networks\.\d+\."),
    ("CTR-GCN", r"\bl\d+\.gcn1\.convs\.\d+\."),
    ("2s-AGCN", r"\bl\d+\.gcn1\.PA$|\bl\d+\.gcn1\.conv_[abd]\."),
    ("MAMP or SkeletonMAE, a masked autoencoder", r"joints_embed|temp_embed$|decoder_pred"),
    ("ISC, CMD or another method on a recurrent encoder", r"(^|\.)gru\.weight_ih_l\d"),
    ("PoseC3D or another model of MMAction", r"^backbone\.|^cls_head\."),
    ("MoCo on a ResNet", r"^(module\.)?encoder_[qk]\.(layer\d+\.\d+\.|conv1\.)"),
    ("a ResNet", r"(^|\.)layer\d+\.\d+\.(conv|bn)\d\."),
    ("a Vision Transformer", r"(^|\.)blocks\.\d+\.attn\.|patch_embed"),
    ("a checkpoint of this project, which needs no import", r"^(model/)?query\.encoder\."),
)


def looks_like(names: Iterable[str]) -> str | None:
    """What model the names of a state's entries look like, with an entry that says so; None for an unknown one."""
    names = sorted(names)
    for model, pattern in _FOREIGN:
        found = next((name for name in names if re.search(pattern, name)), None)
        if found is not None:
            return f"what looks like {model}: {found}"
    return None


def foreign(names: Iterable[str]) -> Problem:
    """What is wrong with the state of a model that is not HiCo's, by the name of what it looks like."""
    names = sorted(names)
    known = looks_like(names)
    if known is not None:
        return Problem(rule="the state of HiCo's released model", value=known,
                       remedy="use the code that wrote it: no other model's checkpoints are read")  # fmt: skip
    few = ", ".join(names[:3]) or "no entry"
    return Problem(rule=f"the state of HiCo's released model, with entries {HIERARCHY}...",
                   value=few if len(names) <= 3 else f"{few}, ... ({len(names)} entries)",
                   remedy="give a checkpoint_0450.pth.tar or *_model_best.pth.tar of the release")  # fmt: skip
