"""Records of loguru that know their agent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("loguru", reason="pip install 'namepool[loguru]'")

from loguru import logger

from namepool import (
    DEFAULT_NAME,
    InvalidOption,
    NamePool,
    NumberedNames,
    PoolHandle,
    inherit_owner,
    owner_scope,
)
from namepool.attribution.loguru import agent_patcher
from tests.support import on_thread


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames()))


@pytest.fixture
def written() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(written.append, format="{extra[agent]}: {message}")
    yield written
    logger.remove(sink)


def test_a_record_gets_the_name_its_thread_speaks_under(
    pool: PoolHandle, written: list[str]
) -> None:
    log = logger.patch(agent_patcher(pool))
    with pool.named():
        log.info("one")
        with pool.named():
            log.info("two")
        on_thread(inherit_owner(lambda: log.info("three")))
    log.info("four")
    assert written == [
        "NPC #1: one\n",
        "NPC #2: two\n",
        "NPC #1: three\n",
        f"{DEFAULT_NAME}: four\n",
    ]


def test_a_patcher_that_is_configured_serves_the_whole_program(
    pool: PoolHandle, written: list[str]
) -> None:
    logger.configure(patcher=agent_patcher(pool))
    try:
        with pool.named():
            logger.info("starting")
    finally:
        logger.configure(patcher=lambda record: None)
    assert written == ["NPC #1: starting\n"]


def test_a_sink_that_writes_on_a_thread_of_its_own_gets_the_agent_who_logged(
    pool: PoolHandle,
) -> None:
    written: list[str] = []
    sink = logger.add(written.append, format="{extra[agent]}: {message}", enqueue=True)
    with pool.named():
        logger.patch(agent_patcher(pool)).info("starting")
    logger.remove(sink)  # writes what is left
    assert written == ["NPC #1: starting\n"]


def test_two_agents_at_once_are_told_apart(pool: PoolHandle) -> None:
    written: list[str] = []
    sink = logger.add(written.append, format="{message}|{extra[agent]}")
    log = logger.patch(agent_patcher(pool))

    def agent(number: int) -> str:
        with owner_scope(f"agent-{number}"), pool.named() as name:
            for _ in range(20):
                log.info("{}", number)
            return name

    with ThreadPoolExecutor(4) as workers:
        names = list(workers.map(agent, range(8)))
    logger.remove(sink)
    expected = [f"{number}|{name}\n" for number, name in enumerate(names) for _ in range(20)]
    assert sorted(written) == sorted(expected)


def test_what_an_agent_starts_logs_under_its_name(pool: PoolHandle, written: list[str]) -> None:
    log = logger.patch(agent_patcher(pool))

    async def agent() -> None:
        with pool.named():
            await asyncio.to_thread(log.info, "searching")

    asyncio.run(agent())
    assert written == ["NPC #1: searching\n"]


def test_an_agent_that_was_bound_is_kept(pool: PoolHandle, written: list[str]) -> None:
    with pool.named():
        logger.patch(agent_patcher(pool)).bind(agent="Bea").info("quoting")
    assert written == ["Bea: quoting\n"]


def test_one_agents_record_leaves_nothing_to_the_next(pool: PoolHandle, written: list[str]) -> None:
    log = logger.patch(agent_patcher(pool)).bind(task=7)
    with pool.named():
        log.info("one")
    with pool.named():
        log.info("two")
    assert written == ["NPC #1: one\n", "NPC #2: two\n"]


def test_the_key_can_be_chosen(pool: PoolHandle) -> None:
    written: list[str] = []
    sink = logger.add(written.append, format="{extra}")
    logger.patch(agent_patcher(pool, "speaker")).info("starting")
    logger.remove(sink)
    assert written == [f"{{'speaker': '{DEFAULT_NAME}', 'speaker_id': ''}}\n"]


def test_a_record_gets_the_id_of_the_lease_of_its_agent(pool: PoolHandle) -> None:
    written: list[str] = []
    sink = logger.add(written.append, format="{extra[agent_id]}|{message}")
    log = logger.patch(agent_patcher(pool))
    with pool.named():
        log.info("one")
        on_thread(inherit_owner(lambda: log.info("two")))
        log.bind(agent="Bea").info("three")
        log.bind(agent_id="mine").info("four")
        lease_id = pool.leases()[0].id
    log.info("five")
    logger.remove(sink)
    assert written == [
        f"{lease_id}|one\n",
        f"{lease_id}|two\n",
        "|three\n",
        "mine|four\n",
        "|five\n",
    ]


def test_what_is_no_pool_or_no_key_is_refused(pool: PoolHandle) -> None:
    with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
        agent_patcher(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="^key must be a string of 1 to 64"):
        agent_patcher(pool, "")
