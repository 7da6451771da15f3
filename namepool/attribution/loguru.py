"""Records of loguru that know their agent: ``namepool[loguru]``.

It imports nothing of loguru: a patcher is a function of the record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from namepool.attribution import who
from namepool.core.options import check_text

if TYPE_CHECKING:
    from loguru import Record


def agent_patcher(pool: who.Published, key: str = "agent") -> Callable[[Record], None]:
    """Return a patcher that gives each record the name of who speaks: ``{extra[agent]}``.

    For ``logger.configure(patcher=…)`` or ``logger.patch(…)``. It runs on the thread that logs,
    also where a sink has ``enqueue=True``. Who has no name is "Nemo Nobody"; a record that has its
    agent already, by ``logger.bind(agent=…)`` say, keeps it. No message, no lock: it never blocks.
    """
    speaking = who.view(pool)
    key = check_text("key", key, 64)

    def patch(record: Record) -> None:
        extra: dict[Any, Any] = record["extra"]
        who.attribute(extra, key, speaking)

    return patch
