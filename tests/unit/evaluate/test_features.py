"""Features of a frozen encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from hico_platform.build import build_model
from hico_platform.evaluate.features import encoder_features, raw_pose_features
from tests.small import small_config, small_split, small_store

CPU = torch.device("cpu")


def test_features_leave_the_encoder_in_its_mode_and_ignore_dropout(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=8)
    config = small_config(model__encoder="transformer", model__dropout=0.5)
    encoder = build_model(config, layout=store.layout, device=CPU).query.encoder
    encoder.train()
    data = small_split(store).eval_data(config, device=CPU)
    first, second = (
        encoder_features(encoder, views=data.views, indices=torch.arange(8), centre_crop=0.95) for _ in range(2)
    )
    assert encoder.training
    assert first.shape == (8, encoder.feature_width)
    assert torch.equal(first, second)


def test_raw_poses_are_those_of_the_centre_crop(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=8)
    views = small_split(store).eval_data(small_config(), device=CPU).views
    indices = torch.tensor([6, 1, 3])
    found = raw_pose_features(views=views, indices=indices, centre_crop=0.5)
    assert torch.equal(found, views.centre(indices, share=0.5).flatten(1))
    assert not torch.equal(found, raw_pose_features(views=views, indices=indices, centre_crop=1.0))
