"""An encoder against the data it would be scored on: the same joints, and sequences that it was trained on."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.config.protocol_file import find_protocol_rule
from hico_platform.data.remote import open_store
from hico_platform.data.split import Split, split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store_for_encoder import store_for_encoder
from hico_platform.enums import Part
from hico_platform.errors import ConfigError, DataError
from hico_platform.worker.datasets import Dataset


def in_layout_of(encoder: TrainedEncoder, dataset: Dataset) -> Dataset:
    """The dataset, or a copy in its cache in the encoder's layout where it has another one.

    Raises DataError that names the joints which it cannot give.
    """
    store = open_store(dataset.location, cache=dataset.cache)
    poses = encoder.poses
    if (store.coordinates, store.normalisation) != (poses.coordinates, poses.normalisation):
        return dataset  # refused, with other remedies, when it is held against the encoder
    fitting = store_for_encoder(store, poses=poses, folder=dataset.cache / "mapped")
    return dataset if fitting is store else dataclasses.replace(dataset, location=str(fitting.directory))


def seen_in_training(encoder: TrainedEncoder, dataset: Dataset) -> npt.NDArray[np.int64]:
    """The sequences of a dataset that an encoder was trained on, as far as its provenance tells.

    It tells where the store is the very one (by its digest). Retrained encoders saw the validation subjects too, and so
    did those of a search by ``knn_subjects``. A protocol that cannot be looked up any more is taken to be that of
    ``dataset``.
    """
    trained = encoder.provenance
    store, same_protocol = dataset.open_with_test(Purpose.OVERLAP)
    if trained.get("data_digest") != store.digest:
        return np.zeros(0, np.int64)
    split: Split
    try:
        written = str(trained.get("protocol_rule") or "")
        split = split_store(store, find_protocol_rule(str(trained.get("protocol")), text=written))
    except (DataError, ConfigError):
        split = same_protocol
    seen = [split.train, split.pretrain_only]
    if trained.get("scored_on") not in (Part.VAL.value, "nothing") or "pretrained_on" in trained:
        seen += [split.val, split.pretrain_only_val]
    return np.unique(np.concatenate(seen))
