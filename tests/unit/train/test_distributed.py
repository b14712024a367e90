"""Two gloo processes on a CPU against one process with the joint batch: weights, queues, pointers, losses."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from hico_platform.build import build_views
from hico_platform.config.trial import TrialConfig, batch_share
from hico_platform.data.store import Store
from hico_platform.enums import EncoderType
from hico_platform.errors import ConfigError
from hico_platform.train.distributed import ALONE, Ranks, joined_ranks
from hico_platform.train.session import begin_session
from tests.small import small_config, small_store

CPU = torch.device("cpu")
EPOCHS = 2
SEQUENCES = 22  # two batches of 8, and 6 left over
Losses = list[Mapping[str, float]]


class Trained(NamedTuple):
    """What a rank has after its epochs: the whole state, and the losses of each epoch."""

    tensors: dict[str, Tensor]
    losses: Losses


def configurations() -> dict[str, TrialConfig]:
    """One of each encoder; SGD, as AdamW makes a step of whatever rounding leaves of a gradient that is zero."""
    fixed = {"optimiser__name": "sgd", "optimiser__learning_rate": 0.1, "optimiser__clip_gradient_norm": 0.05}
    found = {each.value: small_config(model__encoder=each, model__dropout=0.0, **fixed) for each in EncoderType}
    return {**found, "dropout": small_config(model__encoder="transformer", model__dropout=0.5, **fixed)}


def train(config: TrialConfig, store: Store, *, device: torch.device = CPU, ranks: Ranks = ALONE) -> Trained:
    session = begin_session(config, layout=store.layout, device=device)
    results = session.train(
        views=build_views(config.views, store=store, device=device),
        sequences=torch.arange(SEQUENCES, device=device),
        epochs=EPOCHS,
        ranks=ranks,
    )
    losses: Losses = [result.losses for result in results]
    return Trained({name: tensor.cpu().clone() for name, tensor in session.state.tensors().items()}, losses)


def train_as(number: int, folder: Path, device: torch.device) -> dict[str, Trained]:
    """Trains every configuration as rank ``number`` of two."""
    torch.set_num_threads(1)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = Store.open(folder / "store")
    with joined_ranks(number=number, count=2, device=device, meeting=folder / "meeting") as ranks:
        trained = {name: train(config, store, device=device, ranks=ranks) for name, config in configurations().items()}
        assert ranks.from_first(7 + number) == 7
    return trained


def second_rank(folder: Path, device: torch.device) -> None:
    torch.save(train_as(1, folder, device), folder / "second.pt")


class Ran(NamedTuple):
    """Each configuration on both ranks, and in one process."""

    ranks: tuple[dict[str, Trained], dict[str, Trained]]
    alone: dict[str, Trained]


def train_on(first: torch.device, second: torch.device, folder: Path) -> Ran:
    store = small_store(folder / "store", count=24)
    other = multiprocessing.get_context("spawn").Process(target=second_rank, args=(folder, second), daemon=True)
    other.start()
    alone = {name: train(config, store, device=first) for name, config in configurations().items()}
    own = train_as(0, folder, first)
    other.join(60)
    assert other.exitcode == 0
    return Ran((own, torch.load(folder / "second.pt", weights_only=False)), alone)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return train_on(CPU, CPU, tmp_path_factory.mktemp("ranks"))


def check_as_alone(expected: Trained, found: Trained) -> None:
    assert found.losses == [pytest.approx(losses, rel=1e-5) for losses in expected.losses]
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(found.tensors[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
        else:
            assert torch.equal(found.tensors[name], tensor), name


@pytest.mark.slow
@pytest.mark.parametrize("encoder", EncoderType)
def test_two_ranks_train_as_one_process_with_the_joint_batch(encoder: str, ran: Ran) -> None:
    found = ran.ranks[0][encoder]
    check_as_alone(ran.alone[encoder], found)
    pointers = {name: int(tensor) for name, tensor in found.tensors.items() if name.endswith("pointer")}
    assert len(pointers) == 5
    assert pointers["model/queues.instance.pointer"] == EPOCHS * 16 % 24


@pytest.mark.slow
@pytest.mark.parametrize("name", configurations())
def test_both_ranks_end_with_one_state(name: str, ran: Ran) -> None:
    first, second = (each[name] for each in ran.ranks)
    assert second.losses == first.losses
    for key, tensor in first.tensors.items():
        if key != "random/dropout":
            assert torch.equal(second.tensors[key], tensor), key


@pytest.mark.slow
def test_ranks_draw_dropout_of_their_own(ran: Ran) -> None:
    first, second = (each["dropout"].tensors["random/dropout"] for each in ran.ranks)
    assert not torch.equal(first, second)
    assert ran.ranks[0]["dropout"].losses[0] != pytest.approx(ran.alone["dropout"].losses[0], rel=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs: NCCL takes one rank on each")
def test_two_gpus_train_as_one_process_with_the_joint_batch(tmp_path: Path) -> None:
    ran = train_on(torch.device("cuda", 0), torch.device("cuda", 1), tmp_path)
    for encoder in EncoderType:
        check_as_alone(ran.alone[encoder.value], ran.ranks[0][encoder.value])


@pytest.mark.parametrize(("number", "rows"), [(0, slice(0, 4)), (1, slice(4, 8))])
def test_a_rank_computes_its_part_of_a_batch(number: int, rows: slice) -> None:
    ranks = Ranks()
    ranks.number, ranks.count = number, 2
    assert ranks.share(8) == rows
    assert ALONE.share(7) is None


@pytest.mark.parametrize(
    ("batch_size", "remedy"), [(7, "set budget.batch_size to 6 or 8"), (1, "set budget.batch_size to 2,")]
)
def test_a_batch_that_two_cannot_share_equally_is_refused(batch_size: int, remedy: str) -> None:
    with pytest.raises(ConfigError, match=f"a multiple of the 2 processes .*, got {batch_size}; {remedy}"):
        batch_share(batch_size, ranks=2)
