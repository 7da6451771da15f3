"""Log lines on a terminal with a column for the agent: ``namepool[rich]``."""

from __future__ import annotations

import logging
from typing import Any

from namepool.attribution.logging import AgentFilter
from namepool.attribution.who import Published
from namepool.core.display import color_of
from namepool.core.options import check_count

try:
    from rich.console import ConsoleRenderable
    from rich.logging import RichHandler
    from rich.table import Table
    from rich.text import Text
    from rich.traceback import Traceback
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"namepool.attribution.rich needs rich: pip install 'namepool[rich]' ({_error})",
        name=_error.name,
    ) from _error


class AgentRichHandler(RichHandler):
    """Rich's ``RichHandler`` with the agent, in a colour of its own, in front of the message.

    ``agent_width`` is the width of the column, in cells. A name that is wider is shown in its short
    form ("Ada"). Behind a ``QueueListener`` the record must have its agent already: put an
    ``AgentFilter`` on the ``QueueHandler``. Takes the keywords of ``RichHandler`` as well.
    """

    def __init__(self, pool: Published, *, agent_width: int = 24, **options: Any) -> None:
        super().__init__(**options)
        check_count("agent_width", agent_width, 1)
        self._agent_width = agent_width
        self.addFilter(AgentFilter(pool))

    def render(
        self,
        *,
        record: logging.LogRecord,
        traceback: Traceback | None,
        message_renderable: ConsoleRenderable,
    ) -> ConsoleRenderable:
        """Return the line as rich has it, with the agent in a column before the message."""
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
