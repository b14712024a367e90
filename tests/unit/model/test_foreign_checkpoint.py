from __future__ import annotations

import pytest

from hico_platform.model.foreign_checkpoint import foreign, looks_like

STATES = {
    "CMD": ["encoder_q.encoder.gru.weight_ih_l0", "encoder_q_motion.encoder.gru.weight_ih_l0", "queue"],
    "CrosSCLR": ["encoder_q.data_bn.weight", "encoder_q_motion.st_gcn_networks.0.gcn.conv.weight", "queue_bone"],
    "SkeletonCLR": ["encoder_q.A", "encoder_q.data_bn.weight", "encoder_q.st_gcn_networks.0.gcn.conv.weight", "queue"],
    "ST-GCN": ["A", "data_bn.weight", "st_gcn_networks.0.gcn.conv.weight", "fcn.weight"],
    "CTR-GCN": ["data_bn.weight", "l1.gcn1.convs.0.conv1.weight", "fc.weight"],
    "2s-AGCN": ["data_bn.weight", "l1.gcn1.PA", "fc.weight"],
    "MAMP": ["joints_embed.proj.weight", "blocks.0.attn.qkv.weight", "temp_embed", "pos_embed"],
    "a recurrent encoder": ["encoder.gru.weight_ih_l0", "input_norm.weight", "fc.weight"],
    "PoseC3D": ["backbone.conv1.conv.weight", "cls_head.fc_cls.weight"],
    "MoCo on a ResNet": ["module.encoder_q.layer1.0.conv1.weight", "module.encoder_q.conv1.weight", "module.queue"],
    "a ResNet": ["conv1.weight", "layer1.0.conv1.weight", "fc.weight"],
    "a Vision Transformer": ["patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "pos_embed"],
    "this project": ["model/query.encoder.temporal.embedding.0.weight"],
}


@pytest.mark.parametrize("name", STATES)
def test_a_known_model_is_named(name: str) -> None:
    assert name in (looks_like(STATES[name]) or "")
    assert name in str(foreign(STATES[name]))


def test_an_unknown_one_is_told_by_its_entries() -> None:
    assert looks_like(["a.weight"]) is None
    assert "got 'a, b, c, ... (4 entries)'" in str(foreign(["d", "c", "b", "a"]))
    assert "got 'no entry'" in str(foreign([]))


@pytest.mark.parametrize("entry", ["hi_encoder.t_encoder.weight_ih_l0", "encoder_q.hi_encoder.t_embedding.0.weight"])
def test_hico_itself_is_not_taken_for_another(entry: str) -> None:
    assert looks_like([entry, "c_queue", "fc.weight"]) is None
