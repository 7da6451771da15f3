"""A real Ctrl-C in the middle of a loop of checkouts on the main thread."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPTS = 200

PROGRAM = """
import sys
from namepool import CheckinName, CheckoutName, NamePool, NumberedNames, PoolHandle

ref = NamePool.start(source=NumberedNames(), reclaim_after=None)
pool = PoolHandle(ref)

def by_handle():
    pool.checkin_name(pool.checkout_name())

def by_ask():
    ref.ask(CheckinName(ref.ask(CheckoutName())))

def by_scope():
    with pool.named():
        pool.speaker()

act = {"handle": by_handle, "ask": by_ask, "scope": by_scope}[sys.argv[1]]
act()
caught = 0
while caught < int(sys.argv[2]):
    try:
        sys.stdout.write("ready\\n")
        sys.stdout.flush()
        operations = 0
        while True:
            act()
            operations += 1
    except KeyboardInterrupt:
        caught += 1
        while (name := pool.get_name_by_owner()) is not None:  # struck with a name in hand
            pool.checkin_name(name)
for _ in range(1000):
    stats = pool.pool_stats()
    if not stats.checked_out_count:
        break
assert stats.available_count == stats.all_used_count, stats
assert stats.restart_count == 0
name = pool.checkout_name(timeout=5)
assert pool.checkin_name(name)
sys.stdout.write("balanced\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
@pytest.mark.parametrize("act", ["handle", "ask", "scope"])
def test_a_loop_on_the_main_thread_survives_200_interrupts(act: str) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, act, str(INTERRUPTS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert program.stdout is not None
    lines = []
    for _ in range(INTERRUPTS):
        lines.append(program.stdout.readline())
        select.select([], [], [], random.random() * 0.003)  # somewhere in the loop
        os.kill(program.pid, signal.SIGINT)
    output, errors = program.communicate(timeout=60)

    assert errors.decode() == ""
    assert lines == [b"ready\n"] * INTERRUPTS
    assert output == b"balanced\n"
    assert program.returncode == 0
