"""Which file system a path is on, as far as Linux reports it."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
FEWEST_BYTES = 64 * 1024
_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
}  # fmt: skip
# FUSE file systems that are local; any other one may be on a network.
_LOCAL_FUSE = {
    "bindfs", "encfs", "ext2", "fuse-overlayfs", "gocryptfs", "lxcfs", "mergerfs", "ntfs", "ntfs-3g", "overlayfs",
    "portal", "snapfuse", "squashfuse", "unionfs", "zfs",
}  # fmt: skip


def network_file_system(path: Path, *, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that ``path`` is, or would be, on; None for a local disk.

    Machines that share a file over one do not share memory, and SQLite's write-ahead log needs shared memory.
    """
    kind = _type_of(path, mounts)
    if kind is None:
        return None
    if kind in _NETWORK:
        return kind
    family, _, name = kind.partition(".")
    return kind if family == "fuse" and name not in _LOCAL_FUSE else None


def is_disk_full(folder: Path) -> bool:
    """Whether the disk of a folder has no space left for another database page of this user."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < FEWEST_BYTES


def _type_of(path: Path, mounts: Path) -> str | None:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        whole = path.resolve()
    except (OSError, RuntimeError):  # no /proc, or a loop of links
        return None
    found: tuple[int, str] | None = None
    for line in lines:  # "36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw"
        before, separator, after = line.partition(" - ")
        fields, described = before.split(), after.split()
        if not separator or len(fields) < 5 or not described:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        depth = len(point.parts)
        # Of two file systems on one mount point the later hides the earlier.
        if whole.is_relative_to(point) and (found is None or depth >= found[0]):
            found = (depth, described[0])
    return None if found is None else found[1]
