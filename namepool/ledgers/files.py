"""Checks before SQLite opens a file: can the file be a ledger, and which users may use it?"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from pathlib import Path
from typing import NamedTuple

from namepool.core.names import one_line, shown
from namepool.errors import InvalidOption, LedgerError

_NETWORK = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|beegfs|ocfs2|gfs2|"
    r"fuse\.(?!fuse-overlayfs|ext\d|ntfs|exfat|bindfs).*",
)
"""File systems whose locks, or shared memory, do not reach every process that uses the file."""

_MOUNTS = Path("/proc/self/mountinfo")

_NO_MODES = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP)
"""The errors of a file system whose files have no modes of their own, such as vfat and exfat."""

_BESIDE = ("-wal", "-shm", "-journal")
"""The endings of the files that SQLite puts beside a database."""

NO_FILE = (0, 0)
"""The inode of a file that does not exist."""

_TICK = 40_000_000
"""Nanoseconds: kernels note the time of a change no more often than every 10 ms."""


class Quiet(NamedTuple):
    """The state of a file that no process has open; an equal state later means that none had."""

    inode: tuple[int, int]
    size: int
    changed: tuple[int, int]

    def is_fresh(self) -> bool:
        """Tell whether one more change right now could leave the state as it is."""
        return any(abs(time.time_ns() - moment) < _TICK for moment in self.changed)


def inode_of(path: Path) -> tuple[int, int]:
    """Return the numbers that tell a file from one that has replaced it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return NO_FILE
    return (found.st_dev, found.st_ino)


def quiet(path: Path) -> Quiet | None:
    """Return the state of a database that no process has open; ``None`` if one may have it open.

    SQLite removes the files beside a database when the last process closes it.

    Raises:
        OSError: a file cannot be looked at
    """
    real = path.resolve()  # SQLite follows a link, and puts its files beside the target
    if any(os.path.lexists(f"{real}{end}") for end in _BESIDE):
        return None
    found = real.stat()
    return Quiet(
        (found.st_dev, found.st_ino), found.st_size, (found.st_mtime_ns, found.st_ctime_ns)
    )


def check_mode(mode: object, given: object) -> int:
    """Return the mode of a new file, or refuse it; ``given`` is the mode as the user wrote it."""
    is_number = isinstance(mode, int) and not isinstance(mode, bool)
    if is_number and mode | 0o66 == 0o666:  # type: ignore[operator]
        return mode  # type: ignore[return-value]
    one, group = ("600", "660") if isinstance(given, str) else ("0o600", "0o660")
    expected = f"{one} (for this user), {group} (for its group, too), or other bits to read "
    expected += "and to write"
    if isinstance(mode, str):
        expected = "an integer such as 0o660"
    value = one_line(f"{given:#o}", 100) if is_number and given is mode else shown(given)
    raise InvalidOption(f"mode must be {expected}, not {value}")


def check_file(path: Path) -> bool:
    """Tell whether the file exists; refuse a path that is no regular file.

    This function does not open the file, because closing it would drop every lock that SQLite holds
    on it for this process.

    Raises:
        LedgerError: the path is a folder, a pipe, a device, a socket or a symbolic link to nothing.
            Or it is a symbolic link whose owner is not this process's user, not root and not the
            owner of the folder
        OSError: the path cannot be looked at
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
    # Linux refuses such a link in folders like /tmp. Other systems and folders would follow it.
    if hasattr(os, "geteuid") and owner not in (0, os.geteuid(), path.parent.stat().st_uid):
        raise LedgerError("it is a symbolic link of another user: name the file itself")
    if not path.exists():
        raise LedgerError("it is a symbolic link to nothing: name the file itself, or make it")


def make_file(path: Path, mode: int) -> None:
    """Make an empty file with exactly this mode, even if the umask forbids some of its bits.

    If the file exists, it stays as it is. A file system without modes, such as vfat, sets the mode
    itself.

    Raises:
        LedgerError: the file cannot be made, or its file system would let other users in
    """
    # It follows no link, and takes no file that another process has made meanwhile.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        made = os.open(path, flags, mode)
        try:
            if hasattr(os, "fchmod"):
                _set_mode(made, mode)
        except (OSError, LedgerError):
            path.unlink()
            raise
        finally:
            os.close(made)
    except FileExistsError:
        return  # another process was faster and has made the file
    except OSError as error:
        raise LedgerError(
            "it cannot be made: does its folder exist, and may one write there? "
            f"({one_line(error)})"
        ) from error


def _set_mode(made: int, mode: int) -> None:
    """Give a new file its mode; if that is refused, keep a mode that is no more open."""
    try:
        os.fchmod(made, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
        if os.fstat(made).st_mode & 0o077 & ~mode:  # the user's own bits do not let others in
            raise LedgerError(
                "its file system cannot keep the file from other users: put the ledger on another "
                f"one ({one_line(error)})"
            ) from error


def check_beside(path: Path) -> None:
    """Refuse a file that another user has put beside ``path``: SQLite would write claims into it.

    In a folder like /tmp any user may do so. But users who share a ledger also make such files. So
    a file of another user is accepted if the ledger itself is open to other users, and if the mode
    of the file gives no right that the mode of the ledger does not give.

    Raises:
        LedgerError: there is such a file; the message names it
        OSError: a file cannot be looked at
    """
    if not hasattr(os, "geteuid"):
        return
    real = path.resolve()  # SQLite follows a link, and puts its files beside the target
    try:
        main = real.stat()
    except FileNotFoundError:
        return
    trusted = (0, os.geteuid(), main.st_uid, real.parent.stat().st_uid)
    for end in _BESIDE:
        file = real.with_name(real.name + end)
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISFIFO(found.st_mode):
            raise LedgerError(f"{str(file)!r} is a named pipe, for which each reader would wait")
        is_shared = main.st_mode & 0o066 and not found.st_mode & ~main.st_mode & 0o777
        if found.st_uid not in trusted and not is_shared:
            raise LedgerError(
                f"another user has put {str(file)!r} beside it, and could read or change the "
                "claims there: remove that file"
            )


def check_file_system(path: Path) -> None:
    """Refuse a network file system, on which two machines do not see each other's locks.

    Raises:
        LedgerError: the path is on a network file system; the message names its kind
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # only Linux tells the kind of a file system
    kind = kind_of_file_system(path.parent.resolve() / path.name, mounts)
    if _NETWORK.fullmatch(kind):
        raise LedgerError(
            f"it is on a network file system ({kind}), where SQLite's locks do not "
            "hold: put the ledger on a local disk, or use a Redis ledger"
        )


def kind_of_file_system(path: Path, mounts: str) -> str:
    """Return the kind of the file system that holds ``path``; ``mounts`` is the kernel's list."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split()[4])
        inside = point == "/" or path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(best):  # a later mount on a point covers an earlier one
            best, kind = point, rest.split()[0]
    return kind
