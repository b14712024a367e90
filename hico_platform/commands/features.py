"""Writes the features of a dataset under a protocol, for other tools."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from hico_platform.atomic_io import sync
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.data.sequence import UNLABELLED
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.enums import Part
from hico_platform.errors import DataError, Problem
from hico_platform.evaluate.features import encoder_features
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker.datasets import Dataset, code_version
from hico_platform.writable import check_free

METADATA = b"hico"
"""Key of the table's metadata: what the features depend on, as JSON."""
_BLOCK = 4096  # sequences in memory at a time


def write_features(
    encoder: TrainedEncoder,
    *,
    source: Dataset,
    part: Part,
    out: Path,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Writes a Parquet file of name, label (null where there is none) and feature, and returns its metadata.

    A feature is 2*G*D numbers of float32, before any normalisation. The part ``train`` of a store without labels is all
    that it pretrains on. The file is written under another name and renamed at its end.

    Raises:
        UsageError: there is such a file.
        DataError: the data does not fit the encoder, or the part has no sequence.
    """
    check_free(out)
    if part is Part.TEST:
        store, split = source.open_with_test(Purpose.EVALUATION)
        indices = split.open_test(Purpose.EVALUATION)
    else:
        store, split = source.open()
        indices = split.train if part is Part.TRAIN else split.val
    encoder.check_fits(store, field="data")
    if part is Part.TRAIN and not store.labelled.any():
        indices = split.pretrain_only
    if not len(indices):
        raise DataError(
            Problem(file=store.directory, field="split", rule=f"at least one sequence in the {part.value} part",
                    value=0, remedy="choose another split or protocol")
        )  # fmt: skip
    facts = {
        "dataset": store.dataset,
        "data_digest": store.digest,
        "protocol": source.protocol,
        "split": part.value,
        "class_names": list(store.class_names),
        "checkpoint": encoder.source,
        "checkpoint_digest": encoder.digest,
        "epochs": encoder.epochs,
        "stream": encoder.stream.value,
        "centre_crop": encoder.config.evaluation.centre_crop,
        "trained_on": dict(encoder.provenance),
        "code_version": code_version(),
    }
    with checked_kernels(encoder.config, layout=encoder.layout, coordinates=encoder.coordinates, device=device):
        built = encoder.build(device=device)
        data = TrainEvalSplit(store=store, train=indices, eval=indices).eval_data(encoder.config, device=device)

        def encoded(rows: Tensor) -> Tensor:
            return encoder_features(
                built, views=data.views, indices=rows, centre_crop=encoder.config.evaluation.centre_crop
            ).cpu()

        schema = pa.schema(
            [
                pa.field("name", pa.string(), nullable=False),
                pa.field("label", pa.int64()),
                pa.field("feature", pa.list_(pa.float32(), built.feature_width), nullable=False),
            ],
            metadata={METADATA: json.dumps(facts).encode()},
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(f".{out.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with temporary.open("xb") as stream:
                with pq.ParquetWriter(stream, schema) as writer:
                    for done in range(0, len(indices), _BLOCK):
                        block = indices[done : done + _BLOCK]
                        writer.write_batch(_batch(block, encoded(data.train[done : done + _BLOCK]), store, schema))
                        progress(done + len(block), len(indices))
                stream.flush()
                os.fsync(stream.fileno())
            _rename_to_new(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
        sync(out.parent)
    return {**facts, "sequences": len(indices), "feature_width": built.feature_width}


def _batch(indices: npt.NDArray[np.int64], features: Tensor, store: Store, schema: pa.Schema) -> pa.RecordBatch:
    labels = store.labels[indices]
    feature = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(features.numpy()).reshape(-1)), features.shape[1]
    )
    return pa.record_batch(
        [pa.array([store.names[i] for i in indices]), pa.array(labels, mask=labels == UNLABELLED), feature],
        schema=schema,
    )


def _rename_to_new(temporary: Path, out: Path) -> None:
    """Gives a file its final name, unless another process took it meanwhile."""
    try:
        os.link(temporary, out)
    except FileExistsError:
        check_free(out)
    except OSError:  # a file system without hard links
        check_free(out)
        temporary.rename(out)
