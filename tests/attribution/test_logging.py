"""Log records that know their agent."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import namepool
from namepool import DEFAULT_NAME, NamePool, NumberedNames, PoolHandle, inherit_owner, owner_scope
from namepool.attribution.logging import AgentFilter, agent_record_factory
from namepool.core.state import PoolState
from namepool.errors import InvalidOption
from namepool.pool import NamePoolRef
from tests.support import ScriptedSource, on_thread


class _Recording(logging.Handler):
    """Keeps the agent and the text of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [f"{getattr(r, 'agent', None)}: {r.getMessage()}" for r in self.records]


class _Chatty(NamePool):
    """Logs within its own turn."""

    def pool_stats(self) -> Any:
        logging.getLogger("tests.crew").info("counting")
        return super().pool_stats()


@pytest.fixture
def ref() -> NamePoolRef:
    return _Chatty.start(source=NumberedNames())


@pytest.fixture
def pool(ref: NamePoolRef) -> PoolHandle:
    return PoolHandle(ref)


@pytest.fixture
def handler() -> Iterator[_Recording]:
    handler = _Recording()
    logger = logging.getLogger("tests.crew")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _factory_is_put_back() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


log = logging.getLogger("tests.crew")


# AgentFilter


def test_a_record_gets_the_name_its_thread_speaks_under(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        log.info("starting")
    assert handler.lines == ["NPC #1: starting"]


def test_a_ref_will_do_as_well_as_a_handle(ref: NamePoolRef, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(ref))
    with PoolHandle(ref).named():
        log.info("starting")
    assert handler.lines == ["NPC #1: starting"]


def test_a_record_of_nobody_gets_the_default_name(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    log.info("starting")
    assert handler.lines == [f"{DEFAULT_NAME}: starting"]


def test_in_nested_blocks_the_innermost_name_speaks(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        log.info("one")
        with pool.named():
            log.info("two")
        log.info("three")
    log.info("four")
    assert handler.lines == [
        "NPC #1: one",
        "NPC #2: two",
        "NPC #1: three",
        f"{DEFAULT_NAME}: four",
    ]


def test_threads_log_under_their_own_names(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))

    def work() -> None:
        with pool.named():
            log.info("working")

    with pool.named():
        on_thread(work)
        log.info("waiting")
    assert handler.lines == ["NPC #2: working", "NPC #1: waiting"]


def test_a_worker_thread_logs_under_the_default_name(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        on_thread(lambda: log.info("working"))
    assert handler.lines == [f"{DEFAULT_NAME}: working"]


def test_a_worker_thread_that_inherits_logs_under_its_parents_name(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named(), ThreadPoolExecutor(2) as workers:
        list(workers.map(inherit_owner(log.info), ["one", "two", "three"]))
    assert sorted(handler.lines) == ["NPC #1: one", "NPC #1: three", "NPC #1: two"]


def test_an_agent_that_is_there_is_kept(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        log.info("quoting", extra={"agent": "Bea"})
    assert handler.lines == ["Bea: quoting"]


def test_every_record_passes_the_filter(pool: PoolHandle) -> None:
    record = logging.LogRecord("x", logging.DEBUG, "x.py", 1, "text", (), None)
    assert AgentFilter(pool).filter(record) is True


def test_the_attribute_can_be_chosen(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool, "speaker"))
    log.info("starting")
    assert vars(handler.records[0])["speaker"] == DEFAULT_NAME
    assert "agent" not in vars(handler.records[0])


def test_the_agent_can_be_used_in_a_format(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    handler.setFormatter(logging.Formatter("%(agent)s: %(message)s"))
    with pool.named():
        log.info("starting")
    assert handler.format(handler.records[0]) == "NPC #1: starting"


def test_before_a_queue_handler_the_agent_travels_with_the_record(
    pool: PoolHandle, handler: _Recording
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    sender = logging.handlers.QueueHandler(records)
    sender.addFilter(AgentFilter(pool))
    handler.addFilter(AgentFilter(pool))
    log.removeHandler(handler)
    log.addHandler(sender)
    try:
        with pool.named():
            log.info("starting")
    finally:
        log.removeHandler(sender)
    on_thread(lambda: handler.handle(records.get()))
    assert handler.lines == ["NPC #1: starting"]


def test_the_pool_itself_may_log_within_its_own_turn(pool: PoolHandle, handler: _Recording) -> None:
    handler.addFilter(AgentFilter(pool))
    pool.pool_stats(timeout=20)  # on the pool's thread: this is the main one
    assert handler.lines == [f"{DEFAULT_NAME}: counting"]


def test_the_pool_may_log_within_a_turn_that_runs_where_it_is_asked(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))

    def work() -> None:
        with pool.named():
            pool.pool_stats(timeout=20)

    on_thread(work)
    assert len(handler.lines) == 1
    assert handler.lines[0] in ("NPC #1: counting", f"{DEFAULT_NAME}: counting")


def test_a_name_that_was_checked_in_is_gone_from_the_next_record(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    name = pool.checkout_name()
    pool.checkin_name(name)
    log.info("ended")
    assert handler.lines == [f"{DEFAULT_NAME}: ended"]


def test_a_stopped_pool_does_not_keep_anybody_from_logging(
    ref: NamePoolRef, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(ref))
    ref.stop()
    log.info("alone")
    assert handler.lines == [f"{DEFAULT_NAME}: alone"]


# agent_record_factory


def test_every_record_of_the_program_gets_its_agent(pool: PoolHandle, handler: _Recording) -> None:
    with agent_record_factory(pool), pool.named():
        log.info("starting")
    assert handler.lines == ["NPC #1: starting"]


def test_under_the_factory_a_record_of_nobody_gets_the_default_name(
    pool: PoolHandle, handler: _Recording
) -> None:
    with agent_record_factory(pool):
        log.info("starting")
    assert handler.lines == [f"{DEFAULT_NAME}: starting"]


def test_under_the_factory_inheriting_workers_log_under_their_parents_name(
    pool: PoolHandle, handler: _Recording
) -> None:
    with agent_record_factory(pool), pool.named(), ThreadPoolExecutor(1) as workers:
        workers.submit(inherit_owner(log.info), "working").result()
    assert handler.lines == ["NPC #1: working"]


def test_the_factory_works_within_the_pools_own_turn(pool: PoolHandle, handler: _Recording) -> None:
    with agent_record_factory(pool):
        pool.pool_stats(timeout=20)
    assert handler.lines == [f"{DEFAULT_NAME}: counting"]


def test_the_factory_that_was_set_is_put_back(pool: PoolHandle) -> None:
    before = logging.getLogRecordFactory()
    with agent_record_factory(pool):
        assert logging.getLogRecordFactory() is not before
    assert logging.getLogRecordFactory() is before


def test_the_factory_is_put_back_after_an_exception(pool: PoolHandle) -> None:
    before = logging.getLogRecordFactory()
    with pytest.raises(KeyError), agent_record_factory(pool):
        raise KeyError
    assert logging.getLogRecordFactory() is before


def test_after_the_block_records_have_no_agent(pool: PoolHandle, handler: _Recording) -> None:
    with agent_record_factory(pool):
        pass
    log.info("later")
    assert handler.lines == ["None: later"]


class _Loud(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802  its base calls it so
        return super().getMessage().upper()


def test_the_factory_wraps_the_one_that_was_set(pool: PoolHandle, handler: _Recording) -> None:
    logging.setLogRecordFactory(_Loud)
    with agent_record_factory(pool):
        log.info("starting")
    assert handler.lines == [f"{DEFAULT_NAME}: STARTING"]


def test_an_agent_that_the_wrapped_factory_gave_is_kept(
    pool: PoolHandle, handler: _Recording
) -> None:
    def bea(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        record.agent = "Bea"
        return record

    logging.setLogRecordFactory(bea)
    with agent_record_factory(pool):
        log.info("starting")
    assert handler.lines == ["Bea: starting"]


def test_nested_factories_give_each_pools_name(pool: PoolHandle, handler: _Recording) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames("Guest ")))
    before = logging.getLogRecordFactory()
    outer, inner = agent_record_factory(pool), agent_record_factory(other, "guest")
    with outer, inner, pool.named(), other.named():
        log.info("meeting")
    assert handler.lines == ["NPC #1: meeting"]
    assert vars(handler.records[0])["guest"] == "Guest 1"
    assert logging.getLogRecordFactory() is before


def test_of_nested_factories_with_one_attribute_the_outer_one_speaks_first(
    pool: PoolHandle, handler: _Recording
) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames("Guest ")))
    with agent_record_factory(pool), agent_record_factory(other), pool.named(), other.named():
        log.info("meeting")
    assert handler.lines == ["NPC #1: meeting"]


def test_factories_that_end_in_the_order_they_began_are_all_gone(pool: PoolHandle) -> None:
    before = logging.getLogRecordFactory()
    first, second = agent_record_factory(pool), agent_record_factory(pool, "speaker")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    record = logging.getLogRecordFactory()("x", logging.INFO, "x.py", 1, "text", (), None)
    assert logging.getLogRecordFactory() is before or "agent" not in vars(record)


def test_under_the_factory_logging_refuses_a_call_with_an_agent_of_its_own(
    pool: PoolHandle, handler: _Recording
) -> None:
    with agent_record_factory(pool), pytest.raises(KeyError, match="overwrite 'agent'"):
        log.info("quoting", extra={"agent": "Bea"})
    assert handler.lines == []


def test_under_the_factory_a_received_record_keeps_its_agent(pool: PoolHandle) -> None:
    with agent_record_factory(pool):
        record = logging.makeLogRecord({"msg": "from afar", "agent": "Bea"})
    assert vars(record)["agent"] == "Bea"


IMPORT_LATE = """
import logging

def factory(*args, **kwargs):
    record = logging.LogRecord(*args, **kwargs)
    record.agent = "Bea"
    return record

logging.setLogRecordFactory(factory)
from namepool.attribution.logging import AgentFilter
from namepool.core.state import PoolState
AgentFilter(PoolState())
"""


def test_an_attribute_that_the_wrapped_factory_gives_may_be_used_whenever_we_are_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_LATE],
        env={**os.environ, "PYTHONPATH": str(Path(namepool.__file__).parents[1])},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# Arguments


def _enter_factory(pool: Any, attribute: Any = "agent") -> None:
    with agent_record_factory(pool, attribute):
        pass


BOTH = pytest.mark.parametrize(
    "make", [AgentFilter, _enter_factory], ids=["filter", "record factory"]
)


@BOTH
@pytest.mark.parametrize("pool", [None, 7, "pool", object(), {}, NamePool, PoolState], ids=repr)
def test_what_publishes_no_names_is_refused(make: Callable[..., Any], pool: object) -> None:
    before = logging.getLogRecordFactory()
    with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
        make(pool)
    assert logging.getLogRecordFactory() is before


@BOTH
@pytest.mark.parametrize("attribute", ["", "two words", "7up", "a.b", "a\nb", "x" * 65, None, 3])
def test_an_attribute_that_is_no_identifier_is_refused(
    make: Callable[..., Any], attribute: object, pool: PoolHandle
) -> None:
    with pytest.raises(InvalidOption, match="^attribute must be "):
        make(pool, attribute)


@BOTH
@pytest.mark.parametrize("attribute", ["message", "msg", "name", "args", "exc_info"])
def test_an_attribute_that_records_have_already_is_refused(
    make: Callable[..., Any], attribute: str, pool: PoolHandle
) -> None:
    with pytest.raises(InvalidOption, match="^attribute must be "):
        make(pool, attribute)


def test_records_that_a_logger_hands_to_several_handlers_get_one_agent(
    pool: PoolHandle, handler: _Recording
) -> None:
    second = _Recording()
    handler.addFilter(AgentFilter(pool))
    second.addFilter(AgentFilter(pool))
    log.addHandler(second)
    try:
        with pool.named():
            log.info("starting")
    finally:
        log.removeHandler(second)
    assert handler.lines == second.lines == ["NPC #1: starting"]


# Short forms and slugs


def test_a_record_gets_the_short_form_and_the_slug_of_its_agent(handler: _Recording) -> None:
    names = ["Ada the Yak Shaver", "Ada Electron", "Captain Bea Bogon"]
    pool = PoolHandle(NamePool.start(source=ScriptedSource(names)))
    handler.addFilter(AgentFilter(pool))
    handler.setFormatter(logging.Formatter("%(agent_short)s %(agent_slug)s"))
    with pool.named():
        log.info("alone")
        with pool.named(), owner_scope("another"), pool.named():
            log.info("at work")
    log.info("nobody")
    assert [handler.format(record) for record in handler.records] == [
        "Ada ada-the-yak-shaver",
        "Bea captain-bea-bogon",
        "Nemo nemo-nobody",
    ]


def test_a_short_form_grows_while_another_agent_has_the_same_given_name(
    handler: _Recording,
) -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource(["Ada Electron", "Ada Bogon"])))
    handler.addFilter(AgentFilter(pool, "speaker"))
    with pool.named():
        with owner_scope("another"), pool.named():
            log.info("two of a name")
        pool.pool_stats()  # the end of that block may have had to wait for the turn
        log.info("alone again")
    shorts = [vars(record)["speaker_short"] for record in handler.records]
    assert shorts == ["Ada Bogon", "Ada"]


def test_the_record_factory_gives_short_forms_and_slugs_too(
    pool: PoolHandle, handler: _Recording
) -> None:
    with agent_record_factory(pool), pool.named():
        log.info("starting")
    assert vars(handler.records[0])["agent_slug"] == "npc-1"
    assert vars(handler.records[0])["agent_short"] == "NPC"


def test_an_agent_that_is_there_is_shortened_as_it_is(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    log.info("quoting", extra={"agent": "Bea Bogon", "agent_slug": "b"})
    record = vars(handler.records[0])
    assert (record["agent_short"], record["agent_slug"]) == ("Bea", "b")


# The id of the lease


def ids(handler: _Recording, attribute: str = "agent_id") -> list[str]:
    return [vars(record)[attribute] for record in handler.records]


def test_a_record_gets_the_id_of_the_lease_of_its_agent(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    handler.setFormatter(logging.Formatter("%(agent_id)s|%(message)s"))
    with pool.named():
        log.info("one")
        on_thread(inherit_owner(lambda: log.info("two")))
        lease_id = pool.leases()[0].id
    log.info("three")
    lines = [handler.format(record) for record in handler.records]
    assert lines == [f"{lease_id}|one", f"{lease_id}|two", "|three"]


def test_two_runs_on_one_worker_under_one_name_log_two_ids(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))

    def run() -> None:
        with pool.named(name="Ada"):
            log.info("starting")
            log.info("done")

    with ThreadPoolExecutor(1) as workers:
        for _ in range(2):
            workers.submit(run).result()
    first, same, second, also = ids(handler)
    assert (first, second) == (same, also)
    assert first != second
    assert handler.lines == ["Ada: starting", "Ada: done"] * 2


def test_the_attribute_of_the_id_is_named_after_that_of_the_agent(
    pool: PoolHandle, handler: _Recording
) -> None:
    with agent_record_factory(pool, "speaker"), pool.named():
        log.info("starting")
        lease_id = pool.leases()[0].id
    assert ids(handler, "speaker_id") == [lease_id]


def test_an_id_that_is_there_is_kept_and_an_agent_that_is_there_has_none(
    pool: PoolHandle, handler: _Recording
) -> None:
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        log.info("quoting", extra={"agent_id": "mine"})
        log.info("quoting", extra={"agent": "Bea Bogon"})
    assert ids(handler) == ["mine", ""]


def test_behind_a_queue_a_record_keeps_the_id_that_it_got_before(
    pool: PoolHandle, handler: _Recording
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(records)
    front.addFilter(AgentFilter(pool))
    handler.addFilter(AgentFilter(pool))
    with pool.named():
        front.handle(logging.makeLogRecord({"msg": "starting"}))
        lease_id = pool.leases()[0].id
    on_thread(lambda: handler.handle(records.get()))
    assert ids(handler) == [lease_id]
