"""``logging.config.dictConfig`` with the agent, as the guide shows it."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from namepool import DEFAULT_NAME, NamePool, NumberedNames, PoolHandle
from namepool.attribution.logging import AgentFilter

pool: PoolHandle
"""Where a configuration finds the pool by its name: ``ext://``."""

written: StringIO

log = logging.getLogger("tests.configured")

CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "agent": {
            "()": "namepool.attribution.logging.AgentFilter",
            "pool": f"ext://{__name__}.pool",
        }
    },
    "formatters": {"agent": {"format": "%(agent)s: %(message)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": f"ext://{__name__}.written",
            "filters": ["agent"],
            "formatter": "agent",
        }
    },
    "loggers": {"tests.configured": {"handlers": ["console"], "level": "INFO"}},
}


@pytest.fixture(autouse=True)
def _configured_here() -> Iterator[None]:
    global pool, written
    pool, written = PoolHandle(NamePool.start(source=NumberedNames())), StringIO()
    handlers = list(logging.getLogger().handlers)
    yield
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    assert logging.getLogger().handlers == handlers


def test_a_configuration_names_the_filter_and_where_the_pool_is() -> None:
    logging.config.dictConfig(CONFIG)
    with pool.named():
        log.info("working")
    log.info("ended")
    assert written.getvalue() == f"NPC #1: working\n{DEFAULT_NAME}: ended\n"


def test_a_configuration_may_hold_the_pool_itself() -> None:
    filters = {"agent": {"()": AgentFilter, "pool": pool, "attribute": "who"}}
    formatters = {"agent": {"format": "%(who)s: %(message)s"}}
    logging.config.dictConfig({**CONFIG, "filters": filters, "formatters": formatters})
    with pool.named():
        log.info("working")
    assert written.getvalue() == "NPC #1: working\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig makes listeners since 3.12")
def test_a_configured_queue_has_the_filter_in_front_of_it() -> None:
    console = {**CONFIG["handlers"]["console"], "filters": []}
    front = {
        "class": "logging.handlers.QueueHandler",
        "filters": ["agent"],
        "handlers": ["console"],
        "respect_handler_level": True,
    }
    loggers = {"tests.configured": {"handlers": ["front"], "level": "INFO"}}
    logging.config.dictConfig(
        {**CONFIG, "handlers": {"console": console, "front": front}, "loggers": loggers}
    )
    (handler,) = log.handlers
    listener = handler.listener  # type: ignore[attr-defined]
    listener.start()
    with pool.named():
        log.info("working")
    listener.stop()
    assert written.getvalue() == "NPC #1: working\n"


def test_a_listener_writes_the_agent_that_was_stamped_before_its_queue() -> None:
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(lines)
    front.addFilter(AgentFilter(pool))
    back = logging.StreamHandler(written)
    back.setFormatter(logging.Formatter("%(agent)s, %(agent_short)s: %(message)s"))
    listener = logging.handlers.QueueListener(lines, back, respect_handler_level=True)
    log.addHandler(front)
    log.setLevel(logging.INFO)
    with pool.named():
        log.info("working")
    log.info("ended")
    listener.start()  # only now, when the agent has gone
    listener.stop()
    assert written.getvalue() == f"NPC #1, NPC: working\n{DEFAULT_NAME}, Nemo: ended\n"
