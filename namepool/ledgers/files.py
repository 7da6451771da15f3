"""Whether a file can be a ledger at all: looked at before SQLite opens it."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from namepool.errors import LedgerError

_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|beegfs|ocfs2|gfs2|"
    r"fuse\.(?!fuse-overlayfs|ext\d|ntfs|exfat|bindfs).*",
)
"""File systems whose locks, or shared memory, do not reach every process that has the file."""

_MOUNTS = Path("/proc/self/mountinfo")


def check_file(path: Path) -> None:
    """Refuse what is no regular file; a missing one may become one.

    It is not opened: closing it would drop every lock that SQLite holds on it for this process.

    Raises:
        LedgerError: it is a folder, a pipe, a device or a socket
        OSError: it cannot be looked at
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise LedgerError("it is no regular file: give the ledger a file of its own")


def check_file_system(path: Path) -> None:
    """Refuse a network file system, where two machines would not see each other's locks.

    Raises:
        LedgerError: naming the kind of file system
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # not Linux: it cannot be told
    kind = kind_of_file_system(path.parent.resolve() / path.name, mounts)
    if _NETWORK.fullmatch(kind):
        raise LedgerError(
            f"it is on a network file system ({kind}), where SQLite's locks do not "
            "hold: put the ledger on a local disk, or use a Redis ledger"
        )


def kind_of_file_system(path: Path, mounts: str) -> str:
    """Return the kind of the file system that holds ``path``, by the kernel's list of mounts."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split()[4])
        inside = point == "/" or path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(best):  # the later of two on one point covers the other
            best, kind = point, rest.split()[0]
    return kind
