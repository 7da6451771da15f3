"""The pool as a Pykka actor: messages, proxy futures, ``await``, and two errors.

The pool of each part is started by ``NamePool.start()`` and needs no supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

import pykka

from namepool import (
    CheckinName,
    CheckoutName,
    CheckoutTimeout,
    NamePool,
    NamePoolProxy,
    NamesUnavailable,
    OfflineNames,
    SourceError,
)


class BrokenRegistry:
    """A source that fails: any exception will do, ``SourceError`` says it on purpose."""

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Fail."""
        raise SourceError("the registry is closed on Sundays")


class SlowRegistry:
    """A source that takes its time, until it is told to hurry."""

    def __init__(self) -> None:
        self.hurry = threading.Event()

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Block, as a remote service may."""
        self.hurry.wait()
        return [f"Clerk {len(used) + n}" for n in range(1, count + 1)]

    def close(self) -> None:
        """Let go; the pool calls it when it stops."""
        self.hurry.set()


def ask_by_message() -> None:
    """A message names its caller when it is made, even if another thread sends it."""
    ref = NamePool.start(source=OfflineNames(seed=1))
    try:
        name = ref.ask(CheckoutName(), timeout=30)
        print(f"by message: I am {name}")
        ref.ask(CheckinName(name))
    finally:
        ref.stop()


def ask_a_source_that_fails() -> None:
    """A waiting caller gets the error of the source, chained as the cause."""
    ref = NamePool.start(source=BrokenRegistry())
    try:
        ref.ask(CheckoutName(), timeout=30)
    except NamesUnavailable as error:
        print(f"no names: {error.__cause__}")
    finally:
        ref.stop()


def ask_in_a_hurry() -> None:
    """A checkout that timed out costs no name: the chunk comes later, and is whole."""
    source = SlowRegistry()
    ref = NamePool.start(source=source)
    try:
        ref.ask(CheckoutName(timeout=0.1))
    except CheckoutTimeout:
        source.hurry.set()
        name = ref.ask(CheckoutName(), timeout=30)
        print(f"too slow for the first request, in time for the second: {name}")
    finally:
        ref.stop()


def ask_by_proxy() -> None:
    """A proxy's calls return futures, so several requests can be under way at once."""
    ref = NamePool.start(source=OfflineNames(seed=2))
    try:
        pool = ref.proxy()
        names = pykka.get_all([pool.checkout_name() for _ in range(3)], timeout=30)
        me = pool.get_name_by_owner(threading.current_thread()).get(timeout=5)
        print(f"by proxy: I hold {', '.join(names)} and speak as {me}")
    finally:
        ref.stop()


async def agent(pool: NamePoolProxy, job: str) -> str:
    """An agent on a task: awaiting the futures does not block the event loop."""
    name = await pool.checkout_name()
    try:
        return f"{name} is {job}"
    finally:
        await pool.checkin_name(name)


async def ask_from_tasks() -> None:
    """Each task is an owner of its own."""
    ref = NamePool.start(source=OfflineNames(seed=3))
    try:
        jobs = ("planning", "searching", "writing")
        for line in await asyncio.gather(*(agent(ref.proxy(), job) for job in jobs)):
            print(f"awaited: {line}")
    finally:
        await asyncio.to_thread(ref.stop)  # stop() waits, which the event loop should not


def main() -> None:
    """Run every part."""
    # The pool warns when a source fails; here that is told by the exceptions.
    logging.getLogger("namepool").setLevel(logging.ERROR)
    ask_by_message()
    ask_a_source_that_fails()
    ask_in_a_hurry()
    ask_by_proxy()
    asyncio.run(ask_from_tasks())


if __name__ == "__main__":
    main()
