"""Acclaim skeletons and motions, compared with positions worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.amc_file import amc_layout, ends_of, read_amc
from hico_platform.data.asf_file import read_asf, skeleton_of
from hico_platform.errors import DataError

ASF = """# a trunk and two sides
:version 1.10
:name small
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
   begin of anything
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thorax
     direction 0 1 0
     length 10
     axis 0 0 0  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name lclavicle
     direction 1 0 0
     length 2
     axis 0 0 0  XYZ
  end
  begin
     id 3
     name lhumerus
     direction 1 0 0
     length 4
     axis 0 90 0  XYZ
    dof rx rz
    limits (-90.0 90.0)
           (-inf inf)
  end
  begin
     id 4
     name rclavicle
     direction -1 0 0
     length 2
     axis 0 0 0  XYZ
  end
:hierarchy
  begin
    root thorax
    thorax lclavicle rclavicle
    lclavicle lhumerus
  end
"""
AMC = """#!OML:ASF C:\\small.ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
thorax 0 0 0
lhumerus 0 0
2
root 0 0 0 0 0 90
thorax 0 0 0
lhumerus 0 0
3
root 0 0 0 0 0 0
thorax 0 0 0
lhumerus 90 0
4
root 0 0 0 0 0 0
thorax 0 0 0
lhumerus 90 90
5
root 0 0 0 0 0 0
thorax 0 0 90
lhumerus 90 0
"""
NAMES = ["root", "thorax", "lclavicle", "lhumerus", "rclavicle"]


def written(folder: Path, skeleton: str = ASF, motion: str = AMC) -> Path:
    (folder / "07.asf").write_text(skeleton)
    (folder / "07_01.amc").write_text(motion)
    return folder / "07_01.amc"


def test_positions(tmp_path: Path) -> None:
    amc = read_amc(written(tmp_path))
    assert [bone.name for bone in amc.bones] == NAMES
    rest, turned, bent, twice, both = amc.positions()  # all lengths are divided by 0.5
    np.testing.assert_allclose(rest, [[2, 4, 6], [2, 24, 6], [6, 24, 6], [14, 24, 6], [-2, 24, 6]], atol=1e-12)
    np.testing.assert_allclose(turned, [[0, 0, 0], [-20, 0, 0], [-20, 4, 0], [-20, 12, 0], [-20, -4, 0]], atol=1e-12)
    # The axis of lhumerus turns its x to -z: 90 degrees about -z lower the arm from x to -y; the shoulder stays.
    np.testing.assert_allclose(bent, [[0, 0, 0], [0, 20, 0], [4, 20, 0], [4, 12, 0], [-4, 20, 0]], atol=1e-12)
    # Its z is the x of all: after the first rotation the arm is turned about x, from -y to -z.
    np.testing.assert_allclose(twice[3], [4, 20, -8], atol=1e-12)
    np.testing.assert_allclose(both[[1, 2, 3]], [[-20, 0, 0], [-20, 4, 0], [-12, 4, 0]], atol=1e-12)


def test_the_order_of_the_root_is_that_of_its_values_and_rotations(tmp_path: Path) -> None:
    frame = "1\nroot {}\nlhumerus 0 0\nthorax 0 0 0\n"
    thorax = read_amc(written(tmp_path, ASF, frame.format("0 0 0 90 0 90"))).positions()[0, 1]
    np.testing.assert_allclose(thorax, [0, 0, 20], atol=1e-12)  # Rz Rx of y is z
    other = ASF.replace("order TX TY TZ RX RY RZ", "order rz rx tx ty tz ry")
    thorax = read_amc(written(tmp_path, other, frame.format("90 90 1 0 0 0"))).positions()[0, 1]
    np.testing.assert_allclose(thorax, [-18, 0, 0], atol=1e-12)  # Rx Rz of y is -x, and the root moves by 1 / 0.5


def test_units(tmp_path: Path) -> None:
    wanted = read_amc(written(tmp_path)).positions()
    quarter = str(np.pi / 2)
    radians = AMC.replace(":DEGREES", ":RADIANS").replace("90", quarter)
    np.testing.assert_allclose(read_amc(written(tmp_path, ASF, radians)).positions(), wanted, atol=1e-12)
    skeleton = ASF.replace("angle deg", "angle rad").replace("axis 0 90 0", f"axis 0 {quarter} 0")
    np.testing.assert_allclose(read_amc(written(tmp_path, skeleton)).positions(), wanted, atol=1e-12)
    bare = radians.replace(":RADIANS\n", "")  # as the skeleton says
    np.testing.assert_allclose(read_amc(written(tmp_path, skeleton, bare)).positions(), wanted, atol=1e-12)
    whole = ASF.replace("  length 0.5\n", "").replace("position 0 0 0", "position 0 7 0")
    np.testing.assert_allclose(read_amc(written(tmp_path, whole)).positions(), wanted / 2 + [0, 7, 0], atol=1e-12)


def test_a_bone_without_dof_moves_with_its_parent(tmp_path: Path) -> None:
    stiff = ASF.replace("    dof rx rz\n", "")
    motion = "".join(line for line in AMC.splitlines(keepends=True) if "lhumerus" not in line)
    still = read_amc(written(tmp_path, stiff, motion)).positions()
    np.testing.assert_allclose(still[[2, 4], 3], [[12, 20, 0], [-20, 12, 0]], atol=1e-12)


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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1\nroot", "root", "07_01.amc:4: expected the number of a frame, got 'root'; export it as ASF and AMC again"),
        ("thorax", "chest", ".amc:6: expected a bone with dofs, once, got 'chest'"),
        ("thorax", "root", ".amc:6: expected a bone with dofs, once, got 'root'"),
        ("lhumerus 0 0\n2", "2", ".amc:7: expected a frame with a line for each of 3 bones with dofs, got 2"),
        ("90\nthorax 0 0 0\nlhumerus 0 0", "90\nlhumerus 0 0\nthorax 0 0 0", ".amc:10: expected the next bone in"),
        ("90\nthorax 0 0 0\n", "90\n", ".amc:10: expected the next bone in the order of the first frame, got 'lhum"),
        ("2\nroot", "1\nroot", ".amc:8: expected a frame's number above that of the one before, got 1"),
        ("root 1 2 3", "root 1 2oo 3", ".amc:5: expected a number .* for each dof of root, got '1 2oo"),
        ("root 1 2 3", "root 1 nan 3", ".amc:5: expected a number .* for each dof of root, got '1 nan"),
        ("root 1 2 3", "root 1 3", ".amc:5: expected a number within 1e[+]09 for each dof of root, got '1 3 0 0 0'"),
        ("lhumerus 90 90", "lhumerus 90", ".amc:19: expected a number .* for each dof of lhumerus, got"),
        ("lhumerus 90 90", "lhumerus", ".amc:19: expected a number .* for each dof of lhumerus, got ''"),
        (AMC, AMC.rpartition("lhumerus")[0], ".amc: expected frames with a line for each of 3 bones with dofs, got 2"),
        (AMC, ":DEGREES", ".amc: expected frames with a line for each of 3 bones with dofs, got 'no frame'"),
        ("root 1", "root " + "1" * 10_001, ".amc:5: expected a line of at most 10000 bytes, got"),
    ],
)  # fmt: skip
def test_a_damaged_motion_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_amc(written(tmp_path, ASF, AMC.replace(old, new, 1)))


def test_too_many_frames(tmp_path: Path) -> None:
    motion = "".join(f"{i}\nroot 0 0 0 0 0 0\n" for i in range(100_001))
    stiff = "".join(line for line in ASF.splitlines(keepends=True) if "dof" not in line and "0.0" not in line)
    stiff = stiff.replace("           (-inf inf)\n", "")
    with pytest.raises(DataError, match="a recording of at most 100000 frames, got 100001; cut it into several"):
        read_amc(written(tmp_path, stiff, motion))
