"""Which file systems are refused: those of other machines, where flock and fdatasync can't be trusted.

Read from /proc/self/mountinfo; where there is none (macOS) nothing is refused by name, and a file
system without flock is noticed when the lock is taken.
"""

from __future__ import annotations

import os
import re

from queuack_store.errors import NetworkFileSystemError

_SERVERS = ("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "davfs")
_CLUSTERS = ("ceph", "lustre", "gpfs", "beegfs", "pvfs2", "orangefs", "glusterfs", "ocfs2", "gfs2")
_FUSE = ("sshfs", "glusterfs", "ceph", "s3fs", "goofys", "gcsfuse", "rclone", "davfs", "curlftpfs", "juicefs")
_NETWORK = frozenset((*_SERVERS, *_CLUSTERS, *(f"fuse.{name}" for name in _FUSE)))
_ESCAPE = re.compile(r"\\([0-7]{3})")


def mounted_as(path: str, mountinfo: str) -> str:
    """Return the type of the file system that `path` (absolute) lies on, from the text of mountinfo."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields, separator, source = line.partition(" - ")
        columns = fields.split()
        if not separator or len(columns) < 5:
            continue
        point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), columns[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # a later mount on the same point hides the earlier
            best, kind = len(point), source.split()[0]
    return kind


def refuse_network(path: str, mountinfo: str | None = None) -> None:
    """Refuse a path on a network file system.

    Raises:
        NetworkFileSystemError: it lies on one.
    """
    if mountinfo is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                mountinfo = file.read()
        except OSError:
            return
    kind = mounted_as(os.path.abspath(path), mountinfo)
    if kind in _NETWORK:
        raise NetworkFileSystemError(
            f"{path} is on a network file system ({kind}), where locks and syncs can't be trusted: "
            "put the file on a local disk, and let processes of one machine share it",
            path=path,
            filesystem=kind,
        )
