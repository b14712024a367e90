from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data.layout import KINECT_V1
from hico_platform.data.readers import ReadOptions, manifest
from hico_platform.data.readers.manifest import Manifest, open_source
from hico_platform.data.sequence import Sequence
from hico_platform.errors import DataError, Problem


def opened(folder: Path, text: str, options: ReadOptions | None = None) -> Manifest:
    (folder / "manifest.csv").write_text(text)
    return open_source(folder, options or ReadOptions())


def read_all(source: Manifest) -> list[Sequence]:
    found = [found for item in source.plan().items for found in source.read(item)]
    assert not any(isinstance(one, Problem) for one in found)
    return [one for one in found if isinstance(one, Sequence)]


def test_arrays_of_one_and_of_many_bodies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "one.npy", rng.standard_normal((4, 25, 3)))
    many = rng.standard_normal((5, 3, 25, 3)).astype(np.float32)
    many[2, 1, 7, 0] = np.nan
    np.save(tmp_path / "many.npy", many)
    one, two = read_all(opened(tmp_path, "path, label, subject,height,site\none.npy, 0,3,1.5,A\nmany.npy,1,,2,\n"))
    assert one.pose.shape == (4, 1, 25, 3)
    assert one.pose.dtype == np.float32
    assert two.pose.shape == (5, 3, 25, 3)
    assert np.isnan(two.pose[2, 1, 7]).all()
    assert np.isnan(two.pose).sum() == 3
    assert one.metadata == {"subject": 3, "height": 1.5, "site": "A"}
    assert two.metadata == {"subject": None, "height": 2.0, "site": None}
    assert (one.name, one.label, two.name) == ("one", 0, "many")


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((2, 56, 25, 3), r"give array\.transpose\(1, 0, 2, 3\): the axes look like \(M, T, J, C\)"),
        ((25, 56, 3), r"give array\.transpose\(1, 0, 2\): the axes look like \(J, T, C\)"),
        ((56, 3, 25), r"give array\.transpose\(0, 2, 1\): the axes look like \(T, C, J\)"),
        ((56, 7, 25, 3), "give the bodies of interest alone, at most 6"),
    ],
)
def test_axes_in_another_order_are_refused(tmp_path: Path, shape: tuple[int, ...], remedy: str) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(DataError, match=rf"a\.npy: expected an array \(T, 25, 3\) or .*{remedy}"):
        read_all(opened(tmp_path, "path,label\na.npy,0\n"))


def test_a_parquet_manifest_and_a_layout_of_20_joints(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 20, 3)))
    table = pa.table({"path": ["a.npy"], "label": [2], "name": ["first"], "subject": [7]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    source = open_source(tmp_path, ReadOptions(layout=KINECT_V1))
    (sequence,) = read_all(source)
    assert (sequence.name, sequence.label, sequence.metadata) == ("first", 2, {"subject": 7})
    assert source.class_names == ("0", "1", "2")


def test_parquet_columns_of_other_kinds(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 25, 3)))

    def open_with(**columns: list[object]) -> Manifest:
        pq.write_table(pa.table({"path": ["a.npy"], "label": [0], **columns}), tmp_path / "manifest.parquet")
        return open_source(tmp_path, ReadOptions())

    assert open_with(left=[True]).plan().items[0].value[3] == {"left": 1}
    assert "label: expected a whole number" in str(open_with(label=[True]).plan().problems[0])
    with pytest.raises(DataError, match=r"parquet:1: where: expected a number of 64 bits, or text, got '\[1\]'"):
        open_with(where=[[1]])


def test_labels_and_paths_as_tools_write_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "b.npy", np.ones((4, 25, 3)))
    np.save(tmp_path / "a\\c.npy", np.ones((5, 25, 3)))
    (first, second) = read_all(opened(tmp_path, "\ufeffpath,label\na\\b.npy,3.0\na\\c.npy,1e0\n"))
    assert (first.name, first.label, len(first.pose)) == ("a/b", 3, 4)
    assert (second.name, second.label, len(second.pose)) == ("a\\c", 1, 5)
    pq.write_table(pa.table({"path": ["a/b.npy"], "label": [2.0]}), tmp_path / "m.parquet")
    source = open_source(tmp_path / "m.parquet", ReadOptions())
    assert [one.label for one in read_all(source)] == [2]
    assert source.class_names == ("0", "1", "2")


def test_recordings_may_have_no_label(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 25, 3)))
    some = opened(tmp_path, "path,label,name\na.npy,1,x\na.npy,,y\na.npy, ,z\na.npy,NaN,w\n")
    assert [one.label for one in read_all(some)] == [1, None, None, None]
    assert some.class_names == ("0", "1")
    none = opened(tmp_path, "path,subject\na.npy,3\n")
    assert [(one.label, one.metadata) for one in read_all(none)] == [(None, {"subject": 3})]
    assert none.class_names == ()
    (tmp_path / "manifest.csv").unlink()
    table = pa.table({"path": ["a.npy"] * 3, "label": [2.0, float("nan"), None], "name": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    assert [one.label for one in read_all(open_source(tmp_path, ReadOptions()))] == [2, None, None]


@pytest.mark.parametrize("column", ["Label", "labels", "class", "class_name", "Action"])
def test_a_column_that_looks_like_the_labels_is_named(tmp_path: Path, column: str) -> None:
    message = f"label: expected a column of this name, or none that looks like it, got '{column}'; name it label; if"
    with pytest.raises(DataError, match=message):
        opened(tmp_path, f"path,{column}\na.npy,1\n")
    assert opened(tmp_path, f"path,label,{column}\na.npy,,\n").plan().problems == []


def test_labels_may_be_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 25, 3)))
    text = "path,label,name\na.npy,walk,1\na.npy, run ,2\na.npy,,3\na.npy,walk,4\n"
    source = opened(tmp_path, text)
    assert source.class_names == ("run", "walk")
    assert [one.label for one in read_all(source)] == [1, 0, None, 1]
    table = pa.table({"path": ["a.npy"] * 2, "label": ["walk", "run"], "name": ["a", "b"]})
    pq.write_table(table, tmp_path / "m.parquet")
    assert [one.label for one in read_all(open_source(tmp_path / "m.parquet", ReadOptions()))] == [1, 0]


def test_a_column_names_the_classes_of_numbers(tmp_path: Path) -> None:
    text = "path,label,class_name,site\na.npy,2,run,A\nb.npy,0,walk,A\nc.npy,2,run,B\nd.npy,,,B\n"
    source = opened(tmp_path, text)
    assert source.class_names == ("walk", "1", "run")
    assert source.plan().items[0].value[3] == {"site": "A"}
    with pytest.raises(
        DataError, match=r"manifest\.csv:4: class_name: expected one name for the class 2, run .* 'jump'"
    ):
        opened(tmp_path, text.replace("c.npy,2,run", "c.npy,2,jump"))
    with pytest.raises(
        DataError, match=r"csv:2: class_name: expected a name of its own for each of the classes 0 and 2"
    ):
        opened(tmp_path, text.replace("walk", "run"))
    with pytest.raises(
        DataError, match=r"csv:3: class_name: expected a name of its own for each of the classes 0 and 1"
    ):
        opened(tmp_path, text.replace("walk", "1"))


def test_a_list_names_the_classes(tmp_path: Path) -> None:
    options = ReadOptions(class_names=("sit", "walk", "run"))
    source = opened(tmp_path, "path,label\na.npy,2\nb.npy,walk\nc.npy,\nd.npy,3\ne.npy,jump\n", options)
    assert source.class_names == options.class_names
    plan = source.plan()
    assert [item.value[2] for item in plan.items] == [2, 1, None]
    assert [problem.line for problem in plan.problems] == [5, 6]
    assert "label: expected one of the 3 class names, or its number from 0 to 2, got 3" in str(plan.problems[0])


def test_a_manifest_that_is_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.npy,0\n", encoding="utf-16")
    with pytest.raises(DataError, match="expected a CSV file, got 'a text in UTF-16'; save it as UTF-8"):
        open_source(tmp_path, ReadOptions())
    np.save(tmp_path / "a.npy", np.ones((4, 25, 3)))
    with pytest.raises(DataError, match=r"a\.npy: expected a CSV file, got 'an \.npy array'; name it as what it is"):
        open_source(tmp_path / "a.npy", ReadOptions())


def test_a_manifest_beyond_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(text: str, rows: int) -> None:
        table = pa.table({"path": ["a.npy"] * rows, "label": [0] * rows, "note": [text] * rows})
        pq.write_table(table, tmp_path / "manifest.parquet")

    packed("x" * 200_000, 100)
    assert (tmp_path / "manifest.parquet").stat().st_size < 400_000
    with pytest.raises(DataError, match="a cell of at most 131072 bytes, got 200000"):
        open_source(tmp_path, ReadOptions())
    packed("x" * 20_000, 100)
    monkeypatch.setattr(manifest, "_MOST_BYTES", 10**6)
    with pytest.raises(DataError, match="a manifest of at most 1000000 bytes, unpacked"):
        open_source(tmp_path, ReadOptions())
    with pytest.raises(DataError, match="a manifest of at most 1000000 bytes, got"):
        opened(tmp_path, "path,label\n" * 100_000)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.npy,-1", "manifest.csv:3: label: expected a whole number, 0 to 9999, got -1; number the classes from 0"),
        ("a.npy,10000", "label: expected a whole number, 0 to 9999, got 10000"),
        ("a.npy,walk", "manifest.csv:3: label: expected a whole number, 0 to 9999, got 'walk'"),
        ("a.npy,1.5", "label: expected a whole number"),
        (f"{'a' * 300}.npy,1,2", "manifest.csv:3: expected a row of 2 fields"),
        (",1", "manifest.csv:3: path: expected the path of an .npy array, got ''"),
        ("a.npy,1,2", "manifest.csv:3: expected a row of 2 fields, got 3; correct the row; quote"),
        ("a.npy", "manifest.csv:3: expected a row of 2 fields, got 1"),
    ],
)
def test_a_bad_row_is_a_problem_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    plan = opened(tmp_path, f"path,label\na.npy,0\n{row}\n\n").plan()
    assert len(plan.items) == 1
    assert message in str(plan.problems[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "manifest.csv:1: path: expected a column of this name, got 'an empty line'; name the columns"),
        ("\n\n\npath,label\n", "manifest.csv:1: path: expected a column of this name"),
        ("path;label\na;1\n", "manifest.csv:1: path: expected a column of this name, got"),
        ("path;label\na;1\n", "got .*; put commas between the columns, not ';'"),
        ("path,label\n", "manifest.csv: expected at least one row below the names of the columns, got 0; add a row"),
        ("path,label\n\n \n".replace(" ", ""), "expected at least one row below the names of the columns"),
        ("path,path,label\n", "expected a manifest that names each column once"),
        ('path,label\n"a,1\n', "expected a CSV file, got"),
    ],
)
def test_a_manifest_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(tmp_path, text)


def test_tables_without_a_map_are_one_problem_that_names_it(tmp_path: Path) -> None:
    text = "path,label\na.csv,0\nb.csv,1\n"
    with pytest.raises(DataError, match=r"got '2 files such as a\.csv'; give --map: mediapipe") as one:
        opened(tmp_path, text).plan()
    assert len(one.value.problems) == 1


def test_no_manifest_a_binary_one_and_a_broken_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv: expected a manifest; give the folder of manifest\.csv"):
        open_source(tmp_path, ReadOptions())
    (tmp_path / "manifest.csv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="expected a CSV file, got"):
        open_source(tmp_path, ReadOptions())
    (tmp_path / "m.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="expected a Parquet file, got"):
        open_source(tmp_path / "m.parquet", ReadOptions())
    pq.write_table(pa.table({"path": ["a.npy"], "label": [0], "nameless": [1]}), tmp_path / "m.parquet")
    (tmp_path / "m.parquet").write_bytes((tmp_path / "m.parquet").read_bytes().replace(b"nameless", b"name\xb0ess"))
    with pytest.raises(DataError, match="expected a Parquet file, got"):
        open_source(tmp_path / "m.parquet", ReadOptions())


def _claims(shape: tuple[int, ...]) -> bytes:
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((3, 25, 2)), r"\(T, M, 25, 3\), got \[3, 25, 2\]; give --coordinates 2, and --layout: these are 2D"),
        (
            np.ones((3, 20, 3)),
            r"\(T, M, 25, 3\), got \[3, 20, 3\]; correct the array, or name its layout \(this is kin",
        ),
        (np.ones((25, 3)), r"got \[25, 3\]"),
        (np.ones((0, 25, 3)), "a recording of at least one frame, got 0"),
        (np.ones((3, 0, 25, 3)), "a recording of at least one body"),
        (np.ones((3, 25, 3), int), "an array of floats, got 'int64'; save floats, in metres"),
        (np.full((3, 25, 3), np.inf), "a finite coordinate within 10000 metres, got inf"),
        (np.full((3, 25, 3), 1e30), "within 10000 metres"),
        (np.full((3, 25, 3), np.nan), "a recording that shows at least one joint"),
        (
            np.array([{}], object),
            "expected an .npy array, got 'an array of objects'; save numbers: one array of floats",
        ),
        (b"", "expected an .npy array, got 'an empty file'"),
        (b"\x80\x04K\x01.", "expected an .npy array, got 'a pickle'; save the array by numpy.save"),
        (b"x,y,z\n1,2,3\n", r"expected an .npy array, got \"a text file that begins with 'x,y,z'\"; save the array by"),
        (b"PK\x03\x04", r"expected an .npy array, got 'a zip archive \(an .npz is one\)'"),
        (_claims((10**9, 25, 3)), "expected an .npy array, got"),
        (json.dumps({"pose": []}).encode(), "expected an .npy array, got"),
    ],
)
def test_a_bad_array_is_named(tmp_path: Path, content: np.ndarray | bytes, message: str) -> None:
    if isinstance(content, bytes):
        (tmp_path / "a.npy").write_bytes(content)
    else:
        np.save(tmp_path / "a.npy", content, allow_pickle=True)
    source = opened(tmp_path, "path,label\na.npy,0\n")
    with pytest.raises(DataError, match=message) as caught:
        read_all(source)
    assert "a.npy: " in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from('path,label\n\r"\0 0123456789.-aé/~'), max_size=80) | st.binary(max_size=80))
def test_any_manifest_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    np.save(folder / "a.npy", np.ones((2, 25, 3)))
    body = text if isinstance(text, bytes) else text.encode()
    (folder / "manifest.csv").write_bytes(b"path,label\na.npy,0\n" + body)
    refused = 0
    try:
        source = open_source(folder, ReadOptions())
        plan = source.plan()
    except DataError:
        return
    for item in plan.items:
        assert item.value[2] is None or 0 <= item.value[2] < len(source.class_names)
        try:
            list(source.read(item))
        except (DataError, OSError):
            refused += 1
    are_names = any("most labels are names" in problem.rule for problem in plan.problems)
    assert are_names or refused < len(plan.items), "the first row is sound"
