"""The service: the pool's actor, its requests, and the handles for callers.

``actor`` owns ``core.state``, which outlives the actor. ``operations`` has one function for each
request. ``waiting_list`` keeps the waiting callers and their deadlines. ``refilling`` begins the
fetches that are due and deals with their results. Only the actors of ``fetcher`` and
``ledgers.keeper`` wait for the world outside. ``ref``, ``handle``, ``async_handle`` and their
``blocks`` are for callers, and ``access`` connects the handles with the pool. ``service`` starts
all of it. The package imports ``core``, ``actors``, ``owners``, ``speaking``, ``sources`` and
``ledgers``. Only ``cli``, ``attribution``, ``metrics``, ``testing`` and users import it.
"""

from namepool.pool.actor import NamePool
from namepool.pool.handle import PoolHandle
from namepool.pool.ref import NamePoolProxy, NamePoolRef
from namepool.pool.service import open_pool

__all__ = ["NamePool", "NamePoolProxy", "NamePoolRef", "PoolHandle", "open_pool"]
