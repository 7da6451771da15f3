"""Events of structlog that know their agent."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest

structlog = pytest.importorskip("structlog", reason="pip install 'namepool[structlog]'")

from namepool import (  # noqa: E402
    DEFAULT_NAME,
    InvalidOption,
    NamePool,
    NumberedNames,
    PoolHandle,
    inherit_owner,
    owner_scope,
)
from namepool.attribution.logging import AgentFilter  # noqa: E402
from namepool.attribution.structlog import AgentProcessor  # noqa: E402
from tests.support import on_thread  # noqa: E402


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames()))


@pytest.fixture
def written() -> StringIO:
    return StringIO()


def lines(written: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def agents(written: StringIO) -> list[str]:
    return [f"{line['agent']}: {line['event']}" for line in lines(written)]


def logger(written: StringIO, *processors: Callable[..., Any]) -> Any:
    """Return a logger of structlog that writes JSON, configured for itself only."""
    return structlog.wrap_logger(
        structlog.PrintLogger(written),
        processors=[*processors, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


def test_an_event_gets_the_name_its_thread_speaks_under(
    pool: PoolHandle, written: StringIO
) -> None:
    log = logger(written, AgentProcessor(pool))
    with pool.named():
        log.info("one")
        with pool.named():
            log.info("two")
        on_thread(lambda: log.info("three"))
        on_thread(inherit_owner(lambda: log.info("four")))
    log.info("five")
    assert agents(written)[:2] == ["NPC #1: one", "NPC #2: two"]
    assert agents(written)[3:] == ["NPC #1: four", f"{DEFAULT_NAME}: five"]


def test_two_agents_at_once_are_told_apart(pool: PoolHandle, written: StringIO) -> None:
    log = logger(written, AgentProcessor(pool))

    def agent(number: int) -> str:
        with owner_scope(f"agent-{number}"), pool.named() as name:
            for _ in range(20):
                log.info("working", number=number)
            return name

    with ThreadPoolExecutor(4) as workers:
        names = list(workers.map(agent, range(8)))
    assert {names[line["number"]] == line["agent"] for line in lines(written)} == {True}
    assert len(lines(written)) == 160


def test_an_agent_that_was_bound_is_kept(pool: PoolHandle, written: StringIO) -> None:
    log = logger(written, AgentProcessor(pool))
    with pool.named():
        log.bind(agent="Bea").info("quoting")
    assert agents(written) == ["Bea: quoting"]


def test_the_key_can_be_chosen(pool: PoolHandle, written: StringIO) -> None:
    logger(written, AgentProcessor(pool, "speaker")).info("starting")
    assert lines(written) == [{"event": "starting", "speaker": DEFAULT_NAME, "speaker_id": ""}]


def test_an_event_gets_the_id_of_the_lease_of_its_agent(
    pool: PoolHandle, written: StringIO
) -> None:
    log = logger(written, AgentProcessor(pool))
    with pool.named():
        log.info("one")
        on_thread(inherit_owner(lambda: log.info("two")))
        log.bind(agent="Bea").info("three")
        log.bind(agent_id="mine").info("four")
        lease_id = pool.leases()[0].id
    log.info("five")
    assert [line["agent_id"] for line in lines(written)] == [lease_id, lease_id, "", "mine", ""]


def test_an_event_of_the_asynchronous_methods_has_the_agent_of_its_task(
    pool: PoolHandle, written: StringIO
) -> None:
    log = logger(written, AgentProcessor(pool))

    async def agent(number: int) -> str:
        with pool.named() as name:
            await log.ainfo("working", number=number)  # rendered on a thread of an executor
            return name

    async def crew() -> list[str]:
        return await asyncio.gather(*map(agent, range(4)))

    names = asyncio.run(crew())
    assert {line["number"]: line["agent"] for line in lines(written)} == dict(enumerate(names))


@pytest.fixture
def stdlib(pool: PoolHandle, written: StringIO) -> logging.Handler:
    """Records of the standard library, rendered by structlog."""
    handler = logging.StreamHandler(written)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), AgentProcessor(pool)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler.setFormatter(formatter)
    return handler


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("tests.structlog")
    log.setLevel(logging.INFO)
    yield log
    log.handlers.clear()
    log.setLevel(logging.NOTSET)


def test_a_record_of_the_standard_library_gets_its_agent_too(
    pool: PoolHandle, written: StringIO, stdlib: logging.Handler, log: logging.Logger
) -> None:
    log.addHandler(stdlib)
    with pool.named():
        log.info("starting")
    assert agents(written) == ["NPC #1: starting"]


def test_a_record_that_was_stamped_before_a_queue_keeps_its_agent(
    pool: PoolHandle, written: StringIO, stdlib: logging.Handler, log: logging.Logger
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(records)
    front.addFilter(AgentFilter(pool))
    log.addHandler(front)
    with pool.named():
        log.info("starting")
        lease_id = pool.leases()[0].id
    on_thread(lambda: stdlib.handle(records.get()))
    assert agents(written) == ["NPC #1: starting"]
    assert lines(written)[0]["agent_id"] == lease_id


def test_what_is_no_pool_or_no_key_is_refused(pool: PoolHandle) -> None:
    with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
        AgentProcessor(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="^key must be a string of 1 to 64"):
        AgentProcessor(pool, "")
