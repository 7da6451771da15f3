"""An agent whose workers share its name.

A thread of a thread pool has no name of its own. There are four ways to let it speak for an agent:

- a ``NamedExecutor`` lets it speak for the agent that submits the work;
- ``inherit_owner`` lends it the agent's identity for one call;
- ``speaking_as`` lets it share the agent's name for a block;
- ``associate_name`` lets it share the name until it dissociates itself.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import namepool


def tool(pool: namepool.PoolHandle, what: str) -> str:
    """Say who runs this tool."""
    return f"{what:<16} run by {pool.speaker()}"


def assistant(pool: namepool.PoolHandle, name: str) -> str:
    """Speak under the agent's name for the length of a block."""
    with pool.speaking_as(name):
        return tool(pool, "speaking_as")


def delegate(pool: namepool.PoolHandle, name: str) -> str:
    """Speak under the agent's name until further notice."""
    pool.associate_name(name)
    try:
        return tool(pool, "associate_name")
    finally:
        pool.dissociate_name(name)


def agent(pool: namepool.PoolHandle, executor: ThreadPoolExecutor) -> None:
    """Use tools on threads that serve every agent of the program."""
    with pool.named() as name:
        print(f"The agent is {name}.")
        lent = namepool.inherit_owner(tool)
        print(executor.submit(tool, pool, "on its own").result())
        with namepool.NamedExecutor(1) as named:
            print(named.submit(tool, pool, "NamedExecutor").result())
        print(executor.submit(lent, pool, "inherit_owner").result())
        print(executor.submit(assistant, pool, name).result())
        print(executor.submit(delegate, pool, name).result())
        print(executor.submit(tool, pool, "afterwards").result())


def main() -> None:
    """Run two agents, one after the other, over the same two worker threads."""
    source = namepool.OfflineNames(seed=7)
    with namepool.open_pool(source=source) as pool, ThreadPoolExecutor(2) as executor:
        for _ in range(2):
            thread = threading.Thread(target=agent, args=(pool, executor))
            thread.start()
            thread.join()


if __name__ == "__main__":
    main()
