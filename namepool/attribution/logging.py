"""Log records with the agent: ``%(agent)s``, ``%(agent_id)s`` and two other forms of the name.

Each record gets the name that the logging thread or task speaks under: its own name, or that of the
agent that started it, or the default name. The other forms are ``%(agent_short)s`` and
``%(agent_slug)s``. The name is read from the pool's published view. The reading sends no message
and takes no lock, so it is safe inside any handler.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.display import short_name, slug
from namepool.core.options import CHECKS
from namepool.core.speakers import Speaking

_PLAIN = logging.LogRecord("", 0, "", 0, "", (), None)
_TAKEN = {*vars(_PLAIN), "message", "asctime", "taskName"}


class AgentFilter(NeverCopied, logging.Filter):
    """A filter that gives each record the attribute ``agent``; use ``%(agent)s`` in the format.

    Each record also gets ``agent_id``, ``agent_short`` and ``agent_slug``. ``agent_id`` is the id
    of the name's lease (see ``Lease.id``), by which a reader tells two runs under one name apart.
    It is empty if nobody speaks. ``agent_short`` is the shortest form of the name that does not
    read like another name in use ("Ada"). The filter takes about 0.2 µs for each agent at work to
    find this form. ``agent_slug`` is a form of the name for files and branches
    ("ada-the-yak-shaver").

    Attach the filter to a handler that runs on the logging thread. If a ``QueueHandler`` stands
    before the handler, attach the filter to the ``QueueHandler``. If a record already has one of
    these attributes, the filter does not change it. If the record has an agent and no id, the id
    stays empty.

    Raises:
        InvalidOption: ``pool`` is no pool, or ``attribute`` is no free identifier

    Examples:
        >>> import logging
        >>> from namepool.attribution.logging import AgentFilter
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> handler, record = logging.StreamHandler(), logging.makeLogRecord({"msg": "at work"})
        >>> handler.addFilter(AgentFilter(pool))
        >>> handler.setFormatter(logging.Formatter("%(agent)s: %(message)s"))
        >>> with pool.named():
        ...     handled = handler.handle(record)  # writes "NPC #1: at work"
        >>> record.agent, record.agent_id
        ('NPC #1', '...-...-1')
    """

    def __init__(self, pool: who.Published, attribute: str = "agent") -> None:
        super().__init__()
        self._speaking = who.view(pool)
        self._attribute = _attribute(attribute)

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the record's attributes and return ``True``: every record passes.

        Examples:
            >>> record = logging.makeLogRecord({"msg": "idle"})
            >>> AgentFilter(pool).filter(record)
            True
            >>> record.agent
            'Nemo Nobody'
        """
        _attribute_to_agent(vars(record), self._attribute, self._speaking)
        return True


@contextmanager
def agent_record_factory(pool: who.Published, attribute: str = "agent") -> Iterator[None]:
    """Give *every* record of the program its agent, until the ``with`` block ends.

    Each record gets the attributes of ``AgentFilter``. The block wraps the present record factory
    of ``logging``, and puts it back at its end. If a logging call itself gives one of the
    attributes by ``extra=``, ``logging`` refuses the call. In a program with such calls, use
    ``AgentFilter``.

    Examples:
        >>> import logging
        >>> from namepool.attribution.logging import agent_record_factory
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> with agent_record_factory(pool), pool.named():
        ...     record = logging.getLogger().makeRecord("app", 20, "app.py", 1, "at work", (), None)
        >>> record.agent
        'NPC #1'
    """
    speaking = who.view(pool)
    attribute = _attribute(attribute)
    before = logging.getLogRecordFactory()

    active = True

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        if active:
            _attribute_to_agent(vars(record), attribute, speaking)
        return record

    logging.setLogRecordFactory(factory)
    try:
        yield
    finally:
        active = False
        if logging.getLogRecordFactory() is factory:  # otherwise another factory wraps this one
            logging.setLogRecordFactory(before)


def _attribute_to_agent(fields: dict[str, Any], attribute: str, speaking: Speaking) -> None:
    name = who.attribute(fields, attribute, speaking)
    if f"{attribute}_short" not in fields:
        fields[f"{attribute}_short"] = short_name(name, speaking.names())
    if f"{attribute}_slug" not in fields:
        fields[f"{attribute}_slug"] = slug(name)


def _attribute(attribute: object) -> str:
    name = CHECKS.text("attribute", attribute, 64)
    if not name.isidentifier() or name in _TAKEN:
        raise CHECKS.invalid("attribute", attribute, "an identifier that log records do not use")
    return name
