"""The identity of this process, and whether another process of this machine still runs.

A process id means nothing on another machine, in another container or after a restart. Together
with the boot's id, the id of the PID namespace and the start of the process it is unmistakable.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


def place_of(pid: int) -> str:
    """Return a text that identifies a process; empty if the system does not tell it."""
    started = _started(pid)
    return f"{_machine()} {started}" if started and _machine() else ""


def place_of_this_process() -> str:
    """Return a text that identifies this process; empty if the system does not tell it."""
    started = _started(os.getpid())
    return f"{_machine()} {started}" if started and _machine() else ""


def runs_here(place: str, pid: int) -> bool | None:
    """Tell whether the process at ``place`` runs; return ``None`` if this process cannot know it.

    This process knows it only of the processes on its own machine and in its own PID namespace. So
    it knows nothing of a process in another container.
    """
    machine, _, started = place.rpartition(" ")
    if not machine or machine != _machine():
        return None
    return _started(pid) == started


@cache
def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start of the process, in the kernel's ticks; empty if it does not run."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the process stands before the last ")", and may be anything.
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
