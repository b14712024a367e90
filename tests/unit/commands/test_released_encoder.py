"""Released checkpoints as the release writes them: features within 1e-5 of its own, and nothing loads by half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.commands.released_encoder import NotInTheFile, read_released
from hico_platform.commands.trained_encoder import trained_encoder
from hico_platform.enums import EncoderType, QueueWrap, Stream
from hico_platform.errors import ConfigError, DataError, UsageError
from hico_platform.export import export_encoder, load_encoder
from hico_platform.model.encoder import Tokens
from tests.released import CLASSES, GOLDEN, Golden, layout_file, linear, pretraining

TOLERANCE = 1e-5
CPU = torch.device("cpu")


def wrapped(golden: Golden) -> dict[str, Any]:
    """As DataParallel names everything."""
    return pretraining({f"module.{name}": value for name, value in golden.state().items()})


KINDS: dict[str, Callable[[Golden], dict[str, Any]]] = {
    "pretraining": lambda golden: pretraining(golden.state()),
    "data parallel": wrapped,
    "linear": lambda golden: linear(golden.linear_state()),
}


@pytest.fixture(params=[encoder.value for encoder in EncoderType])
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(GOLDEN / f"hico_{request.param}.npz")


def given_of(folder: Path, golden: Golden, **more: Any) -> NotInTheFile:
    return NotInTheFile(layout=str(layout_file(folder, joints=golden.joints)), **more)


def check_features(encoder: Any, golden: Golden) -> None:
    tokens = Tokens(temporal=golden.tensor("input/query_temporal"), spatial=golden.tensor("input/query_spatial"))
    with torch.no_grad():
        features = encoder(tokens)
    for name in ("temporal", "spatial"):
        expected = golden.arrays[f"features/{name}"].astype(np.float64)
        found = getattr(features, name).double().numpy()
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
def test_features_equal_those_of_the_release(kind: str, golden: Golden, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint_0450.pth.tar"
    torch.save(KINDS[kind](golden), file)
    given = given_of(tmp_path, golden)
    released = read_released(file, given=given)
    config, model = golden.config, released.config.model
    assert model.encoder.value == config["encoder"].lower()
    assert (model.hidden_width, model.layers, model.granularities) == (
        config["hidden_size"], config["num_layer"], config["granularity"],
    )  # fmt: skip
    assert released.config.views.frames * 3 == config["s_input_size"]
    if kind == "linear":
        assert released.architecture.classes == CLASSES
        assert (released.epoch, released.pretrained_epochs) == (57, None)
    else:
        assert (model.projection_width, released.config.contrast.queue_size) == (
            config["projection_dim"], config["queue_size"],
        )  # fmt: skip
        assert released.config.contrast.queue_wrap is QueueWrap.RELEASED
        assert released.pretrained_epochs == 451
    check_features(trained_encoder(str(file), given=given).build(device=CPU), golden)
    export_encoder(released.as_checkpoint(), tmp_path / "encoder")
    exported = trained_encoder(str(tmp_path / "encoder"))
    check_features(exported.build(device=CPU), golden)
    assert exported.epochs == released.pretrained_epochs
    assert exported.provenance["released_sha256"] == released.sha256
    loaded = load_encoder(tmp_path / "encoder")
    pose = np.random.default_rng(0).normal(size=(20, golden.joints, 3))
    assert loaded.features([pose]).shape == (1, 2 * config["granularity"] * config["hidden_size"])


@pytest.mark.parametrize("name", ["hico_gru", "hico_transformer"])
def test_features_equal_those_of_the_released_skeleton(name: str, golden_dir: Path, tmp_path: Path) -> None:
    golden = Golden(golden_dir / f"{name}.npz")
    file = tmp_path / "checkpoint_0450.pth.tar"
    torch.save(pretraining(golden.state()), file)
    encoder = trained_encoder(str(file))
    assert encoder.layout.name == "kinect-v2"
    check_features(encoder.build(device=CPU), golden)


def refused(tmp_path: Path, content: object, *, given: NotInTheFile | None = None, name: str = "a.pth.tar") -> str:
    file = tmp_path / name
    torch.save(content, file)
    with pytest.raises((DataError, UsageError, ConfigError)) as caught:
        read_released(file, given=given or NotInTheFile())
    assert str(file) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def gru() -> Golden:
    return Golden(GOLDEN / "hico_gru.npz")


@pytest.mark.parametrize("kind", ["pretraining", "linear"])
def test_an_entry_that_is_missing_or_left_over_is_named_with_the_nearest(
    kind: str, gru: Golden, tmp_path: Path
) -> None:
    content = KINDS[kind](gru)
    state, prefix = content["state_dict"], "encoder_q." if kind == "pretraining" else ""
    right, wrong = f"{prefix}hi_encoder.s_embedding.1.bias", f"{prefix}hi_encoder.s_embeding.1.bias"
    state[wrong] = state.pop(right)
    said = refused(tmp_path, content, given=given_of(tmp_path, gru)).splitlines()
    assert len(said) == 2
    assert f"{right}: expected an entry of the state, got 'none'; get the file again; " in said[0]
    assert f"the nearest entry that is left over is {wrong}" in said[0]
    assert f"{wrong}: expected no entry that its model has no place for" in said[1]
    assert f"the nearest entry that is missing is {right}" in said[1]


def test_where_nothing_pairs_with_it_the_nearest_entry_is_one_that_fits(gru: Golden, tmp_path: Path) -> None:
    state, given = gru.state(), given_of(tmp_path, gru)
    state["encoder_q.hi_encoder.s_embedding.9.bias"] = torch.zeros(1)
    said = refused(tmp_path, pretraining(state), given=given)
    assert (
        "no entry that its model has no place for, got [1]; get the file again; the nearest entry of its model" in said
    )
    state = gru.state()
    del state["encoder_q.hi_encoder.s_embedding.1.bias"]
    said = refused(tmp_path, pretraining(state), given=given)
    assert "the nearest entry that is there is encoder_q.hi_encoder." in said


def test_a_checkpoint_without_its_key_encoder_is_not_whole(gru: Golden, tmp_path: Path) -> None:
    state = {name: value for name, value in gru.state().items() if not name.startswith("encoder_k.")}
    said = refused(tmp_path, pretraining(state), given=given_of(tmp_path, gru))
    assert "encoder_k.clip_proj.0.bias: expected an entry of the state" in said
    assert "more such entries" in said.splitlines()[-1]


def test_another_shape_is_named(gru: Golden, tmp_path: Path) -> None:
    state = gru.state()
    state["encoder_q.hi_encoder.s_encoder.bias_hh_l0"] = torch.zeros(5)
    said = refused(tmp_path, pretraining(state), given=given_of(tmp_path, gru))
    assert "encoder_q.hi_encoder.s_encoder.bias_hh_l0: expected a tensor of shape [24], as the other entries" in said


@pytest.mark.parametrize(
    "entry", ["encoder_q.hi_encoder.t_embedding.0.weight", "i_queue", "encoder_q.td_proj.0.weight"]
)
def test_an_entry_that_tells_the_shapes_is_missing(entry: str, gru: Golden, tmp_path: Path) -> None:
    state = gru.state()
    del state[entry]
    assert f"{entry}: expected an entry of the state" in refused(tmp_path, pretraining(state))


def test_impossible_sizes_are_refused(gru: Golden, tmp_path: Path) -> None:
    state = gru.state()
    state["encoder_q.td_proj.0.weight"] = torch.zeros(16, 47)
    assert "expected a whole number of granularities, each 16 wide, got 47" in refused(tmp_path, pretraining(state))
    state = gru.state()
    state["encoder_q.hi_encoder.t_encoder.weight_ih_l0"] = torch.zeros(10, 16)
    assert "expected a Transformer, or a GRU or LSTM of two directions" in refused(tmp_path, pretraining(state))


def test_weights_that_are_no_numbers_are_refused(gru: Golden, tmp_path: Path) -> None:
    given = given_of(tmp_path, gru)
    name = "encoder_q.hi_encoder.s_embedding.0.bias"
    state = gru.state()
    state[name] = state[name].clone().fill_(float("nan"))
    assert "expected no infinity or NaN among the weights" in refused(tmp_path, pretraining(state), given=given)
    state[name] = state[name].zero_().half()
    assert "expected float32 numbers, as the release saves them, got 'float16'" in refused(
        tmp_path, pretraining(state), given=given
    )


def test_other_models_are_refused_by_name(tmp_path: Path) -> None:
    skeletonclr = {"encoder_q.st_gcn_networks.0.gcn.conv.weight": torch.ones(1), "queue": torch.ones(1)}
    assert "what looks like SkeletonCLR" in refused(tmp_path, pretraining(skeletonclr))
    assert "what looks like SkeletonCLR" in refused(tmp_path, skeletonclr), "AimCLR saves the state alone"
    resnet = {"layer1.0.conv1.weight": torch.ones(1)}
    assert "what looks like a ResNet" in refused(tmp_path, {"model": resnet, "epoch": 3})
    mamp = {"model": {"joints_embed.proj.weight": torch.ones(1)}, "args": Arguments()}
    assert "what looks like MAMP" in refused(tmp_path, mamp)


class Arguments:
    """Something that cannot be read as data."""


def test_files_without_a_state_are_refused(gru: Golden, tmp_path: Path) -> None:
    assert "expected a checkpoint with a state_dict" in refused(tmp_path, {"epoch": 3})
    assert "expected a checkpoint with a state_dict" in refused(tmp_path, [1, 2])
    assert "got 'encoder_q." not in refused(tmp_path, gru.state())


def test_what_the_file_does_not_say_is_assumed_and_said(gru: Golden, tmp_path: Path) -> None:
    layout = str(layout_file(tmp_path, joints=gru.joints))
    file = tmp_path / "a.pth.tar"
    torch.save(pretraining(gru.state()), file)
    assert dict(read_released(file, given=NotInTheFile(layout=layout)).assumed) == {"stream": "joint"}
    bone = read_released(file, given=NotInTheFile(layout=layout, stream=Stream.BONE))
    assert (bone.config.views.stream, dict(bone.assumed)) == (Stream.BONE, {})
    transformer = Golden(GOLDEN / "hico_transformer.npz")
    torch.save(pretraining(transformer.state()), file)
    assert read_released(file, given=NotInTheFile(layout=layout)).assumed["heads"] == "4"
    assert read_released(file, given=NotInTheFile(layout=layout, heads=2)).config.model.heads == 2
    with pytest.raises(ConfigError, match="a divisor of hidden_width 16"):
        read_released(file, given=NotInTheFile(layout=layout, heads=3))


def test_a_name_that_says_another_stream_asks_for_it(gru: Golden, tmp_path: Path) -> None:
    content, given = linear(gru.linear_state()), given_of(tmp_path, gru)
    said = refused(tmp_path, content, given=given, name="bone_model_best.pth.tar")
    assert "stream: expected a stream, since the file's name says bone; give --stream bone" in said
    file = tmp_path / "bone_model_best.pth.tar"
    assert read_released(file, given=given_of(tmp_path, gru, stream=Stream.JOINT)).config.views.stream is Stream.JOINT


def test_a_layout_of_other_joints_is_refused(gru: Golden, tmp_path: Path) -> None:
    said = refused(tmp_path, pretraining(gru.state()))
    assert "layout: expected a layout of 5 joints, as its tokens have, got 'kinect-v2, of 25 joints'" in said
