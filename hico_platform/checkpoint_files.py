"""The files of a checkpoint as bytes: which they are, their digests, and the encoder alone cut out of them.

Without torch, so that a driver, which never trains, can look after checkpoints.

A whole checkpoint is ``state.json`` with ``state.safetensors``. One of which the encoder alone is kept is
``state.json``, of another schema version, with ``encoder.safetensors``. ``state.json`` says which and holds the
digests; it is replaced in one step, so a reader finds the one or the other, whatever was killed when.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hico_platform.atomic_io import sync, write_whole
from hico_platform.errors import CheckpointError, Problem

WHOLE, ENCODER = 2, 3
"""Schema versions: the whole training state, and the encoder alone."""

FACTS = "state.json"
TENSORS = {WHOLE: "state.safetensors", ENCODER: "encoder.safetensors"}
ENCODER_PREFIX = "model/query.encoder."
"""What the names of the encoder's tensors begin with."""

NAME = re.compile(r"epoch-(\d{6,})(?:-(\d+))?")
_READS = 2


class TornCheckpointError(CheckpointError):
    """A checkpoint is not what was written: a part is missing, cut off or altered."""


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], bytes]:
    """What ``state.json`` says, and the tensors as they are in their file, both checked against their digests.

    Raises:
        TornCheckpointError: a part is missing, cut off or altered.
        CheckpointError: it cannot be read, or is of another schema version.
    """
    for left in reversed(range(_READS)):
        try:
            return checked_checkpoint(folder, *_read(folder))
        except TornCheckpointError:
            if not left:  # else it may have been cut to its encoder in between
                raise
    raise AssertionError("the last read returns or raises")


def checked_checkpoint(path: Path | str, content: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
    """The two files of the checkpoint at ``path``, after a check of their digests.

    Raises:
        TornCheckpointError: they are not what was written.
        CheckpointError: they are of another schema version.
    """
    try:
        whole = {name: value for name, value in content.items() if name != "sha256"}
        version, digest, tensors = content["schema_version"], content.get("sha256"), content.get("tensors_sha256")
    except (KeyError, TypeError, AttributeError) as error:
        raise torn(path, error) from error
    if version not in TENSORS:
        rule, remedy = f"the checkpoint schema version {WHOLE} or {ENCODER}", "use the version that wrote it"
        raise CheckpointError(Problem(file=path, rule=rule, value=version, remedy=remedy))
    named = NAME.fullmatch(Path(path).name)
    if (
        digest_of(whole) != digest
        or hashlib.sha256(blob).hexdigest() != tensors
        or (named is not None and int(named[1]) != content.get("epoch"))
    ):
        rule, remedy = "a checkpoint that matches its digest", "use an older one: it was altered"
        raise TornCheckpointError(Problem(file=path, rule=rule, value="another digest", remedy=remedy))
    return whole, blob


def torn(path: Path | str, error: Exception) -> TornCheckpointError:
    """The error of a checkpoint of which a part is missing."""
    return TornCheckpointError(
        Problem(file=path, rule="a whole checkpoint", value=str(error), remedy="use an older one, or train again")
    )


def digest_of(content: Mapping[str, Any]) -> str:
    """The digest over what ``state.json`` says, without itself."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def facts_file(content: Mapping[str, Any]) -> bytes:
    """``state.json`` with its digest."""
    return json.dumps({**content, "sha256": digest_of(content)}, indent=1).encode()


def folders(directory: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    if not directory.is_dir():
        return []
    return sorted((folder for folder in directory.iterdir() if NAME.fullmatch(folder.name)), key=order)


def order(folder: Path) -> tuple[int, int]:
    """Epoch, and the number of the checkpoint among those of that epoch."""
    found = NAME.fullmatch(folder.name)
    return (int(found[1]), int(found[2] or 0)) if found else (-1, 0)


def is_encoder_alone(folder: Path) -> bool:
    """Whether a checkpoint's folder holds the encoder's weights alone; False where it cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return bool(json.loads((folder / FACTS).read_bytes())["schema_version"] == ENCODER)
    return False


def keep_encoder_alone(folder: Path) -> None:
    """Cuts a whole checkpoint down to its encoder, in place; one that was cut already, or half, is finished.

    A kill at any moment leaves a checkpoint that can be read: the whole one until ``state.json`` is replaced.

    Raises:
        TornCheckpointError: it is not what was written.
        OSError: the disk is full; it is as it was.
    """
    if not is_encoder_alone(folder):
        content, blob = encoder_alone(*read_checkpoint(folder))
        write_whole(folder / TENSORS[ENCODER], blob)
        write_whole(folder / FACTS, facts_file(content))
    (folder / TENSORS[WHOLE]).unlink(missing_ok=True)
    for left in folder.glob(".*"):  # of a write that was killed
        left.unlink(missing_ok=True)
    sync(folder)


def encoder_alone(content: Mapping[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
    """A whole checkpoint's facts and tensors cut down to its encoder."""
    cut = _only(blob, ENCODER_PREFIX)
    return {**content, "schema_version": ENCODER, "tensors_sha256": hashlib.sha256(cut).hexdigest()}, cut


def encoder_bytes(folder: Path) -> int:
    """How many bytes a checkpoint takes once it is cut to its encoder, give or take a header; reads no tensors.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a checkpoint.
    """
    facts = (folder / FACTS).stat().st_size
    if is_encoder_alone(folder):
        return facts + (folder / TENSORS[ENCODER]).stat().st_size
    with (folder / TENSORS[WHOLE]).open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(min(length, 2**27)))
    named = {name: one for name, one in header.items() if name.startswith(ENCODER_PREFIX)}
    data = sum(one["data_offsets"][1] - one["data_offsets"][0] for one in named.values())
    return int(facts + data + len(json.dumps(named)) + 8)


def remove(folder: Path) -> None:
    """Removes a checkpoint; a kill in the middle leaves none that is read. A file that stays is left for later."""
    (folder / FACTS).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = json.loads((folder / FACTS).read_bytes())
        file = TENSORS.get(content["schema_version"], TENSORS[WHOLE])
        return content, (folder / file).read_bytes()
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise torn(folder, error) from error
    except OSError as error:
        rule, remedy = "a readable checkpoint", "check the disk"
        raise CheckpointError(Problem(file=folder, rule=rule, value=str(error), remedy=remedy)) from error


def _only(blob: bytes, prefix: str) -> bytes:
    """A safetensors file with those of its tensors whose names begin with ``prefix``.

    The format: the length of a header (little-endian, 8 bytes), the header (JSON: type, shape and place of each tensor
    by name, padded to a multiple of 8), and the tensors' bytes one after the other.
    """
    (length,) = struct.unpack_from("<Q", blob)
    start = 8 + length
    header = json.loads(blob[8:start])
    named = sorted((one["data_offsets"], name) for name, one in header.items() if name.startswith(prefix))
    new: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for (begin, end), name in named:
        parts.append(blob[start + begin : start + end])
        new[name] = {**header[name], "data_offsets": [at, at + end - begin]}
        at += end - begin
    text = json.dumps(new, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])
