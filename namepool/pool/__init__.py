"""The service: the pool's actor, what it is asked, and the faces through which it is used.

``actor`` turns messages into transitions of ``core.state``, which outlives it: ``requests`` is
what callers ask, ``waiting_list`` who waits and until when, ``refilling`` which fetches are due
and what becomes of them. ``fetcher`` and ``claim_renewal`` alone wait for the world; ``ref``,
``handle`` and ``async_handle`` are for callers; ``service`` wires it all together. It imports
``core``, ``actors``, ``owners``, ``sources`` and ``ledgers``; only ``cli``, ``attribution``,
``metrics`` and users import it.
"""

from namepool.pool.actor import NamePool
from namepool.pool.handle import PoolHandle
from namepool.pool.ref import NamePoolProxy, NamePoolRef
from namepool.pool.service import open_pool

__all__ = ["NamePool", "NamePoolProxy", "NamePoolRef", "PoolHandle", "open_pool"]
