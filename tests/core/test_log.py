"""One log for all who read: numbered, bounded, and read from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from namepool.core.log import KEPT_EVENTS, Entry, EventLog
from namepool.events import FetchBegan
from tests.mirror import StillReader
from tests.support import PATIENCE, switching_often


def written(log: EventLog, count: int) -> None:
    for n in range(count):
        log.add(FetchBegan(n, None, at=0.0))


def test_nothing_is_kept_while_nobody_reads() -> None:
    log = EventLog()

    written(log, 3)

    assert (log.count, len(log.entries)) == (0, 0)


def test_a_reader_gets_what_comes_after_it_began_in_order() -> None:
    log = EventLog()
    first = StillReader(log)
    written(log, 2)
    second = StillReader(log)
    written(log, 1)

    assert [event.count for event in first.read()] == [0, 1, 0]  # type: ignore[attr-defined]
    assert [event.count for event in second.read()] == [0]  # type: ignore[attr-defined]
    assert first.read() == second.read() == []


def test_the_oldest_are_dropped_and_the_numbers_say_how_many() -> None:
    log = EventLog()
    StillReader(log)
    written(log, KEPT_EVENTS + 5)

    entries = log.after(0)

    assert len(entries) == KEPT_EVENTS
    assert (entries[0][0], entries[-1][0]) == (6, KEPT_EVENTS + 5)


def test_a_reader_is_woken_once_until_it_looks() -> None:
    log = EventLog()
    reader = StillReader(log)
    written(log, 3)
    assert reader.woken == 1

    reader.read()
    written(log, 1)

    assert reader.woken == 2


def test_everybody_is_woken_where_a_waking_may_have_been_cut_short() -> None:
    log = EventLog()
    reader = StillReader(log)
    reader.is_woken = True  # as it is left by one that was struck before ``wake``

    log.wake(all_of_them=True)

    assert reader.woken == 1


class _Growing(deque[Entry]):
    """Grows while it is looked at, once."""

    log: EventLog | None = None

    def __reversed__(self) -> Iterator[Entry]:
        entries = super().__reversed__()
        log, self.log = self.log, None
        if log is not None:
            written(log, 1)
        return entries


def test_an_event_that_is_written_while_one_reads_is_read_too() -> None:
    log = EventLog()
    log.entries = growing = _Growing()
    reader = StillReader(log)
    written(log, 2)
    growing.log = log

    assert [event.count for event in reader.read()] == [0, 1, 0]  # type: ignore[attr-defined]


def test_who_reads_while_others_write_misses_nothing() -> None:
    log = EventLog()
    reader = StillReader(log)
    wanted = KEPT_EVENTS - 1  # so that nothing is dropped however late it reads
    writer = threading.Thread(target=written, args=(log, wanted))

    got: list[int] = []
    with switching_often():
        writer.start()
        while writer.is_alive() or reader.seen < log.count:
            got += [event.count for event in reader.read()]  # type: ignore[attr-defined]
        writer.join(PATIENCE)

    assert got == list(range(wanted))
