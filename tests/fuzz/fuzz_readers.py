"""Feeds damaged files to the readers: each must read them or raise the declared error, whatever they hold.

    python -m tests.fuzz.fuzz_readers [--reader NAME] [--minutes 10] [--seed 0]

Without ``--reader`` every reader gets that many minutes, one after the other. A failure prints the seed of the
case, which ``--seed`` runs first, and leaves the files that caused it.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import resource
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import Layout
from hico_platform.data.readers import ReadOptions
from hico_platform.data.skeleton_file import write_skeleton
from hico_platform.data.table_map import TableMap
from hico_platform.errors import ConfigError, DataError, UsageError

MOST_GIB = 4  # address space: an attempt to take more fails as MemoryError, and is reported
SLOW_S = 20.0
NAME = "S001C001P001R001A00"
TOKENS = [
    b"0",
    b"-1",
    b"nan",
    b"inf",
    b"1e999",
    b"25",
    b"\n",
    b" ",
    b",",
    b"99999999999999999999",
    b"\x00",
    b"\xff",
    b"(",
]

Random = np.random.Generator


def poses(random: Random) -> list[np.ndarray]:
    """Two recordings (T, M, J, C)."""
    return [random.standard_normal((3, 2, 25, 3)).astype(np.float32) for _ in range(2)]


def make_ntu60(folder: Path, random: Random) -> Path:
    for i, pose in enumerate(poses(random)):
        write_skeleton(folder / f"{NAME}{i + 1}.skeleton", pose)
    return folder


def make_pku_mmd(folder: Path, random: Random) -> Path:
    for name in ("0002-L", "0003-M"):
        rows = random.standard_normal((6, 150)).round(3)
        for inner, text in (
            ("skeleton", "\n".join(" ".join(map(str, row)) for row in rows.tolist())),
            ("label", "1,1,3,2\n2,4,6,1\n"),
        ):
            (folder / inner).mkdir(exist_ok=True)
            (folder / inner / f"{name}.txt").write_text(text)
    (folder / "cross-subject.txt").write_text("Training videos:\n0002-L\nValidataion videos:\n0003-M\n")
    return folder


def make_pku_mmd_2(folder: Path, random: Random) -> Path:
    make_pku_mmd(folder, random)
    for file in sorted(folder.rglob("000*.txt")):
        file.rename(file.with_name(file.name.replace("000", "A01N0")))
    (folder / "cross-subject.txt").write_text("Training videos:\nA01N02-L\nValidataion videos:\nA01N03-M\n")
    if random.random() < 0.5:  # both parts under one folder
        make_pku_mmd(folder, random)
        (folder / "cross-subject.txt").rename(folder / "cross-subject_v1.txt")
        (folder / "cross-subject.txt").write_text("Training videos:\nA01N02-L\nValidataion videos:\nA01N03-M\n")
    return folder


def make_pyskl(folder: Path, random: Random) -> Path:
    annotations = [
        {"frame_dir": f"{NAME}{i}", "label": i, "keypoint": pose.swapaxes(0, 1), "total_frames": len(pose)}
        for i, pose in enumerate(poses(random))
    ]
    kind = (list, tuple, set, np.array)[int(random.integers(4))]
    split = {"xsub_train": kind([f"{NAME}0"]), "xsub_val": kind([f"{NAME}1"])}
    content = {"split": split, "annotations": annotations}
    is_odd = random.random() < 0.5
    if is_odd:
        target = [content, content["split"], *annotations][int(random.integers(4))]
        keys = [*target, "more"]
        target[keys[int(random.integers(len(keys)))]] = odd(random)
    (folder / "a.pkl").write_bytes(pickle.dumps(content, protocol=int(random.integers(2 if is_odd else 0, 6))))
    return folder / "a.pkl"


def make_pyskl_2d(folder: Path, random: Random) -> Path:
    annotations = [
        {"frame_dir": f"{NAME}{i}", "label": i, "keypoint": 300 + 50 * random.standard_normal((2, 3, 17, 2)),
         "keypoint_score": random.random((2, 3, 17)), "total_frames": 3, "img_shape": (480, 640)}
        for i in range(2)
    ]  # fmt: skip
    is_odd = random.random() < 0.5
    if is_odd:
        target = annotations[int(random.integers(2))]
        target[[*target][int(random.integers(len(target)))]] = odd(random)
    content = {"split": {"train1": [f"{NAME}0"], "test1": [f"{NAME}1"]}, "annotations": annotations}
    (folder / "a.pkl").write_bytes(pickle.dumps(content, protocol=int(random.integers(2 if is_odd else 0, 6))))
    return folder / "a.pkl"


def make_kinetics(folder: Path, random: Random) -> Path:
    for part in ("train", "val"):
        place = folder / f"kinetics_{part}"
        place.mkdir()
        frames = [
            {"frame_index": i + 1, "skeleton": [
                {"pose": random.random(36).round(3).tolist(), "score": random.random(18).round(3).tolist()}
                for _ in range(int(random.integers(4)))
            ]}
            for i in range(4)
        ]  # fmt: skip
        entry = {"has_skeleton": True, "label": f"class {part}", "label_index": int(part == "val")}
        content = {"data": frames, **entry}
        (place / f"{part}.json").write_text(json.dumps(content))
        (folder / f"kinetics_{part}_label.json").write_text(json.dumps({part: entry}))
    return folder


def make_ctrgcn(folder: Path, random: Random) -> Path:
    x = np.stack([pose.reshape(3, 150) for pose in poses(random)])
    packing = zipfile.ZIP_DEFLATED if random.random() < 0.5 else zipfile.ZIP_STORED
    labels = (np.eye(2), np.arange(2), np.arange(2.0)[:, None])[int(random.integers(3))]
    victim = int(random.integers(8))  # every other time a member is damaged, with a checksum that fits
    with zipfile.ZipFile(folder / "a.npz", "w", packing) as archive:
        for i, name in enumerate(("x_train", "y_train", "x_test", "y_test")):
            content = io.BytesIO()
            np.save(content, x if name[0] == "x" else labels)
            archive.writestr(f"{name}.npy", damaged(content.getvalue(), random) if i == victim else content.getvalue())
    return folder / "a.npz"


def make_hico(folder: Path, random: Random) -> Path:
    data = np.stack([pose.transpose(3, 0, 2, 1) for pose in poses(random)])
    np.save(folder / "train_data_joint.npy", data)
    np.save(folder / "train_num_frame.npy", np.array([2, 3]))
    names: list[object] = [f"{NAME}1", f"{NAME}2"]
    labels: list[object] = [0, 1]
    if random.random() < 0.5:
        (names, labels)[int(random.integers(2))][int(random.integers(2))] = odd(random)
    (folder / "train_label.pkl").write_bytes(pickle.dumps((names, labels)))
    return folder


def make_stgcn(folder: Path, random: Random) -> Path:
    data = np.stack([pose.transpose(3, 0, 2, 1) for pose in poses(random)])
    kind = ("data", "data_joint", "position")[int(random.integers(3))]
    np.save(folder / f"train_{kind}.npy", data)
    if random.random() < 0.3:
        np.save(folder / "train_label.npy", np.array([[0], [1]]))
        return folder
    pair: list[list[object]] = [[f"{NAME}1", f"{NAME}2"], [0, 1]]
    if random.random() < 0.5:
        pair[int(random.integers(2))][int(random.integers(2))] = odd(random)
    (folder / "train_label.pkl").write_bytes(pickle.dumps(tuple(pair)))
    return folder


def make_ucla(folder: Path, random: Random) -> Path:
    recorded = [pose[:, 0, :20].round(3).tolist() for pose in poses(random)]
    if random.random() < 0.5:
        for i, skeletons in enumerate(recorded):
            name = f"a0{i + 1}_s01_e00_v01"
            content = {"file_name": name, "skeletons": skeletons, "label": i + 1}
            (folder / f"{name}.json").write_text(json.dumps(content))
        return folder
    for i, frames in enumerate(recorded):
        place = folder / "view_1" / f"a0{i + 1}_s01_e00"
        place.mkdir(parents=True)
        for t, joints in enumerate(frames):
            lines = ["1", *(",".join(map(str, [*joint, 2])) for joint in joints)]
            (place / f"frame_{t}_tc_{t}_skeletons.txt").write_text("\n".join(lines))
    return folder


def make_table(folder: Path, random: Random) -> Path:
    for i, pose in enumerate(poses(random)):
        rows = [",".join([str(t), str(m), *map(str, body.reshape(-1).round(3).tolist())]) for t, frame in
                enumerate(pose) for m, body in enumerate(frame)]  # fmt: skip
        (folder / f"s{i + 1}_a{i}.csv").write_text("\n".join(rows))
    return folder


def make_table_of_json(folder: Path, random: Random) -> Path:
    for i, pose in enumerate(poses(random)):
        frames = [
            {"bodies": [{"id": m, "joints": body.round(3).tolist()} for m, body in enumerate(frame)]} for frame in pose
        ]
        (folder / f"s{i + 1}_a{i}.json").write_text(json.dumps({"frames": frames}))
    return folder


def make_bvh(folder: Path, random: Random) -> Path:
    joints = ("Hips", "Spine", "LeftArm", "RightArm")
    head = "".join(
        f"{'ROOT' if i == 0 else 'JOINT'} {name}\n{{\nOFFSET 0 {i} 1\nCHANNELS "
        f"{'6 Xposition Yposition Zposition' if i == 0 else '3'} Zrotation Xrotation Yrotation\n"
        for i, name in enumerate(joints)
    )
    for i in range(2):
        values = random.standard_normal((3, 15)).round(3).tolist()
        rows = "\n".join(" ".join(map(str, row)) for row in values)
        end = "End Site\n{\nOFFSET 0 1 0\n}\n" + "}\n" * len(joints)
        (folder / f"s{i}_a{i}.bvh").write_text(f"HIERARCHY\n{head}{end}MOTION\nFrames: 3\nFrame Time: 0.01\n{rows}\n")
    return folder


def make_amc(folder: Path, random: Random) -> Path:
    bones = ("thorax", "lclavicle", "rclavicle")
    data = "".join(
        f"begin\nid {i}\nname {name}\ndirection {i} 1 0\nlength 2\naxis 0 {i} 0 XYZ\n"
        f"{'dof rx rz' if i else 'dof rx ry rz'}\nlimits (-9 9)\n(-9 9)\nend\n"
        for i, name in enumerate(bones)
    )
    units = ":units\nmass 1.0\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\n"
    hierarchy = f":hierarchy\nbegin\nroot {bones[0]}\n{' '.join(bones)}\nend\n"
    for i in range(2):
        (folder / f"s{i}.asf").write_text(f":version 1.10\n{units}:bonedata\n{data}{hierarchy}")
        frames = []
        for t, row in enumerate(random.standard_normal((3, 13)).round(3).tolist()):
            parts = [("root", row[:6]), (bones[0], row[6:9]), (bones[1], row[9:11]), (bones[2], row[11:])]
            frames += [str(t + 1), *(" ".join(map(str, [name, *values])) for name, values in parts)]
        (folder / f"s{i}_a{i}.amc").write_text("\n".join([":FULLY-SPECIFIED", ":DEGREES", *frames, ""]))
    return folder


def make_manifest(folder: Path, random: Random) -> Path:
    for i, pose in enumerate(poses(random)):
        np.save(folder / f"{i}.npy", pose)
    labels: list[object] = ([0, 1], ["walk", "run"], [0, None], ["walk", ""])[int(random.integers(4))]
    rows = {"path": ["0.npy", "1.npy"], "label": labels, "subject": [1, 2], "note": ["a", None]}
    if random.random() < 0.3:
        pq.write_table(pa.table(rows), folder / "manifest.parquet")
    else:
        one, two = ("" if label is None else label for label in labels)
        (folder / "manifest.csv").write_text(f'path,label,subject,note\n0.npy,{one},1,a\n1.npy,{two},2,"b, c"\n')
    return folder


MAKERS: dict[str, Callable[[Path, Random], Path]] = {
    "ntu60": make_ntu60,
    "ntu120": make_ntu60,
    "pku-mmd-1": make_pku_mmd,
    "pku-mmd-2": make_pku_mmd_2,
    "pyskl": make_pyskl,
    "pyskl-2d": make_pyskl_2d,
    "kinetics": make_kinetics,
    "ctrgcn": make_ctrgcn,
    "hico": make_hico,
    "stgcn": make_stgcn,
    "ucla": make_ucla,
    "table": make_table,
    "table-json": make_table_of_json,
    "bvh": make_bvh,
    "amc": make_amc,
    "manifest": make_manifest,
}

_NAME_OF_TABLE = r"s(?P<subject>\d)_a(?P<label>\d)"
OPTIONS: dict[str, ReadOptions] = {
    "table": ReadOptions(
        map=TableMap.from_plain(
            {"name": _NAME_OF_TABLE, "csv": {"header": False, "first": 2, "frame": 0, "body": 1}, "unit": "cm"}
        )
    ),
    "table-json": ReadOptions(
        map=TableMap.from_plain(
            {
                "name": _NAME_OF_TABLE,
                "json": {"frames": "frames", "bodies": "bodies", "body": "id", "joints": "joints", "axes": [0, 1, 2]},
            }
        )
    ),
    "bvh": ReadOptions(
        layout=Layout(
            name="four",
            joints=("Hips", "Spine", "LeftArm", "RightArm"),
            parents=(0, 0, 1, 1),
            centre=0,
            z_axis=(0, 1),
            x_axis=(2, 3),
        ),
        map=TableMap.from_plain({"name": _NAME_OF_TABLE, "bvh": {}}),
    ),
    "amc": ReadOptions(
        layout=Layout(
            name="four",
            joints=("root", "thorax", "lclavicle", "rclavicle"),
            parents=(0, 0, 1, 1),
            centre=0,
            z_axis=(0, 1),
            x_axis=(2, 3),
        ),
        map=TableMap.from_plain({"name": _NAME_OF_TABLE, "amc": {}}),
    ),
}
"""What the user has to say about a format."""

FORMAT_OF = {"table-json": "table", "pyskl-2d": "pyskl"}
"""The format of a maker that is not named after it."""


MAY_BE_ODD = ("pyskl", "ctrgcn", "hico", "stgcn")
"""What is damaged in the making, half of the time, for few damages to the whole get past the packing."""


def odd(random: Random) -> object:
    """A value that may stand in a pickle, and hardly where it is put."""
    shared: object = ()
    for _ in range(60):
        shared = [shared, shared]
    values = (
        None, -1, 1.5, float("nan"), True, 2**70, 1 << 20_000, "", "x" * 5000, "\ud800", "a/b\x00", b"x",
        [], {}, (1, (2,)), shared, {"a": [1]}, np.float32(3), np.int64(1), np.array(7), np.array(["a", "b"]),
        np.zeros((5, 5)), np.zeros((2, 3, 25, 3)), np.zeros((0, 3, 25, 3)), np.zeros((2, 3, 25, 3), int),
        np.full((1, 2, 25, 3), np.inf),
    )  # fmt: skip
    return values[int(random.integers(len(values)))]


def damage(file: Path, random: Random) -> None:
    file.write_bytes(damaged(file.read_bytes(), random))


def damaged(content: bytes, random: Random) -> bytes:
    """A few small changes: anywhere, or all near the start, where the headers are."""
    data = bytearray(content)
    anywhere = random.random() < 0.5
    in_place = random.random() < 0.5  # so that what is counted, or has its size in a header, is still found
    for _ in range(int(random.integers(1, 6))):
        reach = len(data) if anywhere else min(len(data), 200)
        at = int(random.integers(0, reach + 1))
        length = int(random.integers(0, 8)) if random.random() < 0.9 else int(random.integers(0, len(data) + 1))
        kind = random.random()
        if kind < 0.4:
            new = TOKENS[int(random.integers(len(TOKENS)))]
        elif kind < 0.7:
            new = random.bytes(int(random.integers(0, 8)))
        else:
            start = int(random.integers(0, len(data) + 1))
            new = bytes(data[start : start + int(random.integers(0, 400))])
        if in_place:
            length = len(new)
        data[at : at + length] = new
    return bytes(data)


def one_case(reader: str, seed: int, folder: Path) -> str:
    """Make, damage and import; the outcome in a word. Any error but the declared ones comes through."""
    random = np.random.default_rng([seed, *reader.encode()])
    raw = MAKERS[reader](folder, random)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(int(random.integers(0 if reader in MAY_BE_ODD else 1, 3))):
        damage(files[int(random.integers(len(files)))], random)
    try:
        report = import_dataset(
            raw, folder.parent / "out", format_name=FORMAT_OF.get(reader, reader), options=OPTIONS.get(reader)
        )
    except (DataError, UsageError, ConfigError):
        return "refused"
    return "whole" if not report.skipped else "in part"


def fuzz(reader: str, minutes: float, first_seed: int, scratch: Path) -> bool:
    """Run cases until the time is over; whether all went well."""
    outcomes: dict[str, int] = {}
    end = time.monotonic() + 60 * minutes
    seed = first_seed
    slowest_s = 0.0
    while time.monotonic() < end:
        folder = scratch / "raw"
        folder.mkdir()
        start = time.process_time()
        try:
            outcome = one_case(reader, seed, folder)
        except Exception:
            traceback.print_exc()
            _say(f"{reader}: FAILED at --reader {reader} --seed {seed}; the files are in {folder}")
            return False
        slowest_s = max(slowest_s, time.process_time() - start)
        if slowest_s > SLOW_S:
            _say(f"{reader}: TOO SLOW at --reader {reader} --seed {seed}: {slowest_s:.0f} s")
            return False
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        for left in scratch.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        seed += 1
    _say(f"{reader}: {seed - first_seed} cases in {minutes:g} minutes, {outcomes}, slowest {slowest_s:.1f} s of CPU")
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=sorted(MAKERS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_GIB * 2**30, MOST_GIB * 2**30))
    sound = True
    for reader in [arguments.reader] if arguments.reader else MAKERS:
        scratch = Path(tempfile.mkdtemp(prefix=f"fuzz-{reader}-"))
        went_well = fuzz(reader, arguments.minutes, arguments.seed, scratch)
        if went_well:
            shutil.rmtree(scratch)
        sound = sound and went_well
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
