"""Agents that are Pykka actors: named from their start to their end, which may be a crash.

Two are of our own make; the third is an actor of a library, which knows nothing of names.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import pykka

from namepool import ChildSpec, NamedActor, OfflineNames, PoolHandle, Supervisor, open_pool
from namepool.attribution.logging import agent_record_factory

log = logging.getLogger("agents")


class Researcher(NamedActor, pykka.ThreadingActor):
    """Knows one topic."""

    def __init__(self, topic: str, **options: Any) -> None:
        super().__init__(**options)
        self.topic = topic

    def on_start(self) -> None:
        log.info("here, for %s", self.topic)

    def on_stop(self) -> None:
        log.info("leaving")

    def on_failure(self, *_: Any) -> None:
        log.info("falling over")

    def on_receive(self, message: Any) -> str:
        if message == "crash":
            raise RuntimeError("the researcher stumbled")
        log.info("looking up %s", message)
        return self.agent_name


class Crawler(pykka.ThreadingActor):
    """An actor that we cannot change."""

    def on_receive(self, message: Any) -> None:
        log.info("crawling %s", message)


class NamedCrawler(NamedActor, Crawler):
    """The same, with a name."""


def work(pool: PoolHandle) -> None:
    options = {"pool": pool}
    root = Supervisor.start(
        children=[
            ChildSpec("whales", Researcher, ("whales",), options),
            ChildSpec("bees", Researcher, ("bees",), options),
            ChildSpec("crawler", NamedCrawler, kwargs=options),
        ]
    )
    whales: Any = root.handle("whales")
    first = whales.ask("their songs")
    root.handle("crawler").ask("the web")
    crashed = whales.current
    crashed.tell("crash")
    crashed.actor_stopped.wait()
    second = whales.ask("the same again")
    root.handle("bees").ask("how they dance")
    log.info("another agent, another name: %s", first != second)
    root.stop()


def main() -> None:
    logging.basicConfig(
        format="%(agent)-30s | %(message)s", level=logging.INFO, stream=sys.stdout, force=True
    )
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # the crash is on purpose
    logging.getLogger("namepool").setLevel(logging.ERROR)
    with open_pool(source=OfflineNames(seed=5)) as pool, agent_record_factory(pool):
        work(pool)
        log.info("names out: %d", pool.pool_stats().checked_out_count)


if __name__ == "__main__":
    main()
