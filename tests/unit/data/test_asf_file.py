from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.amc_file import amc_layout, ends_of, read_amc
from hico_platform.data.asf_file import read_asf, skeleton_of
from hico_platform.errors import DataError
from tests.unit.data.test_amc_file import ASF, written


def test_the_skeleton_of_a_motion(tmp_path: Path) -> None:
    file = written(tmp_path)
    assert skeleton_of(file) == tmp_path / "07.asf"
    assert skeleton_of(tmp_path / "other.amc") == tmp_path / "07.asf"  # the only one
    (tmp_path / "a_b.asf").touch()
    assert skeleton_of(tmp_path / "a_b_c_01.amc") == tmp_path / "a_b.asf"
    with pytest.raises(DataError, match=r"other.amc: expected a skeleton beside it, such as NN.asf for NN_MM.amc, got "
                       r"\['07.asf', 'a_b.asf'\]; put the .asf of its subject there"):  # fmt: skip
        skeleton_of(tmp_path / "other.amc")


def test_the_layout_is_that_of_the_skeleton(tmp_path: Path) -> None:
    file = written(tmp_path)
    layout = amc_layout(read_amc(file).bones, file)
    assert layout.joints == ("root", "thorax", "shoulder_left", "lhumerus", "shoulder_right")  # where the bones end
    assert layout.parents == (0, 0, 1, 2, 1)
    assert (layout.centre, layout.z_axis, layout.x_axis) == (0, (0, 1), (2, 4))
    short = read_asf(skeleton_of(written(tmp_path, ASF.replace("length 2", "length 0", 1))))
    with pytest.raises(DataError, match="a skeleton with a neck, head or spine and with joints of a left and a right"):
        amc_layout(short.bones, file)
    both = ASF.replace("length 2", "length 0", 1).replace("rclavicle", "rhumerus")
    layout = amc_layout(read_asf(skeleton_of(written(tmp_path, both))).bones, file)
    assert (layout.joints, layout.parents) == (("root", "thorax", "elbow_left", "elbow_right"), (0, 0, 1, 1))


def test_joints_by_name(tmp_path: Path) -> None:
    file = written(tmp_path)
    amc = read_amc(file)
    found = ends_of(amc, ["LeftShoulder", "rclavicle", "lhumerus", "hip_centre"], file)
    np.testing.assert_array_equal(found, amc.positions()[:, [2, 4, 3, 0]])
    with pytest.raises(DataError, match=r"all joints of the layout, got \['knee_left'\]; leave out --layout"):
        ends_of(amc, ["root", "knee_left"], file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":version", "version", "07.asf:2: expected a section such as :version before anything else, got 'version'"),
        (":name", ":version", "07.asf:3: expected a section that no other repeats, got ':version'"),
        (":units", ":unit", "07.asf: expected a section :units; export it as ASF and AMC again"),
        ("length 0.5", "length 0", "07.asf:6: expected a scale of lengths above 0, got 0.0"),
        ("length 0.5", "length x", "07.asf:6: expected a number within 1e[+]09, got 'x'"),
        ("length 0.5", "size 0.5", "07.asf:6: expected one of length, mass, angle, each once, got 'size'"),
        ("angle deg", "angle grad", "07.asf:7: expected an angle deg or rad in :units, got 'grad'"),
        ("  angle deg\n", "", "07.asf: expected an angle deg or rad in :units"),
        ("TX TY TZ", "TX TX TZ", "07.asf:11: expected an order of the root such as TX TY TZ RX RY RZ, got 'TX TX TZ"),
        ("orientation 0 0 0", "orientation 9 0 0", "07.asf:14: expected an orientation 0 0 0 of the root, for prog"),
        ("name thorax", "name root", "07.asf:18: expected a name that no other bone has, got 'root'"),
        ("name lclavicle", "name thorax", "07.asf:29: expected a name that no other bone has, got 'thorax'"),
        ("name thorax", "name the thorax", "07.asf:26: expected a bone with one name, direction, length and axis, got"),
        ("     length 10\n", "", "07.asf:25: expected a bone with one name, .* and axis, got 'no length'"),
        ("direction 0 1 0", "direction 0 1", "07.asf:19: expected exactly 3 numbers within 1e[+]09, got '0 1'"),
        ("direction 0 1 0", "direction 0 nan 0", "07.asf:19: expected exactly 3 numbers within 1e[+]09, got '0 nan 0'"),
        ("length 10", "length 1e300", "07.asf:20: expected a number within 1e[+]09, got '1e300'"),
        ("0 90 0  XYZ", "0 90 0  ZYX", "07.asf:39: expected an axis in the order XYZ, got 'ZYX'"),
        ("dof rx rz", "dof rx l", "07.asf:40: expected a dof of rx, ry and rz, each once, got 'rx l'"),
        ("id 2", "3 4", "07.asf:28: expected one of begin, end and the keys of a bone, each once, got '3'"),
        ("  end\n  begin\n     id 2", "  begin\n     id 2", "07.asf:26: expected one of begin, end and the keys of"),
        ("  end\n:hierarchy", ":hierarchy", "07.asf: expected a bone from begin to end in :bonedata"),
        ("root thorax", "root tail", "07.asf:53: expected a bone of :bonedata, got 'tail'"),
        ("lclavicle lhumerus", "lclavicle rclavicle", "07.asf:55: expected a bone with one parent, got 'rclavicle'"),
        ("root thorax", "root", r"07.asf: expected a :hierarchy from root to every bone, got \['lclavicle', 'lhum"),
        ("root thorax", "lhumerus thorax", r"expected a :hierarchy from root to every bone, got \['lclavicle', 'lhum"),
        (":bonedata\n", ":bonedata\n" + "begin\nname {}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\nend\n" * 511,
         "expected at most 511 bones, got 512"),
    ],
)  # fmt: skip
def test_a_damaged_skeleton_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    damaged = ASF.replace(old, new.replace("{}", "b"), 1)
    for i in range(damaged.count("name b\n")):
        damaged = damaged.replace("name b\n", f"name b{i}\n", 1)
    with pytest.raises(DataError, match=message):
        read_amc(written(tmp_path, damaged))
