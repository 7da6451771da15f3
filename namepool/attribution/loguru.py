"""Records of loguru with the agent's name: the extra ``loguru``.

The module does not import loguru, because a patcher is a plain function of the record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from namepool.attribution import who
from namepool.core.options import CHECKS

if TYPE_CHECKING:
    from loguru import Record


def agent_patcher(pool: who.Published, key: str = "agent") -> Callable[[Record], None]:
    """Return a patcher that gives each record the name of its agent: ``{extra[agent]}``.

    ``{extra[agent_id]}`` is the id of the name's lease (see ``Lease.id``), empty if nobody speaks.
    Give the patcher to ``logger.configure(patcher=…)`` or ``logger.patch(…)``. It runs on the
    logging thread, even if a sink has ``enqueue=True``. An agent without a name is "Nemo Nobody". A
    record that has its agent already, for example by ``logger.bind(agent=…)``, keeps it. The
    patcher sends no message and takes no lock, so it never blocks.

    Raises:
        InvalidOption: ``pool`` is no pool, or ``key`` is no text

    Examples:
        >>> from loguru import logger
        >>> from namepool.attribution.loguru import agent_patcher
        >>> pool, seen = namepool.open_pool(source=namepool.NumberedNames()), []
        >>> sink = logger.add(seen.append, format="{extra[agent]}: {message}")
        >>> with pool.named():
        ...     logger.patch(agent_patcher(pool)).info("at work")
        >>> logger.remove(sink)
        >>> str(seen[0])
        'NPC #1: at work\\n'
    """
    speaking = who.view(pool)
    key = CHECKS.text("key", key, 64)

    def patch(record: Record) -> None:
        extra: dict[Any, Any] = record["extra"]
        who.attribute(extra, key, speaking)

    return patch
