"""Acclaim skeletons and motions, compared with positions worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.amc_file import read_amc
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
