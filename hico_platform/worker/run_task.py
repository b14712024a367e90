"""Runs one task on a worker: opens the data, chooses the device, runs the trial."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from hico_platform.build import build_model
from hico_platform.config import schema
from hico_platform.config.trial import TrialConfig, batch_share
from hico_platform.data.split_guard import Purpose, closed_test_split, require_open
from hico_platform.enums import Signal
from hico_platform.errors import Problem, UsageError
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.search.messages import Activity, ReportFunction, TrialOutcome
from hico_platform.search.task import Alive, TrialTask, alive_of
from hico_platform.train.guards import EpochProgress, memory_explained
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.train.loop import EpochResult
from hico_platform.train.same_run import with_precision
from hico_platform.trial import ScoreFunction, TrainEvalSplit, TrialCallbacks, follow_trial, run_trial
from hico_platform.worker.datasets import Dataset, pretrain_only_facts
from hico_platform.worker.gpu_share import hold_to_share, share_explained
from hico_platform.worker.plug_ins_used import plug_ins_of_config
from hico_platform.worker.ranks import Join, training_ranks
from hico_platform.worker.system_metrics import system_sampler


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """The data that a trial trains and is scored on.

    ``on_test_split`` trains on the whole training split and scores on the test split: in retraining alone.
    Otherwise validation subjects are taken from the training split, and the test split is closed.
    """

    source: Dataset
    target: Dataset | None
    on_test_split: bool = False
    overlap: int = 0
    """How many scored sequences are also pretrained on, where that was allowed."""
    signal: Signal = Signal.KNN_TOP1
    """What the search goes by; with ``knn_subjects`` validation subjects are pretrained on too."""

    def splits(self) -> tuple[TrainEvalSplit, TrainEvalSplit | None]:
        """The split to train on and, where transfer is measured, the target's.

        Raises ClosedTestSplitError for the test split where it is closed.
        """
        if self.on_test_split:
            require_open(Purpose.RETRAINING)  # whatever this process has open already
        opened = _with_test_split if self.on_test_split else _with_validation_split
        source = opened(self.source)
        if self.signal is Signal.KNN_SUBJECTS and not self.on_test_split:
            source = _pretrained_on_all(self.source)
        return source, None if self.target is None else opened(self.target)


def run_task(
    task: TrialTask,
    report: ReportFunction,
    *,
    data: TrialData,
    watch: Callable[[EpochResult], None] | None = None,
    progress: Callable[[EpochProgress], None] | None = None,
    score: ScoreFunction | None = None,
    validate: bool | None = None,
    ranks: int | None = None,
) -> TrialOutcome:
    """Runs a trial; stores stay open in this process for the next one.

    Every step of the work gives a sign of life, through the ``alive`` of ``report`` where it has one. ``score`` and
    ``validate`` are those of :func:`hico_platform.trial.run_trial`; by default reports have metrics unless the test
    split is scored. ``ranks`` is the number of processes that train it together, by default one for each GPU that the
    task holds.

    Raises:
        UsageError: the task holds more GPUs than PyTorch can use here.
    """
    count = ranks_of(task) if ranks is None else ranks
    prepare_threads(task, ranks=count)
    return_memory()  # which the traceback of the previous trial kept alive
    alive = alive_of(report)
    try:
        with contextlib.nullcontext() if data.on_test_split else closed_test_split("a search or a pretraining"):
            return _run(
                task,
                report,
                data=data,
                score=score,
                validate=not data.on_test_split if validate is None else validate,
                ranks=count,
                alive=alive,
                callbacks=TrialCallbacks(
                    on_epoch=_watched(watch, alive),
                    on_progress=_progressed(progress, alive),
                    alive=functools.partial(alive, doing=Activity.EVALUATING),
                ),
            )
    finally:
        return_memory()


def _run(
    task: TrialTask,
    report: ReportFunction,
    *,
    data: TrialData,
    ranks: int,
    score: ScoreFunction | None,
    validate: bool,
    alive: Alive,
    callbacks: TrialCallbacks,
) -> TrialOutcome:
    alive(doing=Activity.DATA)
    split, target = data.splits()
    alive(doing=Activity.KERNELS)
    device = device_of(task)
    with share_explained(task.gpus, device), memory_explained(task.config):  # the first use of the device
        hold_to_share(task.gpus, device)
        config = with_precision(task.config, directory=task.directory, device=device)
    callbacks = dataclasses.replace(callbacks, system=system_sampler(device))
    follow = functools.partial(_follow, dataclasses.replace(task, config=config), data=data, ranks=ranks)
    with (
        share_explained(task.gpus, device),
        memory_explained(config),
        checked_kernels(
            _of_a_rank(config, ranks), layout=split.store.layout, coordinates=split.store.coordinates, device=device
        ) as arithmetic,
        training_ranks(ranks, device=device, follow=follow, alive=alive) as joined,
    ):
        alive(doing=Activity.TRAINING)
        return run_trial(
            config,
            split=split,
            target=target,
            directory=task.directory,
            report_epochs=task.report_epochs,
            validate=validate,
            score=score,
            signal=data.signal,
            report=report,
            device=device,
            callbacks=callbacks,
            ranks=joined,
            provenance={
                "arithmetic": arithmetic,
                "precision": config.model.precision.value,
                **({"device": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}),
                "data_digest": split.store.digest,
                "protocol": data.source.protocol,
                **({"protocol_rule": data.source.written} if data.source.written else {}),
                "scored_on": ("test" if data.on_test_split else "val") if split.can_be_scored else "nothing",
                **({"pretrained_on": "all training subjects"} if split.pretrains_on_eval else {}),
                **pretrain_only_facts(split.store, split.pretrain_only),
                **({"overlap": data.overlap} if data.overlap else {}),
                **({"run": task.key} if task.key else {}),
                **({"ranks": ranks} if ranks > 1 else {}),
                **({"plug_ins": brought} if (brought := plug_ins_of_config(config)) else {}),
            },
        )


def _follow(task: TrialTask, *, data: TrialData, ranks: int, number: int, join: Join) -> None:
    """Trains the task as rank ``number``, in a process of its own."""
    prepare_threads(task, ranks=ranks)
    device = device_of(task)
    if device.type == "cuda":
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    with contextlib.nullcontext() if data.on_test_split else closed_test_split("a search or a pretraining"):
        split, _ = data.splits()
        store = split.store
        with (
            checked_kernels(
                _of_a_rank(task.config, ranks), layout=store.layout, coordinates=store.coordinates, device=device
            ),
            join(device) as joined,
        ):
            follow_trial(task.config, split=split, directory=task.directory, device=device, ranks=joined)


def _of_a_rank(config: TrialConfig, ranks: int) -> TrialConfig:
    """The configuration with the batch that each rank computes, for whose shapes kernels are checked."""
    share = batch_share(config.budget.batch_size, ranks=ranks)
    return schema.replace(config, {"budget.batch_size": max(2, share)})


def _watched(watch: Callable[[EpochResult], None] | None, alive: Alive) -> Callable[[EpochResult], None]:
    def watched(result: EpochResult) -> None:
        alive(epoch=result.epoch, doing=Activity.TRAINING)
        if watch is not None:
            watch(result)

    return watched


def _progressed(progress: Callable[[EpochProgress], None] | None, alive: Alive) -> Callable[[EpochProgress], None]:
    def progressed(now: EpochProgress) -> None:
        alive(doing=Activity.TRAINING)
        if progress is not None:
            progress(now)

    return progressed


def untrained(task: TrialTask, report: ReportFunction, *, data: TrialData) -> Evaluated:
    """A configuration's encoder before any training, with its features, also of the target dataset."""
    config, device = task.config, device_of(task)
    prepare_threads(task)
    hold_to_share(task.gpus, device)
    split, target = data.splits()
    layout, coordinates = split.store.layout, split.store.coordinates
    with checked_kernels(config, layout=layout, coordinates=coordinates, device=device):
        encoder = build_model(config, layout=layout, coordinates=coordinates, device=device).query.encoder

        def on(one: TrainEvalSplit, target: Evaluated | None = None) -> Evaluated:
            return of_encoder(
                encoder,
                data=one.eval_data(config, device=device, alive=alive_of(report)),
                config=config.evaluation,
                seed=config.budget.seed,
                target=target,
            )

        return on(split, None if target is None else on(target))


def raw_pose(task: TrialTask, report: ReportFunction, *, data: TrialData) -> Evaluated:
    """The poses themselves as features, also of the target dataset."""
    config, device = task.config, device_of(task)
    prepare_threads(task)
    hold_to_share(task.gpus, device)
    split, target = data.splits()

    def poses(one: TrainEvalSplit) -> Evaluated:
        data = one.eval_data(config, device=device, alive=alive_of(report))
        return of_raw_pose(data=data, config=config.evaluation, seed=config.budget.seed)

    return poses(split) if target is None else dataclasses.replace(poses(split), target=poses(target))


def device_of(task: TrialTask) -> torch.device:
    """The GPU that the task holds, else the CPU."""
    return torch.device("cuda" if task.gpus > 0 and torch.cuda.is_available() else "cpu")


def ranks_of(task: TrialTask) -> int:
    """How many processes train a task together: one for each whole GPU that it holds, one on a CPU.

    Raises:
        UsageError: it holds more GPUs than PyTorch can use here.
    """
    count = int(task.gpus)
    if count <= 1 or not torch.cuda.is_available():
        return 1
    usable = torch.cuda.device_count()
    if count > usable:
        raise UsageError(
            Problem(
                field="gpus",
                rule=f"at most the {usable} GPUs that PyTorch can use here",
                value=count,
                remedy="ask for fewer, or make the others visible (CUDA_VISIBLE_DEVICES)",
            )
        )
    return count


def prepare_threads(task: TrialTask, *, ranks: int = 1) -> None:
    """As many threads for each rank as its share of the task's CPUs, unless its configuration gives a number."""
    torch.set_num_threads(task.config.budget.threads or max(1, int(task.cpus / ranks)))


def return_memory() -> None:
    """Returns freed memory to the system.

    A worker runs each trial in a thread of its own, glibc gives each thread an arena of its own, and an arena
    keeps what was freed in it: without this a worker grows by some 100 MiB a trial, up to gigabytes. On a GPU
    PyTorch keeps what a trial freed, which the trials that share it may want.
    """
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)


@functools.lru_cache(maxsize=8)
def _with_validation_split(dataset: Dataset) -> TrainEvalSplit:
    store, split = dataset.open()
    return TrainEvalSplit(store=store, train=split.train, eval=split.val, pretrain_only=split.pretrain_only)


@functools.lru_cache(maxsize=8)
def _pretrained_on_all(dataset: Dataset) -> TrainEvalSplit:
    store, split = dataset.open()
    return TrainEvalSplit(
        store=store,
        train=split.train,
        eval=split.val,
        pretrain_only=split.pretrain_only_in_retraining,
        pretrains_on_eval=True,
    )


@functools.lru_cache(maxsize=8)
def _with_test_split(dataset: Dataset) -> TrainEvalSplit:
    store, split = dataset.open_with_test(Purpose.RETRAINING)
    return TrainEvalSplit(
        store=store,
        train=split.train_and_val,
        eval=split.open_test(Purpose.RETRAINING),
        pretrain_only=split.pretrain_only_in_retraining,
    )
