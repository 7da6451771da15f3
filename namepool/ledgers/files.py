"""Whether a file can be a ledger at all: looked at before SQLite opens it."""

from __future__ import annotations

import re
from pathlib import Path

from namepool.errors import LedgerError

_MAGIC = b"SQLite format 3\0"

_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|beegfs|ocfs2|gfs2|"
    r"fuse\.(?!fuse-overlayfs|ext\d|ntfs|exfat|bindfs).*",
)
"""File systems whose locks, or shared memory, do not reach every process that has the file."""

_MOUNTS = Path("/proc/self/mountinfo")


def check_file(path: Path) -> None:
    """Refuse a file that is no SQLite database; an empty or a missing one may become one.

    Raises:
        LedgerError: it is something else
        OSError: it cannot be read
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return
    if head and head != _MAGIC:
        raise LedgerError("the file is no SQLite database: give the ledger a file of its own")


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
