from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.file_systems import network_file_system

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:30 / /nfs rw,relatime - nfs4 server:/export rw,vers=4.2
31 30 0:31 / /nfs/scratch rw - lustre mds:/scratch rw
32 21 0:32 / /mnt/my\\040share rw - cifs //server/share rw
33 21 0:33 / /home/me/remote rw - fuse.sshfs me@host:/ rw
34 21 0:34 / /local rw - fuse.fuse-overlayfs overlay rw
35 21 0:35 / /covered rw - nfs server:/x rw
36 35 0:36 / /covered rw - xfs /dev/sdb rw
37 21 0:37 / /guest rw - 9p hostshare rw
38 21 0:38 / /bee rw - beegfs beegfs_nodev rw
39 21 0:39 / /gpfs rw - gpfs fs1 rw
40 21 0:40 / /usb rw - fuseblk /dev/sdc rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data", None),
        ("/nfs/home/.hico/study.db", "nfs4"),
        ("/nfs", "nfs4"),
        ("/nfsx/a", None),
        ("/nfs/scratch/a", "lustre"),
        ("/mnt/my share/a", "cifs"),
        ("/home/me/remote/a", "fuse.sshfs"),
        ("/local/a", None),
        ("/covered/a", None),
        ("/guest/a", "9p"),
        ("/bee/a", "beegfs"),
        ("/gpfs/a", "gpfs"),
        ("/usb/a", None),
    ],
)
def test_the_innermost_latest_mount_counts(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(path), mounts=mounts) == kind


def test_a_system_without_a_list_of_mounts(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, mounts=tmp_path / "none") is None
