"""Log lines on a terminal, with a column for the agent: the extra ``rich``."""

from __future__ import annotations

import logging
from typing import Any

from namepool.attribution.logging import AgentFilter
from namepool.attribution.who import Published
from namepool.colors import color_of
from namepool.core.options import CHECKS

try:
    from rich.console import ConsoleRenderable
    from rich.logging import RichHandler
    from rich.table import Table
    from rich.text import Text
    from rich.traceback import Traceback
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"namepool.attribution.rich needs rich: install namepool with the extra 'rich' ({_error})",
        name=_error.name,
    ) from _error


class AgentRichHandler(RichHandler):
    """Rich's ``RichHandler`` with the agent, in a colour of its own, in front of the message.

    ``agent_width`` is the width of the column, in cells. A wider name is shown in its short form
    ("Ada"). Behind a ``QueueListener`` the record must have its agent already, so put an
    ``AgentFilter`` on the ``QueueHandler``. The handler also takes the keywords of ``RichHandler``.

    Raises:
        InvalidOption: ``pool`` is no pool, or ``agent_width`` is not an integer of at least 1

    Examples:
        >>> import logging
        >>> from namepool.attribution.rich import AgentRichHandler
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> handler = AgentRichHandler(pool, agent_width=8, show_time=False, show_path=False)
        >>> record = logging.makeLogRecord({"msg": "at work", "levelname": "INFO"})
        >>> with pool.named():
        ...     handled = handler.handle(record)
        INFO     NPC #1   at work
    """

    def __init__(self, pool: Published, *, agent_width: int = 24, **options: Any) -> None:
        super().__init__(**options)
        CHECKS.count("agent_width", agent_width, 1)
        self._agent_width = agent_width
        self.addFilter(AgentFilter(pool))

    def render(
        self,
        *,
        record: logging.LogRecord,
        traceback: Traceback | None,
        message_renderable: ConsoleRenderable,
    ) -> ConsoleRenderable:
        """Return rich's line, with the agent in a column before the message.

        Examples:
            >>> import rich
            >>> rich.print(
            ...     handler.render(record=record, traceback=None, message_renderable="in short")
            ... )
            INFO     NPC #1   in short
        """
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(width=self._agent_width, no_wrap=True, overflow="ellipsis")
        line.add_column(ratio=1, style="log.message", overflow="fold")
        line.add_row(self._agent(record), message_renderable)
        return super().render(record=record, traceback=traceback, message_renderable=line)

    def _agent(self, record: logging.LogRecord) -> Text:
        fields = vars(record)
        name = str(fields["agent"])
        text = Text(name, style=color_of(name))
        if text.cell_len > self._agent_width:
            return Text(fields["agent_short"], style=text.style)
        return text
