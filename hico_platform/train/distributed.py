"""Training of one model by several processes, the ranks, each with a GPU and an equal share of every batch.

All ranks draw the order and the views of the joint batch and compute their share of it. Gradients and losses are
averaged over ranks and keys are gathered in the order of the joint batch, so that weights, queues and losses on every
rank are those of one process with the joint batch; dropout alone draws other numbers. Rank 0 reports, saves and
evaluates, and the others follow it (docs/decisions/0018).
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import _set_pg_timeout, _world

from hico_platform.config.trial import batch_share
from hico_platform.enums import Representation
from hico_platform.errors import HicoError
from hico_platform.model.contrast import Losses
from hico_platform.model.hico import Contrast

_PATIENCE = timedelta(days=30)
"""Ranks wait for one another while rank 0 evaluates; a rank that is lost is noticed by its closed connection."""
_JOINING = timedelta(minutes=10)
"""All ranks are prepared when they begin to join, so none keeps the others for so long."""
_LOOK_S = 0.5
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


class Ranks:
    """The processes that train one model, here one alone: nothing is combined, and its own decisions count."""

    number = 0
    """Of this process, from 0."""
    count = 1

    def share(self, batch_size: int) -> slice | None:
        """The rows of a batch that this rank computes; None of a process alone, which computes all.

        Raises:
            ConfigError: the batch cannot be shared equally, so a mean of means would not be its mean.
        """
        if self.count == 1:
            return None
        size = batch_share(batch_size, ranks=self.count)
        return slice(self.number * size, (self.number + 1) * size)

    def begin_epoch(self, *, seed: int, epoch: int) -> None:
        """Before an epoch (0-based)."""

    def combine(self, contrast: Contrast, query: nn.Module) -> Contrast:
        """Losses and keys of the joint batch, after the backward pass; the gradients of ``query`` become its, too."""
        return contrast

    def from_first(self, value: int) -> int:
        """What rank 0 gives for ``value``; all ranks call it."""
        return value

    @contextmanager
    def losses_explained(self) -> Iterator[None]:
        """Turns errors that the loss of another rank causes into one that says so."""
        yield


ALONE = Ranks()


class ProcessGroupRanks(Ranks):
    """The ranks of PyTorch's default process group.

    ``lost`` returns why another rank was lost, or None if none was; it is asked after an error.
    """

    def __init__(self, *, lost: Callable[[], HicoError | None]) -> None:
        self.number, self.count = dist.get_rank(), dist.get_world_size()
        self._lost = lost

    def begin_epoch(self, *, seed: int, epoch: int) -> None:
        """Seeds dropout on every rank but the first, whose generators belong to the checkpoint.

        So ranks draw different masks, and a resumed run draws what an uninterrupted one would.
        """
        if self.number > 0:
            torch.manual_seed(int(np.random.SeedSequence((seed, epoch, self.number)).generate_state(1)[0]))

    @torch.no_grad()
    def combine(self, contrast: Contrast, query: nn.Module) -> Contrast:
        """One sum over ranks for gradients and losses, one gathering of all keys."""
        gradients = [weight.grad for weight in query.parameters() if weight.grad is not None]
        levels = contrast.losses.levels
        losses = torch.stack([contrast.losses.total, *levels.values()])
        flat = torch.cat([each.flatten() for each in (*gradients, losses)])
        dist.all_reduce(flat)
        flat /= self.count
        *means, losses = flat.split([each.numel() for each in (*gradients, losses)])
        torch._foreach_copy_(gradients, [mean.view(each.shape) for mean, each in zip(means, gradients, strict=True)])
        return Contrast(
            losses=Losses(total=losses[0], levels=dict(zip(levels, losses[1:], strict=True))),
            keys=self._gathered(contrast.keys),
        )

    def _gathered(self, keys: dict[Representation, Tensor]) -> dict[Representation, Tensor]:
        """Keys (N / ranks, ...) of every rank as (N, ...), in the order of the joint batch."""
        flat = torch.cat([key.flatten(1) for key in keys.values()], dim=1)  # (N / ranks, all widths)
        joint = flat.new_empty(self.count * len(flat), flat.shape[1])
        dist.all_gather(list(joint.split(len(flat))), flat)
        parts = joint.split([key[0].numel() for key in keys.values()], dim=1)
        return {name: part.reshape(-1, *keys[name].shape[1:]) for name, part in zip(keys, parts, strict=True)}

    def from_first(self, value: int) -> int:
        """Waits for rank 0, however long it evaluates."""
        shared = torch.tensor(int(value))  # on the CPU: no GPU spins while it waits
        dist.broadcast(shared, src=0)
        return int(shared)

    @contextmanager
    def losses_explained(self) -> Iterator[None]:
        """Raises what ``lost`` returns in place of an error of the process group.

        Raises:
            HicoError: another rank was lost.
        """
        try:
            yield
        except HicoError:
            raise
        except Exception as error:
            lost = self._lost()
            if lost is None:
                raise
            raise lost from error


@contextmanager
def joined_ranks(
    *, number: int, count: int, device: torch.device, meeting: Path, lost: Callable[[], HicoError | None] = lambda: None
) -> Iterator[ProcessGroupRanks]:
    """Joins, as rank ``number`` of ``count`` on this machine, the ranks that meet at the file ``meeting``.

    GPUs exchange tensors by NCCL, CPUs by gloo, over the loopback interface unless the environment names another.
    All ranks join at once: it waits for those that are missing, as long as ``lost`` returns None.

    Raises:
        HicoError: another rank was lost while they joined.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store = dist.FileStore(str(meeting), count)  # type: ignore[attr-defined]

    def join() -> None:
        dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=_JOINING)

    with _on_loopback():
        _until_lost(join, lost)
    try:
        store.set_timeout(_PATIENCE)
        _set_pg_timeout(_PATIENCE)
        yield ProcessGroupRanks(lost=lost)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _until_lost(join: Callable[[], None], lost: Callable[[], HicoError | None]) -> None:
    """Calls ``join``, which nothing can interrupt while it waits, on a thread that is left alone if a rank is lost.

    That thread ends by itself once ``join`` has waited for ``_JOINING``.
    """
    errors: list[Exception] = []

    def joining() -> None:
        try:
            join()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=joining, name="joining ranks", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK_S)
            problem = lost() if errors or thread.is_alive() else None
            if problem is not None:
                raise problem
        if errors:
            raise errors[0]
    except BaseException:
        _world.group_count = 0  # PyTorch has counted this group: the next one would have another name on each rank
        raise


def leave_ranks() -> None:
    """Ends what this process waits for of the other ranks, by an error where it waits; from another thread."""
    if dist.is_initialized() and dist.group.WORLD is not None:
        dist.group.WORLD.abort()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """In the block, process groups use the loopback interface: ranks are on one machine, and nobody else is to join."""
    loopback = next((name for _, name in socket.if_nameindex() if name in {"lo", "lo0"}), None)
    new = [name for name in _INTERFACES if loopback is not None and name not in os.environ]
    os.environ.update(dict.fromkeys(new, loopback or ""))
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]
