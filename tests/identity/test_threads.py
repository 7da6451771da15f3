"""Workers and threads that many share speak for whoever handed the work on, and keep nothing."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from namepool import NamedExecutor, inherit_everywhere, inherit_owner, named_thread
from tests.identity.scene import PARTIES, Part, Scene, as_threads, each_round
from tests.support import PATIENCE

Meet = Callable[[], object]


class Wrong(Exception):
    """What the work raises."""


def wait(*futures: Future[Any]) -> None:
    for future in futures:
        future.result(PATIENCE)


def named_executor(part: Part, _: Meet) -> None:
    workers, nobody = part.scene.named, part.scene.ears.hear
    wait(workers.submit(part.hear), workers.submit(part.hear))
    for _heard in workers.map(lambda _: part.hear(), range(2), timeout=PATIENCE):
        pass
    wait(ThreadPoolExecutor.submit(workers, nobody))


def lent(part: Part, _: Meet) -> None:
    workers, nobody = part.scene.plain, part.scene.ears.hear
    wait(workers.submit(inherit_owner(part.hear)), workers.submit(nobody))


def copied(part: Part, _: Meet) -> None:
    workers, nobody = part.scene.plain, part.scene.ears.hear
    wait(workers.submit(contextvars.copy_context().run, part.hear), workers.submit(nobody))


def everywhere(part: Part, meet: Meet) -> None:
    threads = [threading.Thread(target=part.hear), threading.Timer(0, part.hear)]
    meet()
    with inherit_everywhere():
        for thread in threads:
            thread.start()
        wait(part.scene.plain.submit(part.hear))
        meet()
    for thread in threads:
        thread.join(PATIENCE)


def thread_of_its_own(part: Part, meet: Meet) -> None:
    def work() -> None:
        part.hear()
        with part.scene.pool.named() as own:
            meet()
            part.scene.ears.hear(own)
        part.hear()

    thread = named_thread(work)
    thread.start()
    thread.join(PATIENCE)


def work_that_takes_a_name(part: Part, _: Meet) -> None:
    pool, hear = part.scene.pool, part.scene.ears.hear

    def take() -> str:
        part.hear()
        name = pool.checkout_name()
        hear(name)
        return name  # and keeps it

    def work() -> None:
        part.hear()
        with pool.named() as own:
            hear(own)

    workers = part.scene.named
    name = workers.submit(take).result(PATIENCE)
    wait(workers.submit(work), workers.submit(part.hear), workers.submit(pool.checkin_name, name))


def work_that_fails(part: Part, _: Meet) -> None:
    def fail() -> None:
        part.hear()
        part.scene.pool.named().__enter__()  # which is dropped
        raise Wrong

    for future in (part.scene.named.submit(fail), part.scene.plain.submit(inherit_owner(fail))):
        with pytest.raises(Wrong):
            future.result(PATIENCE)


def callbacks(part: Part, meet: Meet) -> None:
    """A worker runs them as nobody; so does whoever resolves what was not done before."""
    called, go = threading.Semaphore(0), threading.Event()
    with inherit_everywhere():
        futures = [w.submit(go.wait, PATIENCE) for w in (part.scene.plain, part.scene.named)]
    for future in futures:
        future.add_done_callback(part.hear_or_nobody)
        future.add_done_callback(lambda _: called.release())
    go.set()
    for _ in futures:
        assert called.acquire(timeout=PATIENCE)
    meet()
    for future in futures:
        future.add_done_callback(lambda _: part.hear())


def workers_of_its_own(part: Part, meet: Meet) -> None:
    """Agents begin them; between two pieces of work, and before and after, they are nobody."""
    nobody, workers = part.scene.ears.hear, NamedExecutor(1, initializer=part.scene.ears.hear)
    part.scene.left[part.who] = workers
    wait(workers.submit(part.hear), ThreadPoolExecutor.submit(workers, nobody))
    meet()
    for theirs in [part.scene.left[who] for who in PARTIES]:
        called = threading.Event()
        future = theirs.submit(called.wait, PATIENCE)
        future.add_done_callback(part.hear_or_nobody)
        called.set()
        wait(theirs.submit(part.hear))
    meet()
    workers.shutdown()


def workers_of_its_own_everywhere(part: Part, meet: Meet) -> None:
    nobody, workers = part.scene.ears.hear, ThreadPoolExecutor(1)
    with inherit_everywhere():
        wait(workers.submit(part.hear))
    meet()  # until others have left it, too
    wait(ThreadPoolExecutor.submit(workers, nobody))
    workers.shutdown()


WAYS: list[Any] = [
    *(named_executor, lent, copied, everywhere, thread_of_its_own),
    *(work_that_takes_a_name, work_that_fails, callbacks),
    *(workers_of_its_own, workers_of_its_own_everywhere),
]


@each_round
@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_work_speaks_for_whoever_handed_it_on_and_a_worker_keeps_nothing(
    way: Any, rounds: int, scene: Scene
) -> None:
    as_threads(scene, rounds, way)
    scene.ears.check(at_least=3 * 4 * rounds)
