"""The bookkeeping of fetches: what is on its way, what is learnt of it, and when to look again."""

from __future__ import annotations

from namepool.core.refill import Backoff, Learnt, RefillPolicy
from namepool.pool.fetches import Fetches

BOUNDS = RefillPolicy()  # chunks of 12 to 50, low-water mark 6, four fetches at once


def _fetches(learnt: Learnt | None = None) -> Fetches[str]:
    return Fetches(BOUNDS, learnt, Backoff(random=lambda: 1.0))


def _fetched(fetches: Fetches[str], began: float, ended: float, came: int = 12) -> None:
    fetch = fetches.end(fetches.begin("fetcher", 12, began))
    assert fetch is not None
    fetches.succeeded(fetch, came, ended)


def _busy(learnt: Learnt) -> Fetches[str]:
    """Return fetches that take a second, where 20 names a second have been asked for."""
    fetches = _fetches(learnt)
    fetches.look(0.0, 0, 0)
    for now in range(1, 20):
        _fetched(fetches, now - 1.0, now)
        fetches.look(now, 20 * now, 30)
    return fetches


def test_a_look_comes_when_half_of_what_was_there_is_gone() -> None:
    fetches = _fetches()
    assert fetches.floor == 6
    fetches.look(0.0, 0, 100)
    assert fetches.floor == 50
    fetches.look(1.0, 50, 50)
    assert fetches.floor == 25


def test_a_look_comes_when_a_fetch_is_due_if_that_is_earlier() -> None:
    fetches = _fetches()
    fetches.look(0.0, 0, 10)
    assert fetches.floor == 6


def test_a_look_at_half_comes_also_while_no_more_fetches_may_begin() -> None:
    fetches = _fetches()
    fetches.look(0.0, 0, 100)
    for _ in range(4):
        fetches.begin("fetcher", 12, 0.0)
    assert fetches.floor == 50


def test_a_fetch_teaches_how_long_one_takes_and_how_much_comes() -> None:
    learnt = Learnt()
    _fetched(_fetches(learnt), began=5.0, ended=5.5, came=6)
    assert learnt.seconds == 0.5
    assert learnt.share < 1.0


def test_what_is_on_its_way_is_what_such_fetches_brought() -> None:
    fetches = _fetches()
    for now in range(20):
        _fetched(fetches, now, now + 1.0, came=6)
    fetches.begin("fetcher", 48, 20.0)
    assert fetches.expected in (24, 25)


def test_a_demand_raises_the_low_water_mark_and_the_chunk() -> None:
    fetches = _busy(Learnt())
    assert fetches.policy.low_water_mark > 25
    assert fetches.policy.chunk_size > 15
    assert fetches.due(30, 0) > 15


def test_while_a_source_fails_what_is_drawn_teaches_nothing() -> None:
    learnt = Learnt()
    fetches = _busy(learnt)
    before, policy = learnt.demand, fetches.policy
    fetches.failed(20.0, OSError())
    for now in range(20, 80):
        fetches.look(now, 100_000 * now, 0)  # those who are refused ask again, and again
    assert learnt.demand == before
    assert fetches.policy == policy


def test_failures_and_fetches_given_up_teach_nothing_of_the_latency() -> None:
    learnt = Learnt()
    fetches = _busy(learnt)
    before = learnt.seconds
    fetches.end(fetches.begin("fetcher", 12, 20.0))
    fetches.failed(20.1, OSError())
    fetches.abandon(fetches.begin("fetcher", 12, 21.0))
    fetches.failed(51.0, OSError())
    assert learnt.seconds == before


def test_a_fetch_that_is_late_raises_the_low_water_mark_at_once() -> None:
    learnt = Learnt()
    fetches = _busy(learnt)
    before = fetches.policy.low_water_mark
    fetches.begin("fetcher", 12, 19.0)
    fetches.look(23.0, 460, 30)
    assert fetches.policy.low_water_mark > 2 * before
    assert (learnt.seconds or 0) < 1.1


def test_a_fetch_that_hangs_says_nothing_when_a_later_one_has_come() -> None:
    fetches = _busy(Learnt())
    before = fetches.policy.low_water_mark
    fetches.begin("hanging", 12, 19.0)
    _fetched(fetches, 22.0, 23.0)
    fetches.look(23.0, 460, 30)
    assert fetches.policy.low_water_mark <= before + 2


def test_a_fetcher_is_started_ahead_only_if_none_is_idle() -> None:
    fetches = _fetches()
    fetches.keep_idle(lambda: "one")
    fetches.keep_idle(lambda: "two")
    assert fetches.fetchers == ["one"]
    assert fetches.take_idle() == "one"
    assert fetches.take_idle() is None


def test_what_was_learnt_holds_from_the_start_of_the_next_incarnation() -> None:
    learnt = Learnt()
    before = _busy(learnt).policy
    after = _fetches(learnt)
    assert after.policy == before
    assert after.floor == before.low_water_mark
