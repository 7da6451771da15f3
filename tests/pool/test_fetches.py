"""The bookkeeping of fetches, and what is learnt of them, without an actor: a fetcher is a word."""

from __future__ import annotations

import pytest

from namepool.core.refill import Learnt, Pauses, RefillPolicy
from namepool.core.stock import Stock
from namepool.pool.fetches import Fetches


def fetches_of(max_fetches: int = 2, learnt: Learnt | None = None) -> Fetches[str]:
    """Chunks of 12 to 50, low-water mark 6; a pause is the whole of the nominal one."""
    bounds = RefillPolicy(
        chunk_size=12, max_chunk_size=50, low_water_mark=6, max_fetches=max_fetches
    )
    stock = Stock(None)
    if learnt is not None:
        stock.learnt = learnt
    return Fetches(bounds, stock, Pauses(jitter=lambda: 1.0))


@pytest.fixture
def fetches() -> Fetches[str]:
    return fetches_of()


def begin(fetches: Fetches[str], fetcher: str, count: int, now: float = 0.0) -> int:
    return fetches.begin(fetcher, count, now)


def names_came(
    fetches: Fetches[str], began: float = 0.0, ended: float = 1.0, came: int = 12
) -> None:
    """Let a fetch of 12 names begin, and end well."""
    fetch = fetches.end(begin(fetches, "fetcher", 12, began))
    assert fetch is not None
    fetches.succeeded(fetch, came, ended)


def busy(learnt: Learnt) -> Fetches[str]:
    """Return fetches that take a second, where 20 names a second have been asked for."""
    fetches = fetches_of(4, learnt)
    fetches.look(0.0, 0, 0)
    for now in range(1, 20):
        names_came(fetches, now - 1.0, now)
        fetches.look(now, 20 * now, 30)
    return fetches


# begin and end


def test_at_first_nothing_is_under_way_and_nobody_is_idle(fetches: Fetches[str]) -> None:
    assert len(fetches) == 0
    assert fetches.expected == 0
    assert fetches.fetchers == []
    assert fetches.take_idle() is None
    assert fetches.cause is None


def test_a_fetch_that_began_is_under_way_with_the_names_it_asked_for(
    fetches: Fetches[str],
) -> None:
    begin(fetches, "a", 12)
    begin(fetches, "b", 30)

    assert len(fetches) == 2
    assert fetches.expected == 42
    assert fetches.fetchers == ["a", "b"]


def test_each_request_has_a_number_of_its_own_also_after_others_ended(
    fetches: Fetches[str],
) -> None:
    first = begin(fetches, "a", 12)
    fetches.end(first)
    second, third = begin(fetches, "a", 12), begin(fetches, "b", 12)

    assert len({first, second, third}) == 3


def test_the_end_of_a_fetch_tells_which_it_was_and_leaves_the_others(
    fetches: Fetches[str],
) -> None:
    first = begin(fetches, "a", 12)
    begin(fetches, "b", 30)

    ended = fetches.end(first)

    assert ended is not None
    assert (ended.fetcher, ended.expected) == ("a", 12)
    assert len(fetches) == 1
    assert fetches.expected == 30


def test_a_fetcher_is_idle_when_its_fetch_has_ended_and_busy_when_it_was_taken(
    fetches: Fetches[str],
) -> None:
    fetches.end(begin(fetches, "a", 12))

    assert fetches.fetchers == ["a"]
    assert fetches.take_idle() == "a"
    assert fetches.take_idle() is None


def test_the_fetchers_are_the_idle_ones_first_then_the_busy(fetches: Fetches[str]) -> None:
    begin(fetches, "a", 12)
    fetches.end(begin(fetches, "b", 12))

    assert fetches.fetchers == ["b", "a"]


def test_a_fetch_ends_once(fetches: Fetches[str]) -> None:
    request = begin(fetches, "a", 12)
    fetches.end(request)

    assert fetches.end(request) is None
    assert fetches.abandon(request) is None
    assert fetches.fetchers == ["a"]


# abandon


def test_an_abandoned_fetch_is_under_way_no_more_and_its_fetcher_is_not_used_again(
    fetches: Fetches[str],
) -> None:
    abandoned = fetches.abandon(begin(fetches, "a", 12))

    assert abandoned is not None
    assert (abandoned.fetcher, abandoned.expected) == ("a", 12)
    assert len(fetches) == 0
    assert fetches.take_idle() is None
    assert fetches.fetchers == []


def test_an_answer_that_comes_after_its_fetch_was_abandoned_ends_nothing(
    fetches: Fetches[str],
) -> None:
    request = begin(fetches, "a", 12)
    fetches.abandon(request)

    assert fetches.end(request) is None
    assert fetches.take_idle() is None


# fetcher_died


def test_the_fetch_of_a_fetcher_that_died_is_lost_with_it(fetches: Fetches[str]) -> None:
    request = begin(fetches, "a", 12)
    begin(fetches, "b", 30)

    assert len(fetches.fetcher_died("a")) == 1

    assert fetches.end(request) is None
    assert fetches.expected == 30
    assert fetches.fetchers == ["b"]


def test_an_idle_fetcher_that_died_takes_no_fetch_with_it_and_is_not_used_again(
    fetches: Fetches[str],
) -> None:
    first, second = begin(fetches, "a", 12), begin(fetches, "b", 12)
    fetches.end(first)
    fetches.end(second)

    assert not fetches.fetcher_died("a")

    assert fetches.fetchers == ["b"]
    assert fetches.take_idle() == "b"


def test_a_fetcher_that_was_given_up_dies_without_a_loss(fetches: Fetches[str]) -> None:
    fetches.abandon(begin(fetches, "a", 12))

    assert not fetches.fetcher_died("a")


# floor


def test_with_nothing_under_way_the_low_water_mark_is_the_floor(fetches: Fetches[str]) -> None:
    assert fetches.stock.floor == 6


@pytest.mark.parametrize("end", ["end", "abandon"])
def test_the_floor_falls_by_what_is_on_its_way_and_rises_again_when_it_is_not(
    fetches: Fetches[str], end: str
) -> None:
    request = begin(fetches, "a", 4)
    assert fetches.stock.floor == 2

    getattr(fetches, end)(request)
    assert fetches.stock.floor == 6


def test_the_floor_rises_again_when_a_fetcher_dies(fetches: Fetches[str]) -> None:
    begin(fetches, "a", 4)
    fetches.fetcher_died("a")

    assert fetches.stock.floor == 6


def test_the_floor_is_nothing_while_no_further_fetch_may_begin() -> None:
    fetches = fetches_of(max_fetches=1)
    begin(fetches, "a", 1)

    assert fetches.stock.floor == 0


# due


def test_no_fetch_is_due_at_the_floor_and_one_is_below_it(fetches: Fetches[str]) -> None:
    assert fetches.due(available=6, waiting=0) == 0
    assert fetches.due(available=5, waiting=0) >= 12


def test_no_fetch_is_due_for_those_whose_names_are_on_their_way(fetches: Fetches[str]) -> None:
    begin(fetches, "a", 18)

    assert fetches.due(available=0, waiting=12) == 0
    assert fetches.due(available=0, waiting=19) > 0


def test_no_fetch_is_due_while_as_many_as_may_be_are_under_way(fetches: Fetches[str]) -> None:
    begin(fetches, "a", 12)
    second = begin(fetches, "b", 12)
    assert fetches.due(available=0, waiting=1000) == 0

    fetches.end(second)
    assert fetches.due(available=0, waiting=1000) == 50


def test_all_fetches_are_for_one_while_there_are_no_themes() -> None:
    fetches = fetches_of(max_fetches=4)
    for fetcher in "abc":
        begin(fetches, fetcher, 50)
    assert fetches.due(available=0, waiting=1000) == 50


@pytest.mark.parametrize("most", [2, 3, 4])
def test_the_last_fetch_is_for_a_theme_that_has_none_under_way(most: int) -> None:
    fetches = fetches_of(max_fetches=most)
    sea, kitchen = fetches.of(Stock("sea")), fetches.of(Stock("kitchen"))
    for fetcher in range(most - 1):
        assert sea.due(available=0, waiting=1000) == 50
        begin(sea, str(fetcher), 50)

    assert sea.due(available=0, waiting=1000) == sea.stock.floor == 0
    assert kitchen.due(available=0, waiting=30) == fetches.due(available=0, waiting=30) == 30
    begin(kitchen, "last", 50)
    assert fetches.due(available=0, waiting=30) == 0


def test_the_only_fetch_is_for_whichever_theme_comes_first() -> None:
    fetches = fetches_of(max_fetches=1)
    sea, kitchen = fetches.of(Stock("sea")), fetches.of(Stock("kitchen"))
    assert sea.due(available=0, waiting=1000) == kitchen.due(available=0, waiting=1000) == 50


def test_those_who_wait_for_a_theme_share_the_fetches_that_it_may_have() -> None:
    sea = fetches_of(max_fetches=4).of(Stock("sea"))
    counts = []
    while count := sea.due(available=0, waiting=120):
        counts.append(count)
        begin(sea, f"fetcher {len(counts)}", count)
    assert counts == [40, 40, 40]


def test_all_fetches_are_for_one_again_when_the_only_theme_is_forgotten() -> None:
    fetches = fetches_of(max_fetches=2)
    fetches.of(Stock("sea"))
    begin(fetches, "a", 1)
    assert fetches.due(available=0, waiting=30) == fetches.stock.floor == 0

    fetches.forget("sea")

    assert fetches.due(available=0, waiting=30) == 29
    assert fetches.stock.floor == 5


# failed, succeeded, pause


def test_without_a_failure_there_is_no_pause(fetches: Fetches[str]) -> None:
    assert fetches.pause(now=0.0) == 0.0


def test_a_failure_says_its_pause_which_passes_with_the_time(fetches: Fetches[str]) -> None:
    seconds = fetches.failed(100.0, LookupError())

    assert seconds > 0.0
    assert fetches.pause(now=100.0) == pytest.approx(seconds)
    assert fetches.pause(now=100.0 + seconds / 2) == pytest.approx(seconds / 2)
    assert fetches.pause(now=100.0 + seconds + 1.0) == 0.0


def test_the_pause_grows_with_each_failure_until_names_come(fetches: Fetches[str]) -> None:
    first = fetches.failed(100.0, LookupError())
    assert fetches.failed(200.0, LookupError()) > first

    names_came(fetches)

    assert fetches.pause(now=200.0) == 0.0
    assert fetches.failed(300.0, LookupError()) == first


def test_the_cause_is_that_of_the_last_failure_until_names_come(fetches: Fetches[str]) -> None:
    last = LookupError("last")
    fetches.failed(100.0, LookupError("first"))
    fetches.failed(101.0, last)
    assert fetches.cause is last

    names_came(fetches)
    assert fetches.cause is None


def test_an_error_that_asks_for_a_longer_pause_gets_it(fetches: Fetches[str]) -> None:
    error = LookupError()
    error.retry_after = 90  # type: ignore[attr-defined]

    assert fetches.failed(100.0, error) == 90.0


# reset


def test_after_a_reset_what_is_under_way_is_not_wanted_yet_still_ends(
    fetches: Fetches[str],
) -> None:
    request = begin(fetches, "a", 12)

    fetches.reset()

    assert len(fetches) == 1
    assert fetches.expected == 0
    assert fetches.stock.floor == 6
    ended = fetches.end(request)
    assert ended is not None
    assert ended.expected == 0
    assert fetches.take_idle() == "a"


def test_a_reset_ends_the_pause_and_the_next_one_is_as_the_first(fetches: Fetches[str]) -> None:
    first = fetches.failed(100.0, LookupError())
    fetches.failed(100.0, LookupError())

    fetches.reset()

    assert fetches.pause(now=100.0) == 0.0
    assert fetches.failed(100.0, LookupError()) == first


# what is learnt, and when to look


def test_a_look_comes_when_half_of_what_was_there_is_gone() -> None:
    fetches = fetches_of(4)
    assert fetches.stock.floor == 6
    fetches.look(0.0, 0, 100)
    assert fetches.stock.floor == 50
    fetches.look(1.0, 50, 50)
    assert fetches.stock.floor == 25


def test_a_look_comes_when_a_fetch_is_due_if_that_is_earlier() -> None:
    fetches = fetches_of(4)
    fetches.look(0.0, 0, 10)
    assert fetches.stock.floor == 6


def test_a_look_at_half_comes_also_while_no_more_fetches_may_begin() -> None:
    fetches = fetches_of(4)
    fetches.look(0.0, 0, 100)
    for _ in range(4):
        fetches.begin("fetcher", 12, 0.0)
    assert fetches.stock.floor == 50


def test_a_fetch_teaches_how_long_one_takes_and_how_much_comes() -> None:
    learnt = Learnt()
    names_came(fetches_of(4, learnt), began=5.0, ended=5.5, came=6)
    assert learnt.seconds == 0.5
    assert learnt.share < 1.0


def test_what_is_on_its_way_is_what_such_fetches_brought() -> None:
    fetches = fetches_of(4)
    for now in range(20):
        names_came(fetches, now, now + 1.0, came=6)
    fetches.begin("fetcher", 48, 20.0)
    assert fetches.expected in (24, 25)


def test_a_demand_raises_the_low_water_mark_and_the_chunk() -> None:
    fetches = busy(Learnt())
    assert fetches.policy.low_water_mark > 25
    assert fetches.policy.chunk_size > 15
    assert fetches.due(30, 0) > 15


def test_while_a_source_fails_what_is_drawn_teaches_nothing() -> None:
    learnt = Learnt()
    fetches = busy(learnt)
    before, policy = learnt.demand, fetches.policy
    fetches.failed(20.0, OSError())
    for now in range(20, 80):
        fetches.look(now, 100_000 * now, 0)  # those who are refused ask again, and again
    assert learnt.demand == before
    assert fetches.policy == policy


def test_failures_and_fetches_given_up_teach_nothing_of_the_latency() -> None:
    learnt = Learnt()
    fetches = busy(learnt)
    before = learnt.seconds
    fetches.end(fetches.begin("fetcher", 12, 20.0))
    fetches.failed(20.1, OSError())
    fetches.abandon(fetches.begin("fetcher", 12, 21.0))
    fetches.failed(51.0, OSError())
    assert learnt.seconds == before


def test_a_fetch_that_is_late_raises_the_low_water_mark_at_once() -> None:
    learnt = Learnt()
    fetches = busy(learnt)
    before = fetches.policy.low_water_mark
    fetches.begin("fetcher", 12, 19.0)
    fetches.look(23.0, 460, 30)
    assert fetches.policy.low_water_mark > 2 * before
    assert (learnt.seconds or 0) < 1.1


def test_a_fetch_that_hangs_says_nothing_when_a_later_one_has_come() -> None:
    fetches = busy(Learnt())
    before = fetches.policy.low_water_mark
    fetches.begin("hanging", 12, 19.0)
    names_came(fetches, 22.0, 23.0)
    fetches.look(23.0, 460, 30)
    assert fetches.policy.low_water_mark <= before + 2


def test_a_fetcher_is_started_ahead_only_if_none_is_idle() -> None:
    fetches = fetches_of(4)
    fetches.keep_idle(lambda: "one")
    fetches.keep_idle(lambda: "two")
    assert fetches.fetchers == ["one"]
    assert fetches.take_idle() == "one"
    assert fetches.take_idle() is None


def test_what_was_learnt_holds_from_the_start_of_the_next_incarnation() -> None:
    learnt = Learnt()
    before = busy(learnt).policy
    after = fetches_of(4, learnt)
    assert after.policy == before
    assert after.stock.floor == before.low_water_mark


def test_a_stock_that_takes_the_place_of_a_forgotten_one_has_fetches_of_its_own() -> None:
    fetches: Fetches[str] = Fetches(RefillPolicy())
    before = fetches.of(Stock("sea"))
    again = Stock("sea")
    assert fetches.of(again) is not before
    assert fetches.of(again) is fetches.of(again)
    assert fetches.of(again).stock is again
