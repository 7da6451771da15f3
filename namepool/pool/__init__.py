"""The service: the pool's actor, what it is asked, and the faces through which it is used.

``actor`` turns messages into transitions of ``core.state``; ``fetcher`` is the only actor that
waits for the world; ``ref`` and ``handle`` are for callers; ``service`` wires it all together. It
imports ``core``, ``actors``, ``owners`` and ``sources``; only ``cli``, ``attribution`` and users
import it.
"""

from namepool.pool.actor import NamePool
from namepool.pool.handle import PoolHandle
from namepool.pool.ref import NamePoolProxy, NamePoolRef
from namepool.pool.service import open_pool

__all__ = ["NamePool", "NamePoolProxy", "NamePoolRef", "PoolHandle", "open_pool"]
