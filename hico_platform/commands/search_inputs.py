"""What a search works on: its datasets, as facts for the ledger and as the function that runs a trial on them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hico_platform.commands.short_recordings import crop_warning, least_crop_frames, least_of
from hico_platform.config.space import CheckedSpace
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.split import Split
from hico_platform.data.split_guard import closed_test_split
from hico_platform.data.store import COORDINATES, Store
from hico_platform.enums import Part
from hico_platform.errors import DataError, Problem, command
from hico_platform.masking import masked
from hico_platform.search.gpu_sharing import MemoryNeed
from hico_platform.search.ledger.base import Facts
from hico_platform.search.task import TrialFunction
from hico_platform.search.validation_noise import ValidationNoise
from hico_platform.worker.datasets import (
    TRANSFER,
    Dataset,
    Progress,
    check_labels,
    check_overlap,
    code_version,
    dataset,
    portable,
    pretrain_only_facts,
)
from hico_platform.worker.gpu_memory import greedy_configs, measure_need
from hico_platform.worker.plug_ins_used import plug_ins_of_space
from hico_platform.worker.run_task import TrialData, run_task
from hico_platform.worker.validation_noise import measure_noise


@dataclass(frozen=True, kw_only=True)
class SearchInputs:
    """The facts and the function of a search, and its data.

    ``probe`` measures what its trials take of a GPU, on the machine on which it is called. ``warnings`` are what the
    data suggest to change in the space; ``noise`` is how sure a score is where few sequences are scored.
    """

    facts: Facts
    function: TrialFunction
    data: TrialData
    probe: Callable[[], MemoryNeed]
    warnings: tuple[str, ...] = ()
    noise: ValidationNoise | None = None


@closed_test_split("a search")
def search_inputs(
    space: CheckedSpace, *, home: Path, data: str | None, progress: Progress | None = None
) -> SearchInputs:
    """Opens the data of a search, making the generated datasets on first use.

    Args:
        space: gives the protocol and the transfer dataset.
        home: where generated datasets are kept.
        data: a prepared folder or its address; the embedded dataset by default.
        progress: is called while a dataset is generated.

    Raises:
        DataError: a store is torn or has nothing labelled to score on, the protocol does not fit it, sequences are
            both trained on and scored, or there are fewer than the smallest batch of the space.
    """
    settings = space.settings
    source = dataset(data, protocol=settings.protocol, home=home, progress=progress).fixed()
    check_labels(source, field="data", part=Part.VAL)
    store, split = source.open()
    _check_batch(space, split)
    target = _transfer(space, source=store, home=home, progress=progress)
    rules = {
        "protocol_digest": source.rule_digest,
        "transfer_protocol_digest": None if target is None else target.rule_digest,
    }
    overlap = check_overlap(source, target, allowed=settings.allow_overlap, on_all=settings.pretrains_on_validation)
    facts = Facts(
        data_digest=store.digest,
        protocol=settings.protocol,
        code_version=code_version(),
        seed=settings.sampler.seed,
        more={
            "dataset": store.dataset,
            "data": masked(portable(source.location, home=home)),
            "train_sequences": len(split.train),
            "validation_sequences": len(split.val),
            **pretrain_only_facts(store, split.pretrain_only),
            "transfer": None if target is None else masked(portable(target.location, home=home)),
            "transfer_digest": None if target is None else target.open()[0].digest,
            **{name: digest for name, digest in rules.items() if digest is not None},
            **({"overlap": overlap} if overlap else {}),
            **({"plug_ins": brought} if (brought := plug_ins_of_space(space)) else {}),
        },
    )
    trial_data = TrialData(source=source, target=target, overlap=overlap, signal=settings.signal)
    noise = measure_noise(space.base, data=trial_data)
    warnings = (
        crop_warning(source, min_crop_frames=least_crop_frames(space)),
        None if noise is None else noise.warning,
    )
    return SearchInputs(
        facts=facts,
        function=functools.partial(run_task, data=trial_data),
        data=trial_data,
        probe=functools.partial(measure_need, greedy_configs(space), data=trial_data),
        warnings=tuple(warning for warning in warnings if warning is not None),
        noise=noise,
    )


def _check_batch(space: CheckedSpace, split: Split) -> None:
    """Raises DataError where every trial would fail, as the data make no batch of the smallest size that is tried."""
    if space.settings.pretrains_on_validation:
        trained_on = len(split.train_and_val) + len(split.pretrain_only_in_retraining)
    else:
        trained_on = len(split.train) + len(split.pretrain_only)
    least = least_of(space, "budget.batch_size", base=space.base.budget.batch_size)
    if least > trained_on:
        raise DataError(
            Problem(
                field="budget.batch_size",
                rule=f"at most the {trained_on} sequences of the training part",
                value=least,
                remedy="lower it (`--set budget.batch_size=...`), or bring more data",
            )
        )


def _transfer(space: CheckedSpace, *, source: Store, home: Path, progress: Progress | None) -> Dataset | None:
    """The transfer dataset; none where there is only the generated one, and its poses are of another kind."""
    settings = space.settings
    target = dataset(
        settings.transfer, protocol=settings.transfer_protocol, home=home, preset=TRANSFER, progress=progress
    ).fixed()
    check_labels(target, field="transfer", part=Part.VAL)
    found = target.open()[0]
    if found.layout == source.layout and _poses(found) == _poses(source):
        return target
    if settings.transfer is None:
        return None
    raise DataError(
        Problem(
            field="transfer",
            rule=f"a dataset of {_poses(source)}, as the one that is searched on",
            value=_poses(found),
            remedy=_transfer_remedy(source, found),
        )
    )


def _transfer_remedy(source: Store, target: Store) -> str:
    if source.coordinates != target.coordinates:
        return f"name one of {source.coordinates}D poses, or leave it out"
    if source.layout != target.layout and source.coordinates != COORDINATES:
        return f"prepare one in the layout {source.layout.name}, or leave it out"
    if source.layout != target.layout:
        named = source.layout.name if LAYOUTS.get(source.layout.name) == source.layout else "FILE"
        mapped = command("data", "map", target.directory, "--layout", named, "--out", "DIR")
        return f"use `{mapped}`, or map both to common-15, or leave it out"
    return "prepare one with the same --normalisation, or leave it out"


def _poses(store: Store) -> str:
    how = "as recorded" if store.normalisation is None else f"normalised as {store.normalisation}"
    return f"{store.coordinates}D poses in the layout {store.layout.name}, {how}"
