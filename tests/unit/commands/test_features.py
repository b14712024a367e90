from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hico_platform.commands import features as module
from hico_platform.commands.features import METADATA, write_features
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.enums import Part
from hico_platform.errors import DataError, UsageError
from hico_platform.worker.datasets import Dataset
from tests.small import small_store
from tests.unit.commands.trained import PROTOCOL, Trained

CPU = torch.device("cpu")


def write(encoder: TrainedEncoder, source: Dataset, out: Path, part: Part = Part.TEST) -> dict[str, object]:
    return write_features(encoder, source=source, part=part, out=out, device=CPU, progress=lambda done, total: None)


@pytest.mark.parametrize("part", Part)
def test_rows_are_the_sequences_of_the_part(
    part: Part, trained: Trained, encoder: TrainedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 5)
    out = tmp_path / "made" / "features.parquet"
    written = write(encoder, trained.source, out, part)
    table = pq.read_table(out)
    width = 2 * encoder.config.model.granularities * encoder.config.model.hidden_width
    assert table.schema.types == [pa.string(), pa.int64(), pa.list_(pa.float32(), width)]
    assert table.column_names == ["name", "label", "feature"]
    indices = split_store(trained.store, PROTOCOL).parts(Purpose.EVALUATION)[part]
    assert table["name"].to_pylist() == [trained.store.names[i] for i in indices]
    assert table["label"].to_pylist() == trained.store.labels[indices].tolist()
    data = module.TrainEvalSplit(store=trained.store, train=indices, eval=indices).eval_data(encoder.config, device=CPU)
    built = encoder.build(device=CPU)
    expected = module.encoder_features(built, views=data.views, indices=data.eval, centre_crop=0.95).numpy()
    found = np.array(table["feature"].to_pylist(), np.float32)
    assert np.abs(found - expected).max() < 1e-6
    metadata = json.loads(table.schema.metadata[METADATA])
    assert metadata["checkpoint_digest"] == encoder.digest
    assert (metadata["protocol"], metadata["split"]) == (PROTOCOL, part.value)
    assert metadata["data_digest"] == trained.store.digest
    assert metadata["trained_on"]["scored_on"] == "val"
    assert written["sequences"] == len(indices)
    assert [each.name for each in out.parent.iterdir()] == [out.name], "nothing is left beside it"


def test_nothing_is_written_over(trained: Trained, encoder: TrainedEncoder, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    out.write_text("mine")
    with pytest.raises(UsageError, match="out: expected a path where nothing is yet"):
        write(encoder, trained.source, out)
    assert out.read_text() == "mine"


def test_a_file_that_appears_meanwhile_stays(
    trained: Trained, encoder: TrainedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "features.parquet"
    with pytest.raises(UsageError, match="a path where nothing is yet"):
        write_features(
            encoder, source=trained.source, part=Part.TEST, out=out, device=CPU,
            progress=lambda done, total: out.write_text("mine"),
        )  # fmt: skip
    assert out.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == [out.name]


def test_an_interruption_leaves_nothing(trained: Trained, encoder: TrainedEncoder, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(
            encoder, source=trained.source, part=Part.TEST, out=tmp_path / "f", device=CPU, progress=interrupt
        )
    assert not list(tmp_path.iterdir())


def test_a_store_without_labels_has_none(trained: Trained, encoder: TrainedEncoder, tmp_path: Path) -> None:
    store = small_store(tmp_path / "unlabelled", unlabelled=range(48))
    source = Dataset(location=str(store.directory), protocol="all", cache=tmp_path)
    write(encoder, source, tmp_path / "f", Part.TRAIN)
    table = pq.read_table(tmp_path / "f")
    assert (len(table), table["label"].null_count) == (48, 48)
    with pytest.raises(DataError, match="expected at least one sequence in the test part"):
        write(encoder, source, tmp_path / "g", Part.TEST)
