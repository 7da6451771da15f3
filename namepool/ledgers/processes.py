"""The place of a process: whether another process of this machine still runs.

A process id means nothing on another machine, in another container or after a restart. Together
with the machine, the container and the start of the process it is unmistakable. A wrong "it is
dead" would free the names of a living process. So this module says so only if the system itself
says it, and answers "unknown" in every other case.

psutil tells the start of a process; it comes with the extra ``processes``. Without psutil, nothing
is known of any process.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import Any

_PLATFORM: str = sys.platform
_PROC = "/proc"
_LARGEST_PID = 2**32 - 1
"""Windows has process ids of 32 bits, other systems have smaller ones."""


class _NotRunning(Exception):
    """The system says that no such process runs."""


def place_of_this_process() -> str:
    """Return a text that identifies this process; empty if the system does not tell it.

    Examples:
        >>> import os
        >>> from namepool.ledgers.processes import place_of_this_process, runs_here
        >>> runs_here(place_of_this_process(), os.getpid())
        True
    """
    return place_of(os.getpid())


def place_of(pid: int) -> str:
    """Return a text that identifies a process: its machine, its container and its start.

    The text is empty if no such process runs here, if the system does not tell it, or if psutil is
    missing.

    Examples:
        >>> from namepool.ledgers.processes import place_of
        >>> place_of(0)
        ''
    """
    if not _may_be_a_pid(pid) or not _machine():
        return ""
    try:
        return f"{_machine()} {_started(pid)}"
    except Exception:
        return ""


def runs_here(place: str, pid: int) -> bool | None:
    """Tell whether the process at ``place`` runs; return ``None`` if this process cannot know it.

    This process knows it only of the processes on its own machine and in its own PID namespace. So
    it knows nothing of a process in another container. Both arguments may be anything: other
    programs may have written them.

    Examples:
        >>> from namepool.ledgers.processes import runs_here
        >>> runs_here("another machine", 4711) is None
        True
    """
    if not _may_be_a_pid(pid) or not _machine() or not place.startswith(f"{_machine()} "):
        return None
    try:
        started = _started(pid)
    except _NotRunning:
        return False
    except Exception:  # psutil raises errors of many kinds, and any of them leaves it unknown
        return None
    # psutil's start is a float, and another build may compute it with another last bit. Then it is
    # rounded to the next millisecond. No system starts two processes with one id so fast.
    return place in {f"{_machine()} {started + off}" for off in (-1, 0, 1)}


def _may_be_a_pid(pid: int) -> bool:
    """Tell whether a process may have that id. To a system, 0 and less mean groups of processes."""
    return 1 <= pid <= _LARGEST_PID


@cache
def _psutil() -> Any:
    """Return psutil, or ``None`` if it is missing or broken. The first use of a ledger loads it."""
    try:
        import psutil
    except Exception:
        return None
    return psutil


@cache
def _machine() -> str:
    """Return a text that identifies the machine and the container; empty if nothing is known."""
    if _psutil() is None:
        return ""
    try:
        if _PLATFORM == "linux":
            return _linux()
        # On other systems a container is a machine of its own, or there are none.
        return _by_its_network() if _PLATFORM in ("darwin", "win32") else ""
    except Exception:
        return ""


if hasattr(os, "register_at_fork"):  # a child may be the first process of a new PID namespace
    os.register_at_fork(after_in_child=_machine.cache_clear)


def _linux() -> str:
    """Return the boot, the PID namespace and the time namespace.

    Process ids are counted in each PID namespace. The start of a process is counted since the boot,
    and a time namespace has an offset of its own for it.
    """
    if os.readlink(f"{_PROC}/self") != str(os.getpid()):
        return ""  # it is the /proc of another PID namespace, where our ids are those of others
    boot = Path(_PROC, "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    try:
        time = os.stat(f"{_PROC}/self/ns/time").st_ino
    except FileNotFoundError:
        time = 0  # a kernel before 5.6 has no time namespaces
    return f"linux {boot}/{os.stat(f'{_PROC}/self/ns/pid').st_ino}/{time}"


def _by_its_network() -> str:
    """Return the address of the network card, and the name of the host.

    An adapter may move from one machine to another, so the address alone does not identify them.
    """
    node = uuid.getnode()
    is_random = node >> 40 & 1  # Python has found no card: every process gets another number
    return "" if is_random else f"{_PLATFORM} {node:012x}/{socket.gethostname()}"


def _started(pid: int) -> int:
    """Return the start of a process, in milliseconds by a clock that nobody sets.

    psutil's public ``create_time()`` moves on Linux and macOS when the clock of the machine is set.
    On Linux, it is the start since the boot, plus the moment of the boot by the clock of now. On
    macOS, the system has noted the start by the clock of then, and psutil adds the steps of the
    clock since psutil was loaded. Two readers would disagree, and one would call a living process
    dead. psutil 7.1 and later identify a process by the value before that sum, so this function
    takes it, too. If a later psutil has no such value, the start is unknown. On Windows, the system
    has noted the start by the clock of then, and psutil adds nothing.

    Raises:
        _NotRunning: the system says that no such process runs
        Exception: it is unknown
    """
    psutil = _psutil()
    if getattr(psutil, "PROCFS_PATH", _PROC) != _PROC:  # a monitor looks at the host in this way
        raise LookupError("psutil looks at the processes of another PID namespace")
    try:
        process = psutil.Process(pid)
        if _PLATFORM == "win32":
            seconds: float = process.create_time()
        else:
            seconds = process._proc.create_time(monotonic=True)  # noqa: SLF001
            _check_that_it_is_no_zombie(psutil, process)
    except psutil.ZombieProcess:
        raise _NotRunning from None
    except psutil.NoSuchProcess:
        _check_that_it_is_gone(psutil, pid)
        raise _NotRunning from None
    return round(seconds * 1000)


def _check_that_it_is_no_zombie(psutil: Any, process: Any) -> None:
    """Raise ``_NotRunning`` for a process that has ended but has not been waited for.

    On Linux, a process also looks like this if only its main thread has ended.
    """
    has_ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    if has_ended and process.num_threads() < 2:
        raise _NotRunning


def _check_that_it_is_gone(psutil: Any, pid: int) -> None:
    """Return if the system says that no such process runs, and raise an error otherwise.

    With the mount option ``hidepid``, /proc hides the processes of other users, and psutil cannot
    tell a hidden process from one that has ended.
    """
    if _PLATFORM == "win32":  # there, os.kill would end the process
        is_gone = not psutil.pid_exists(pid)
    else:
        try:
            os.kill(pid, 0)  # sends nothing
            is_gone = False
        except ProcessLookupError:
            is_gone = True
    if not is_gone:
        raise LookupError(f"process {pid} is hidden")
