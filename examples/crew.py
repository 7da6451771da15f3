"""A larger actor system under one root: a crew of agents, an actor of another make, the name pool.

One agent crashes on purpose, then the pool does. Supervision brings both back, and every log line
goes on under the name it had: the agents' identity is their role, and the pool's state outlives it.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import pykka

from namepool import (
    AssociateName,
    ChildSpec,
    NamePool,
    OfflineNames,
    PoolHandle,
    Supervisor,
    owner_scope,
)
from namepool.actors import StartChild
from namepool.attribution.logging import agent_record_factory

log = logging.getLogger("crew")
ROLES = ("planner", "tester", "critic")


class Agent(pykka.ThreadingActor):
    """An agent of the crew. Each of its incarnations speaks in the same role."""

    def __init__(self, role: str, pool: PoolHandle) -> None:
        super().__init__()
        self.role, self.pool = role, pool

    def on_start(self) -> None:
        with owner_scope(self.role):
            known = self.pool.get_name_by_owner()
            if known is None:
                self.pool.checkout_name()
            log.info("%s as %s", "here" if known is None else "back", self.role)

    def on_receive(self, message: Any) -> Any:
        with owner_scope(self.role):
            if message == "crash":
                log.info("about to crash")
                raise RuntimeError(f"the {self.role} stumbled")
            log.info("working on %s", message)
            return self.pool.speaker()


class Archivist(pykka.ThreadingActor):
    """An actor that knows nothing of names or supervision."""

    def on_receive(self, message: Any) -> str:
        return f"filed under {str(message)[0].upper()}"


def main() -> None:
    logging.basicConfig(
        format="%(agent)-28s | %(message)s", level=logging.INFO, stream=sys.stdout, force=True
    )
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # the crash is on purpose

    names = NamePool.child_spec(id="names", source=OfflineNames(seed=11))
    root = Supervisor.start(children=[names, ChildSpec("archivist", Archivist)])
    pool = PoolHandle(root.handle("names"))
    with agent_record_factory(pool):
        crew = Supervisor.child_spec(
            "crew", children=[ChildSpec(role, Agent, (role, pool)) for role in ROLES]
        )
        inner = root.ask(StartChild(crew))
        agents = {role: inner.handle(role) for role in ROLES}
        before = {role: agent.ask("the plan") for role, agent in agents.items()}

        log.info("-- the tester crashes")
        tester = agents["tester"].current
        tester.tell("crash")
        tester.actor_stopped.wait()
        agents["tester"].ask("the same test again")

        log.info("-- the pool crashes")
        handle = root.handle("names")
        died: Any = handle.current
        died.tell(AssociateName(7))  # type: ignore[arg-type]  # a name that may not be one
        died.wait_gone()
        after = {role: agent.ask("the plan, still") for role, agent in agents.items()}

        log.info("the archivist says: %s", root.handle("archivist").ask("report"))
        stats = pool.pool_stats()
        log.info("pool restarts: %d, names out: %d", stats.restart_count, stats.checked_out_count)
        log.info("names unchanged: %s", before == after)
    root.stop()


if __name__ == "__main__":
    main()
