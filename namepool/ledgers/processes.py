"""Which process of which machine this is, and whether another one of this machine still runs.

A process id means nothing on another machine, in another container or after a restart. With the
boot's id, the id of the PID namespace and the moment the process started it is unmistakable.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


def place_of_this_process() -> str:
    """Return which process this is; empty where the system does not tell."""
    started = _started(os.getpid())
    return f"{_machine()} {started}" if started and _machine() else ""


def runs_here(place: str, pid: int) -> bool | None:
    """Tell whether the process at ``place`` runs; ``None``: that cannot be told from here.

    It can be told of processes of this machine and PID namespace: not of another container's.
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
    """Return when the process started, in the kernel's ticks; empty if there is none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()  # its name, before that, may be anything
    return "" if state in "ZX" else fields[18]
