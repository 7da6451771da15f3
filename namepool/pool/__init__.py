"""The service: the pool's actor, what it is asked, and the faces through which it is used.

``actor`` owns ``core.state``, which outlives it: ``operations`` has one function for each request,
``waiting_list`` says who waits and until when, ``refilling`` which fetches are due and what becomes
of them. ``fetcher`` and ``claim_renewal`` alone wait for the world. ``ref``, ``handle``,
``async_handle`` and their ``blocks`` are for callers, and ``access`` is the handles' way in;
``service`` wires it all together. It imports ``core``, ``actors``, ``owners``, ``speaking``,
``sources`` and ``ledgers``; only ``cli``, ``attribution``, ``metrics`` and users import it.
"""

from namepool.pool.actor import NamePool
from namepool.pool.handle import PoolHandle
from namepool.pool.ref import NamePoolProxy, NamePoolRef
from namepool.pool.service import open_pool

__all__ = ["NamePool", "NamePoolProxy", "NamePoolRef", "PoolHandle", "open_pool"]
