"""Log records that know their agent: ``%(agent)s``, ``%(agent_short)s`` and ``%(agent_slug)s``.

Each record gets the name that the logging thread or task speaks under, its own or that of whoever
started it, or else the default name. It is read from the pool's published view: no message, no
lock, safe inside any handler.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.display import short_name, slug
from namepool.core.options import check_text, invalid
from namepool.core.speakers import Speaking

_PLAIN = logging.LogRecord("", 0, "", 0, "", (), None)
_TAKEN = {*vars(_PLAIN), "message", "asctime", "taskName"}


class AgentFilter(NeverCopied, logging.Filter):
    """Gives each record the attribute ``agent``; use ``%(agent)s`` in the format.

    And ``agent_short``, the shortest form that no other agent at work can be read as ("Ada"), and
    ``agent_slug``, fit for a file or a branch ("ada-the-yak-shaver"). The short form takes time for
    every agent at work: some 0.2 µs each.

    Attach it to a handler that runs on the logging thread, or to the ``QueueHandler`` in front of
    one that does not. A record that has its agent already keeps it.
    """

    def __init__(self, pool: who.Published, attribute: str = "agent") -> None:
        super().__init__()
        self._speaking = who.view(pool)
        self._attribute = _attribute(attribute)

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attribute; every record passes."""
        _attribute_to_agent(vars(record), self._attribute, self._speaking)
        return True


@contextmanager
def agent_record_factory(pool: who.Published, attribute: str = "agent") -> Iterator[None]:
    """Give *every* record of the program its agent, until the ``with`` block ends.

    Wraps the record factory that is set, and puts it back. A logging call that gives the attribute
    itself, by ``extra=``, is refused by ``logging``: use ``AgentFilter`` where there are such.
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
        if logging.getLogRecordFactory() is factory:  # else another wraps this one, and goes on
            logging.setLogRecordFactory(before)


def _attribute_to_agent(fields: dict[str, Any], attribute: str, speaking: Speaking) -> None:
    name = who.attribute(fields, attribute, speaking)
    if f"{attribute}_short" not in fields:
        fields[f"{attribute}_short"] = short_name(name, speaking.names())
    if f"{attribute}_slug" not in fields:
        fields[f"{attribute}_slug"] = slug(name)


def _attribute(attribute: object) -> str:
    name = check_text("attribute", attribute, 64)
    if not name.isidentifier() or name in _TAKEN:
        raise invalid("attribute", attribute, "an identifier that log records do not use")
    return name
