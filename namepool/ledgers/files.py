"""Whether a file can be a ledger at all, and who may use it: before SQLite opens it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from namepool.core.names import one_line
from namepool.core.options import invalid
from namepool.errors import LedgerError

_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|beegfs|ocfs2|gfs2|"
    r"fuse\.(?!fuse-overlayfs|ext\d|ntfs|exfat|bindfs).*",
)
"""File systems whose locks, or shared memory, do not reach every process that has the file."""

_MOUNTS = Path("/proc/self/mountinfo")


def check_mode(mode: object, given: object) -> int:
    """Return the mode of a new file if it can be one; ``given`` is how the user has written it."""
    if isinstance(mode, bool) or not isinstance(mode, int) or mode | 0o66 != 0o666:
        one, group = ("600", "660") if isinstance(given, str) else ("0o600", "0o660")
        raise invalid(
            "mode",
            given,
            f"{one} (for this user), {group} (for its group, too), or others of the bits to read "
            "and to write",
        )
    return mode


def check_file(path: Path) -> bool:
    """Tell whether there is a file; refuse what is no regular one.

    It is not opened: closing it would drop every lock that SQLite holds on it for this process.

    Raises:
        LedgerError: it is a folder, a pipe, a device, a socket, a link to nothing, or a link made
            by another user, who does not own the folder either
        OSError: it cannot be looked at
    """
    try:
        link = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(link.st_mode):
        _check_link(path, link.st_uid)
    if not stat.S_ISREG(path.stat().st_mode):
        raise LedgerError("it is no regular file: give the ledger a file of its own")
    return True


def _check_link(path: Path, owner: int) -> None:
    # As Linux does in folders like /tmp; other systems, and other folders, would follow it.
    if hasattr(os, "geteuid") and owner not in (0, os.geteuid(), path.parent.stat().st_uid):
        raise LedgerError("it is a symbolic link of another user: name the file itself")
    if not path.exists():
        raise LedgerError("it is a symbolic link to nothing: name the file itself, or make it")


def make_file(path: Path, mode: int) -> None:
    """Make an empty file of exactly this mode, whatever the umask; one that is there stays.

    Raises:
        LedgerError: it cannot be made
    """
    # Never through a link, and never one that somebody else has made meanwhile.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        made = os.open(path, flags, mode)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(made, mode)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(made)
    except FileExistsError:
        return  # another process was faster: it is that one's
    except OSError as error:
        raise LedgerError(
            "it cannot be made: does its folder exist, and may one write there? "
            f"({one_line(error)})"
        ) from error


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
