"""The folder of an exported model: all versions are read, and nothing damaged or hostile."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.overrides
from safetensors.torch import load_file, save_file

from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MissingJoint
from hico_platform.errors import CheckpointError, UsageError
from hico_platform.export.description import DESCRIPTION, FILES, GALLERY_NAMES, RECOGNISER, WEIGHTS, describe
from hico_platform.export.folder import export_encoder, load_encoder
from tests.exported import CLASS_NAMES, small_checkpoint, small_export, small_recogniser


def recordings() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(random.normal(size=(30 + i, 1 + i % 2, 25, 3)) * 0.3 + 1).astype(np.float32) for i in range(4)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with all of its files."""
    return small_export(tmp_path_factory.mktemp("export") / "encoder", recogniser=small_recogniser())


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "encoder"))


def change(folder: Path, changed: Callable[[dict[str, Any]], object]) -> None:
    """Changes what the description says."""
    file = folder / DESCRIPTION
    description = json.loads(file.read_text())
    file.write_text(json.dumps(changed(description) or description))


def resign(folder: Path) -> None:
    """Has the description say the digests that the files have, as whoever altered them could."""
    change(
        folder,
        lambda plain: plain["sha256"].update(
            {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in plain["sha256"]}
        ),
    )


def test_what_is_written_is_read(whole: Path) -> None:
    recogniser = small_recogniser()
    encoder = load_encoder(whole)
    assert encoder.class_names == CLASS_NAMES
    read = encoder.recogniser
    assert (read.names, read.sequences, read.probe) == (recogniser.names, 7, recogniser.probe)
    for name in ("gallery", "labels", "weight", "bias"):
        assert torch.equal(getattr(read, name), getattr(recogniser, name))
    weights = encoder.network.state_dict()
    trained = small_checkpoint().tensors
    assert all(torch.equal(weights[name], trained[f"model/query.encoder.{name}"]) for name in weights)


def test_the_description_says_what_the_files_are(whole: Path) -> None:
    found = describe(whole)
    assert (found.epoch, found.feature_width, found.layout.name) == (3, 128, "kinect-v2")
    assert found.recogniser is not None
    assert (found.recogniser.class_names, found.recogniser.gallery, found.recogniser.number) == (
        CLASS_NAMES, 7, "float32",
    )  # fmt: skip
    assert found.digests == {
        name: hashlib.sha256((whole / name).read_bytes()).hexdigest() for name in (WEIGHTS, RECOGNISER, GALLERY_NAMES)
    }


def test_a_gallery_of_float16_is_read_as_float32(tmp_path: Path) -> None:
    recogniser = small_recogniser()
    half = dataclasses.replace(recogniser, gallery=recogniser.gallery.half())
    folder = small_export(tmp_path / "encoder", recogniser=half)
    read = load_encoder(folder).recogniser.gallery
    assert read.dtype is torch.float32
    assert torch.equal(read, half.gallery.float())


def test_an_encoder_without_a_recogniser_says_so_when_it_is_asked_for(tmp_path: Path) -> None:
    encoder = load_encoder(small_export(tmp_path / "encoder"))
    assert encoder.class_names == ()
    assert encoder.features(recordings()).shape == (4, encoder.feature_width)
    for ask in (encoder.neighbours, encoder.probabilities):
        with pytest.raises(UsageError, match=r"expected a model with classes .*, got 'an encoder alone'; register one"):
            ask(recordings())


def test_a_model_of_version_2_is_read_without_its_recogniser(folder: Path) -> None:
    change(folder, lambda plain: {**plain, "schema_version": 2, "recogniser": None, "sha256": None})
    encoder = load_encoder(folder)
    assert encoder.class_names == ()
    assert describe(folder).digests == {}


@pytest.mark.parametrize("file", [WEIGHTS, RECOGNISER, GALLERY_NAMES])
def test_a_file_that_is_missing_cut_off_or_altered_is_refused(folder: Path, file: str) -> None:
    content = (folder / file).read_bytes()
    flipped = bytearray(content)
    flipped[-3] ^= 1
    for damaged in (None, content[: len(content) // 2], bytes(flipped)):
        (folder / file).unlink()
        if damaged is not None:
            (folder / file).write_bytes(damaged)
        with pytest.raises(CheckpointError, match="a whole exported encoder"):
            load_encoder(folder)
        (folder / file).write_bytes(content)
    load_encoder(folder)


def altered(**tensors: torch.Tensor) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        save_file({**load_file(folder / RECOGNISER), **tensors}, folder / RECOGNISER)

    return alter


NAN, INF = torch.tensor(float("nan")), torch.inf
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a gallery of another width": (altered(gallery=torch.zeros(7, 64)), r"gallery: F32 of shape \(7, 64\)"),
    "a longer gallery": (altered(gallery=torch.zeros(8, 128)), r"gallery: F32 of shape \(8, 128\)"),
    "a gallery of another type": (altered(gallery=torch.zeros(7, 128).double()), "gallery: F64"),
    "labels of another type": (altered(labels=torch.zeros(7)), "labels: F32"),
    "a label that no class has": (altered(labels=torch.full((7,), 3)), "labels outside the 3 classes"),
    "a negative label": (altered(labels=torch.full((7,), -1)), "labels outside the 3 classes"),
    "a gallery of NaN": (altered(gallery=NAN.expand(7, 128).contiguous()), "not finite"),
    "weights of NaN": (altered(**{"probe.weight": NAN.expand(3, 128).contiguous()}), "not finite"),
    "no class that can be": (altered(**{"probe.bias": torch.full((3,), -INF)}), "no probabilities"),
    "an infinite bias": (altered(**{"probe.bias": torch.tensor([0, 0, INF])}), "no probabilities"),
    "a bias of NaN": (altered(**{"probe.bias": NAN.expand(3).contiguous()}), "no probabilities"),
    "a tensor too many": (altered(stray=torch.zeros(1)), "stray"),
    "names of fewer sequences": (
        lambda folder: (folder / GALLERY_NAMES).write_text('{"names": ["a"]}'), "1 names in gallery.json, 7 sequences"
    ),
    "names that are none": (lambda folder: (folder / GALLERY_NAMES).write_text('{"names": [1]}'), "a list of names"),
    "names without an end": (
        lambda folder: (folder / GALLERY_NAMES).write_text(json.dumps({"names": ["x" * 2**26]})), "67,108,864 bytes"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_recogniser_that_does_not_fit_is_refused(folder: Path, name: str) -> None:
    alter, why = HOSTILE[name]
    alter(folder)
    resign(folder)
    with pytest.raises(CheckpointError, match=f"a whole exported encoder.*{why}"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"class_names": ["a"]}, {"class_names": []}, {"class_names": [1, 2, 3]}, {"gallery": 10**9}, {"gallery": -1},
        {"gallery": True}, {"sequences": "7"}, {"number": "bfloat16"}, {"number": "float16"},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_of_another_recogniser_is_refused(folder: Path, changed: dict[str, Any]) -> None:
    change(folder, lambda plain: plain["recogniser"].update(changed))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(folder)


def test_a_digest_names_no_file_elsewhere(folder: Path) -> None:
    change(folder, lambda plain: plain["sha256"].update({"../../etc/passwd": "0" * 64}))
    with pytest.raises(CheckpointError, match=r"a whole exported encoder, got .*digests of .*etc/passwd"):
        load_encoder(folder)


def test_a_class_without_a_sequence_has_no_probability(tmp_path: Path) -> None:
    recogniser = dataclasses.replace(small_recogniser(), bias=torch.tensor([0.5, -torch.inf, 0.1]))
    encoder = load_encoder(small_export(tmp_path / "encoder", recogniser=recogniser))
    found = encoder.probabilities(recordings())
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_an_export_that_names_no_normalisation_has_the_released_one(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    description = json.loads(file.read_text())
    new = {"normalisation", "missing_joint", "coordinates"}
    assert new <= set(description)
    old = {key: value for key, value in description.items() if key not in new} | {"schema_version": 1}
    file.write_text(json.dumps(old))
    encoder = load_encoder(tmp_path / "encoder")
    assert (encoder.normalisation, encoder.missing_joint) == (Normalisation.RELEASED, MissingJoint.ZERO)
    np.testing.assert_array_equal(encoder.features(recordings()), load_encoder(whole).features(recordings()))
    file.write_text(json.dumps(description | {"normalisation": "sideways"}))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")
    file.write_text(json.dumps(description | {"schema_version": 4}))
    with pytest.raises(CheckpointError, match="an encoder schema version from 1 to 3, got 4"):
        load_encoder(tmp_path / "encoder")


def test_torn_folder_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path)
    for file in whole.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:50])
    with pytest.raises(CheckpointError, match="export it again"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: [],
        lambda plain: {key: value for key, value in plain.items() if key != "config"},
        lambda plain: {**plain, "config": {**plain["config"], "unknown": 1}},
        lambda plain: {**plain, "layout": None},
        lambda plain: {
            **plain,
            "config": {**plain["config"], "model": {**plain["config"]["model"], "hidden_width": 8}},
        },
    ],
    ids=["no object", "no configuration", "an unknown field", "no layout", "weights that do not fit"],
)
def test_a_description_that_is_not_of_the_weights_is_refused(
    whole: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    shutil.copytree(whole, tmp_path / "encoder")
    description = tmp_path / "encoder" / DESCRIPTION
    description.write_text(json.dumps(change(json.loads(description.read_text()))))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("model", {"hidden_width": 20_000}),
        ("model", {"hidden_width": 10**30}),
        ("model", {"layers": 10**9}),
        ("model", {"encoder": "transformer", "hidden_width": 20_000, "layers": 2}),
        ("contrast", {"queue_size": 10**9}),
        ("model", {"projection_width": 10**9}),
        ("views", {"frames": 10**9}),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else value,
)
def test_no_memory_is_taken_for_what_a_description_asks_for_and_the_weights_are_not(
    whole: Path, tmp_path: Path, section: str, values: dict[str, object]
) -> None:
    shutil.copytree(whole, tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    description = json.loads(file.read_text())
    description["config"][section].update(values)
    file.write_text(json.dumps(description))
    save_file({"stray": torch.zeros(1)}, tmp_path / "encoder" / WEIGHTS)

    class Watched(torch.overrides.TorchFunctionMode):
        """Refuses every tensor that is made, unless it is one without memory."""

        def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            options = options or {}
            if function in {torch.empty, torch.empty_like, torch.zeros, torch.randn, torch.ones, torch.full}:
                device = torch.device(options.get("device") or torch.get_default_device())
                assert device.type == "meta", "memory would be taken"
            return function(*arguments, **options)

    with Watched(), pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")


def test_weights_of_another_type_or_with_one_too_many_are_refused(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "encoder")
    weights = load_file(tmp_path / "encoder" / WEIGHTS)
    name = sorted(weights)[0]
    for other in ({**weights, name: weights[name].double()}, {**weights, "stray": torch.zeros(1)}):
        save_file(other, tmp_path / "encoder" / WEIGHTS)
        with pytest.raises(CheckpointError, match=rf"a whole exported encoder, got .*({name}: F64|stray: F32)"):
            load_encoder(tmp_path / "encoder")


def test_a_description_has_a_bound(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    file.write_text(json.dumps({**json.loads(file.read_text()), "more": "x" * 2**22}))
    with pytest.raises(CheckpointError, match=f"{DESCRIPTION} has more than 4,194,304 bytes"):
        load_encoder(tmp_path / "encoder")


def test_an_export_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = small_checkpoint()

    def cut_off(folder: Path) -> None:
        assert sorted(each.name for each in folder.iterdir()) == sorted(FILES[:4])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hico_platform.atomic_io.sync", cut_off)
        with pytest.raises(KeyboardInterrupt):
            export_encoder(checkpoint, tmp_path / "encoder", recogniser=small_recogniser())
    assert list(tmp_path.iterdir()) == []
    export_encoder(checkpoint, tmp_path / "encoder")
    assert load_encoder(tmp_path / "encoder").feature_width > 0


@pytest.mark.parametrize(
    "change", [*({"coordinates": value} for value in (1, 4, 10**9, "2", None, [2])), {"normalisation": "image"}]
)
def test_an_export_of_other_coordinates_is_refused(whole: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    for file in whole.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    description = json.loads((tmp_path / DESCRIPTION).read_text())
    (tmp_path / DESCRIPTION).write_text(json.dumps(description | change))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path)
