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

from tests.support import needs_gil

PROGRAM = """
import asyncio, sys
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

async def awaiting():
    proxy = ref.proxy()
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    while True:
        await proxy.checkin_name(await proxy.checkout_name())

def looping():
    if sys.argv[1] == "await":
        asyncio.run(awaiting())
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    while True:
        act()

act = {"handle": by_handle, "ask": by_ask, "scope": by_scope, "await": by_ask}[sys.argv[1]]
act()
caught = 0
while caught < int(sys.argv[2]):
    try:
        looping()
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
@pytest.mark.parametrize("interrupts", [5, pytest.param(200, marks=pytest.mark.proof)])
@pytest.mark.parametrize("act", ["handle", "ask", "scope", "await"])
def test_a_loop_on_the_main_thread_survives_many_interrupts(act: str, interrupts: int) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, act, str(interrupts)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        bufsize=0,  # what select sees is what is there
    )
    assert program.stdout is not None
    lines = []
    unheard = 0
    for _ in range(interrupts):
        while not select.select([program.stdout], [], [], 10)[0]:
            unheard += 1  # CPython drops what it raises in a finaliser, after saying so
            os.kill(program.pid, signal.SIGINT)
        lines.append(program.stdout.readline())
        select.select([], [], [], random.random() * 0.003)  # somewhere in the loop
        os.kill(program.pid, signal.SIGINT)
    output, errors = program.communicate(timeout=60)

    assert unheard <= max(1, interrupts // 100)
    assert errors.decode() == "" or unheard
    assert lines == [b"ready\n"] * interrupts
    assert output == b"balanced\n"
    assert program.returncode == 0


PROMPT = """
import os, signal, sys, threading
from namepool import CheckinName, CheckoutName, NamePool, NumberedNames, PoolHandle

sys.setswitchinterval(0.01)  # who interrupts is not interrupted between looking and killing
ref = NamePool.start(source=NumberedNames(), reclaim_after=None)
pool = PoolHandle(ref)
act = {
    "handle": lambda: pool.checkin_name(pool.checkout_name()),
    "ask": lambda: ref.ask(CheckinName(ref.ask(CheckoutName()))),
}[sys.argv[1]]
operations = seen = 0

def interrupt():
    global seen
    while operations < goal:
        pass
    seen = operations
    os.kill(os.getpid(), signal.SIGINT)

late = []
for _ in range(int(sys.argv[2])):
    goal = operations + 100
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        while True:
            act()
            operations += 1
    except KeyboardInterrupt:
        late.append(operations - seen)
    thread.join()
sys.stdout.write(f"{max(late)}\\n")
"""


@needs_gil
@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
@pytest.mark.parametrize("interrupts", [2, pytest.param(20, marks=pytest.mark.proof)])
@pytest.mark.parametrize("act", ["handle", "ask"])
def test_an_interrupt_is_raised_within_one_operation(act: str, interrupts: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROMPT, act, str(interrupts)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) <= 1
