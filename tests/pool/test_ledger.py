"""A pool with a ledger hands out only what is claimed there, and never waits for it itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pykka
import pytest

import namepool
from namepool import (
    AssociateName,
    InvalidOption,
    LedgerBusy,
    LedgerError,
    NamePool,
    NameSource,
    NamesUnavailable,
    NumberedNames,
    OfflineNames,
    PoolHandle,
    SourceError,
)
from namepool.core.judging import judge
from namepool.ledgers.base import RENEW_EVERY
from namepool.ledgers.claims import ENDING, Chunk, ClaimedNames
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.sources.base import FallbackSource, time_limit
from tests.support import (
    PATIENCE,
    GatedSource,
    MovableClock,
    ScriptedSource,
    on_thread,
    started,
    wait_until,
)


class Failing(MemoryLedger):
    """A ledger that cannot be reached while it is ``down``; notes when it is asked for a name."""

    def __init__(self, book: Book | None = None, **options: Any) -> None:
        super().__init__(book, **options)
        self.down = False
        self.lose_replies = False
        self.gate: threading.Event | None = None
        self.taken = threading.Event()
        self.renewed = threading.Semaphore(0)
        self.released = threading.Semaphore(0)

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        self._check()
        ours = super().claim(names, token)
        if self.lose_replies:
            raise LedgerError("the answer was lost")
        return ours

    def take(self, name: str, identity: str | None = None) -> Any:
        if self.gate is not None:
            assert self.gate.wait(PATIENCE)
        self._check()
        try:
            return super().take(name, identity)
        finally:
            self.taken.set()

    def renew(self) -> None:
        super().renew()
        self.renewed.release()

    def release(self, names: Any, token: str | None = None) -> None:
        super().release(names, token)
        self.released.release()

    def _check(self) -> None:
        if self.down:
            raise LedgerError("no route to the ledger")


def names_of(ledger: MemoryLedger) -> set[str]:
    return {holder.name for holder in ledger.holders()}


def test_two_pools_of_a_ledger_never_hand_out_one_name(book: Book) -> None:
    with (
        namepool.open_pool(source=NumberedNames(), ledger=MemoryLedger(book)) as first,
        namepool.open_pool(source=NumberedNames(), ledger=MemoryLedger(book)) as second,
    ):
        names = [pool.checkout_name() for pool in (first, second) for _ in range(40)]

    assert len(set(names)) == 80


def test_a_url_opens_a_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/names.db?namespace=fleet"
    with (
        namepool.open_pool(source=NumberedNames(), ledger=url) as first,
        namepool.open_pool(source=NumberedNames(), ledger=url) as second,
    ):
        assert first.checkout_name() != second.checkout_name()


def test_what_is_no_ledger_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidOption, match="ledger must be a URL, or an object"):
        namepool.open_pool(ledger=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="ledger's scheme must be"):
        namepool.open_pool(ledger="mysql://x")


def test_a_pool_of_its_own_takes_a_ledger_too(book: Book, others: MemoryLedger) -> None:
    ref = NamePool.start(source=NumberedNames(), ledger=MemoryLedger(book))
    name = PoolHandle(ref).checkout_name()

    assert others.claim([name], "t") == []


# -- a chunk ------------------------------------------------------------------------------------


def fetch(claims: ClaimedNames, count: int) -> list[object]:
    with time_limit(PATIENCE):
        names: list[object] = claims.fetch(count, ())
    return names


def test_what_others_have_costs_no_further_call_while_half_of_the_chunk_is_left(
    book: Book, others: MemoryLedger
) -> None:
    others.claim(["One", "Two"], "t")
    source = ScriptedSource(["One", "Two", "Three", "Four"], ["Five"])

    assert fetch(ClaimedNames(source, MemoryLedger(book)), 4) == ["Three", "Four"]
    assert source.calls == 1


def test_the_source_is_asked_for_the_rest_of_a_chunk_that_is_too_small(
    book: Book, others: MemoryLedger
) -> None:
    class Source:
        def __init__(self) -> None:
            self.asked: list[tuple[int, list[str]]] = []

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            self.asked.append((count, list(used)))
            return [["One", "Two", "Three", "Four"], ["Five", "Six"]][len(self.asked) - 1]

    others.claim(["One", "Two", "Three"], "t")
    source = Source()

    assert fetch(ClaimedNames(source, MemoryLedger(book)), 4) == ["Four", "Five", "Six"]
    assert source.asked == [(4, []), (3, ["One", "Two", "Three"])]


def test_a_source_that_fails_the_second_time_has_given_what_it_gave(
    book: Book, others: MemoryLedger
) -> None:
    others.claim(["One", "Two", "Three"], "t")
    source = ScriptedSource(["One", "Two", "Three", "Four"], SourceError("no more"))

    assert fetch(ClaimedNames(source, MemoryLedger(book)), 4) == ["Four"]


def test_a_slow_source_is_not_asked_for_ever(
    book: Book, others: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("namepool.ledgers.claims.QUICK", 0.0)
    source = ScriptedSource(*[[f"Name {n}"] for n in range(9)])
    others.claim([f"Name {n}" for n in range(9)], "t")

    with pytest.raises(SourceError, match="others have claimed all 3 names that ScriptedSource"):
        fetch(ClaimedNames(source, MemoryLedger(book)), 4)
    assert source.calls == 3


def test_without_time_the_source_is_asked_once(book: Book) -> None:
    chunk = Chunk(4, 0.0)  # it began when the clock did
    assert chunk.may_ask()
    chunk.take_in(judge(["One"]), lambda names: names)

    with time_limit(PATIENCE):
        assert not chunk.may_ask()


def test_what_is_no_name_is_left_to_the_pool_to_count(book: Book) -> None:
    source = ScriptedSource(["One", "two\nlines", 7, "ONE", "Nemo Nobody"])
    with namepool.open_pool(source=source, ledger=MemoryLedger(book), low_water_mark=0) as pool:
        pool.checkout_name()
        stats = pool.pool_stats()

    assert (stats.invalid_count, stats.duplicate_count, stats.rejected_count) == (3, 0, 0)


def test_a_pool_counts_what_others_have_and_learns_from_what_is_left(
    book: Book, others: MemoryLedger
) -> None:
    others.claim([f"NPC #{n}" for n in range(1, 5)], "t")
    source, ledger = NumberedNames(), MemoryLedger(book)
    with namepool.open_pool(source=source, ledger=ledger, chunk_size=8, low_water_mark=0) as pool:
        pool.checkout_name()
        stats = pool.pool_stats()
        share = pool._target.current._actor._state.stocks[None].learnt.share  # type: ignore[attr-defined]

    assert (stats.rejected_count, stats.available_count, stats.fetch_count) == (4, 3, 1)
    assert share == 1 - (1 - 4 / 8) / 4


def test_a_claimed_source_knows_the_themes_that_its_source_knows(book: Book) -> None:
    import inspect

    with_themes = ClaimedNames(OfflineNames(), MemoryLedger(book))
    without = ClaimedNames(NumberedNames(), MemoryLedger(book))

    assert "theme" in inspect.signature(with_themes.fetch).parameters
    assert "theme" not in inspect.signature(without.fetch).parameters
    assert len(with_themes.fetch(3, (), theme="kitchen")) == 3


# -- a ledger that fails ------------------------------------------------------------------------


def test_while_the_ledger_is_down_nothing_is_handed_out_and_then_all_goes_on(book: Book) -> None:
    ledger, clock = Failing(book), MovableClock()
    ledger.down = True
    pool = PoolHandle(NamePool.start(source=NumberedNames(), ledger=ledger))
    clock.drive(pool._target)
    with pytest.raises(NamesUnavailable, match="no route to the ledger") as caught:
        pool.checkout_name()
    assert isinstance(caught.value.__cause__, LedgerError)
    assert pool.pool_stats().available_count == 0

    ledger.down = False
    clock.advance(100.0)

    assert pool.checkout_name().startswith("NPC #")


def test_a_claim_whose_answer_was_lost_is_taken_back(book: Book, others: MemoryLedger) -> None:
    ledger = Failing(book)
    claims = ClaimedNames(ScriptedSource(["One", "Two"], ["Three", "Four"]), ledger)
    ledger.lose_replies = True
    with pytest.raises(LedgerError):
        fetch(claims, 2)
    assert names_of(others) == {"One", "Two"}

    ledger.lose_replies = False

    assert fetch(claims, 2) == ["Three", "Four"]
    assert names_of(others) == {"Three", "Four"}


def test_a_ledger_that_breaks_its_word_does_not_end_a_pool(book: Book) -> None:
    class Broken(Failing):
        def claim(self, names: Sequence[str], token: str) -> list[str]:
            raise SystemExit(3)

        def renew(self) -> None:
            raise ValueError("not today")

    with namepool.open_pool(source=NumberedNames(), ledger=Broken(book)) as pool:
        with pytest.raises(NamesUnavailable):
            pool.checkout_name()
        assert pool.associate_name("Ada") == "Ada"


# -- names that agents bring --------------------------------------------------------------------


def test_a_name_that_an_agent_brings_is_claimed_behind_its_back(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Failing(book)
    ledger.gate = threading.Event()
    with namepool.open_pool(source=NumberedNames(), ledger=ledger) as pool:
        assert pool.associate_name("Ada") == "Ada"  # although the ledger does not answer
        ledger.gate.set()
        assert ledger.taken.wait(PATIENCE)

        assert others.claim(["Ada"], "t") == []
        assert pool.pool_stats().conflict_count == 0


def test_a_name_that_an_agent_brings_and_another_session_has_is_logged_and_counted(
    book: Book, others: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    others.claim(["Ada"], "t")
    ledger = Failing(book)
    pool = namepool.open_pool(source=NumberedNames(), ledger=ledger)
    with pool, pool.speaking_as("Ada") as name:
        assert name == "Ada"
        assert ledger.taken.wait(PATIENCE)
        wait_until(lambda: pool.pool_stats().conflict_count == 1, pool._target)

    assert "'Ada', under which an agent of this pool may speak, is held by process" in caplog.text


def test_a_name_brought_while_the_ledger_is_down_is_claimed_later(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Failing(book)
    ledger.down = True
    with namepool.open_pool(source=NumberedNames(), ledger=ledger) as pool:
        pool.associate_name("Ada")
        ledger.down = False
        pool.associate_name("Bob")
        wait_until(lambda: {"Ada", "Bob"} <= names_of(others), pool._target)


# -- the life of a session ----------------------------------------------------------------------


def test_what_is_not_checked_out_is_released_at_the_end(book: Book, others: MemoryLedger) -> None:
    source = GatedSource(is_open=True)
    ledger = MemoryLedger(book)
    with namepool.open_pool(source=source, ledger=ledger) as pool:
        kept = pool.checkout_name()
        back = pool.checkout_name()
        pool.checkin_name(back)

    assert source.closed.wait(PATIENCE)
    assert names_of(others) == {kept}
    assert others.stats().ended == 1


def test_a_pool_that_holds_nothing_leaves_nothing_in_the_ledger(
    book: Book, others: MemoryLedger
) -> None:
    source = GatedSource(is_open=True)
    with namepool.open_pool(source=source, ledger=MemoryLedger(book)) as pool, pool.named():
        pass

    assert source.closed.wait(PATIENCE)
    assert (others.stats().claimed, others.stats().ended) == (0, 0)


def test_a_restarted_pool_goes_on_with_its_session(book: Book, others: MemoryLedger) -> None:
    with namepool.open_pool(source=NumberedNames(), ledger=MemoryLedger(book)) as pool:
        handle: Any = pool._target
        pool.checkout_name()
        generation = handle.generation
        handle.current.tell(AssociateName(7))  # type: ignore[arg-type]
        wait_until(lambda: handle.generation > generation, handle)
        names = [pool.checkout_name() for _ in range(20)]

        assert set(names) <= names_of(others)
        assert others.stats().living == 1


def test_a_chunk_that_a_reset_made_unwanted_is_released(book: Book, others: MemoryLedger) -> None:
    source, ledger = GatedSource(), Failing(book)
    with namepool.open_pool(source=source, ledger=ledger, prefetch=True) as pool:
        source.wait_asked()
        pool.reset()
        pool.associate_name("Name 4")
        source.gate.set()
        assert ledger.released.acquire(timeout=PATIENCE)

        first = {f"Name {n}" for n in range(1, 13)}
        wait_until(lambda: names_of(others) & first == {"Name 4"}, pool._target)


def test_what_is_being_claimed_when_a_pool_is_closed_is_released(
    book: Book, others: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ClosedMeanwhile(MemoryLedger):
        def claim(self, names: Sequence[str], token: str) -> list[str]:
            ours = super().claim(names, token)
            claims.close()
            return ours

    monkeypatch.setattr("namepool.ledgers.claims.CLAIMING", 0.0)  # it would wait for itself
    claims = ClaimedNames(NumberedNames(), ClosedMeanwhile(book))
    with pytest.raises(LedgerError, match="the pool is closed"):
        fetch(claims, 4)

    assert others.stats()[1:] == (0, 0, 0, 0)
    with pytest.raises(LedgerError, match="the pool is closed"):
        fetch(claims, 4)


def test_a_claim_that_hangs_does_not_hold_up_the_end_and_is_released_when_it_comes(
    book: Book, others: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = threading.Event(), threading.Event()

    class Hanging(MemoryLedger):
        def claim(self, names: Sequence[str], token: str) -> list[str]:
            begun.set()
            assert gate.wait(PATIENCE)
            return super().claim(names, token)

    monkeypatch.setattr("namepool.ledgers.claims.CLAIMING", 0.01)
    claims = ClaimedNames(NumberedNames(), Hanging(book))
    fetching, results = started(lambda: fetch(claims, 4))
    assert begun.wait(PATIENCE)

    claims.close()  # returns, although the claim is under way

    gate.set()
    fetching.join(PATIENCE)
    assert isinstance(results[0], LedgerError)
    assert others.stats()[1:] == (0, 0, 0, 0)


def test_a_claim_whose_answer_is_lost_at_the_end_is_taken_back_too(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Failing(book)
    claims = ClaimedNames(NumberedNames(), ledger)
    ledger.lose_replies = True
    with pytest.raises(LedgerError):
        fetch(claims, 4)
    claims.close()

    assert others.stats()[1:] == (0, 0, 0, 0)


def test_what_was_claimed_for_half_a_chunk_when_a_pool_is_closed_is_released(
    book: Book, others: MemoryLedger
) -> None:
    class Source(GatedSource):
        def fetch(self, count: int, used: Sequence[str]) -> Any:
            return super().fetch(count, used) if self.counts else self._first(count)

        def _first(self, count: int) -> list[str]:
            self.counts.append(count)
            return ["One", "Two", "Three", "Four"]

    others.claim(["One", "Two", "Three"], "t")
    source = Source()
    with namepool.open_pool(source=source, ledger=MemoryLedger(book), chunk_size=4, prefetch=True):
        source.wait_asked()
        assert names_of(others) == {"One", "Two", "Three", "Four"}

    assert names_of(others) == {"One", "Two", "Three"}
    source.gate.set()
    source.threads[0].join(PATIENCE)
    assert names_of(others) == {"One", "Two", "Three"}


def test_what_was_handed_out_before_a_reset_is_not_released_at_the_end(
    book: Book, others: MemoryLedger
) -> None:
    source = NumberedNames()
    with namepool.open_pool(source=source, ledger=MemoryLedger(book), low_water_mark=0) as pool:
        name = pool.checkout_name()
        pool.reset()

    assert name in names_of(others)


def test_a_session_is_renewed_while_the_pool_lives(book: Book) -> None:
    ledger, clock = Failing(book), MovableClock()
    with namepool.open_pool(source=NumberedNames(), ledger=ledger) as pool:
        pool.checkout_name()  # the claim itself renews the session
        (keeper,) = pykka.ActorRegistry.get_by_class_name("LedgerKeeper")
        inbox: Any = keeper.actor_inbox
        wait_until(lambda: bool(inbox._timers), pool._target)
        due = inbox._timers[0][0]
        clock.now = inbox.clock() + RENEW_EVERY
        inbox.clock = clock
        inbox.wake()
        assert due <= clock.now
        assert ledger.renewed.acquire(timeout=PATIENCE)


def test_names_that_the_ledger_forgot_are_claimed_anew(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, others = Failing(book), MemoryLedger(book)
    with namepool.open_pool(source=NumberedNames(), ledger=ledger, low_water_mark=0) as pool:
        pool.checkout_name()
        known = names_of(others)
        freed, _ = others._free([ledger.session], -1.0, False)  # it is pruned though it lives
        assert freed == len(known)
        others.claim(["NPC #1"], "t")
        pool.associate_name("Ada")
        wait_until(lambda: known | {"Ada"} <= names_of(others), pool._target)
        wait_until(lambda: pool.pool_stats().conflict_count == 1, pool._target)

        assert names_of(others) == known | {"Ada"}
    assert "'NPC #1', under which an agent of this pool may speak, is held by" in caplog.text


# -- offline names ------------------------------------------------------------------------------


def test_processes_that_share_a_ledger_walk_one_walk(book: Book) -> None:
    sources: list[NameSource] = [
        OfflineNames(),
        OfflineNames(),
        FallbackSource(ScriptedSource(*[SourceError("down")] * 99), OfflineNames()),
    ]
    names = []
    for source in sources:
        with namepool.open_pool(source=source, ledger=MemoryLedger(book)) as pool:
            names += [pool.checkout_name() for _ in range(100)]
            assert pool.pool_stats().rejected_count == 0

    assert len(set(names)) == 300
    alone = OfflineNames(seed="default")
    assert set(names) <= set(alone.fetch(600, ()))


def test_a_seed_of_ones_own_stays(book: Book) -> None:
    ours = OfflineNames(seed=5)
    with namepool.open_pool(source=ours, ledger=MemoryLedger(book)) as pool:
        assert pool.checkout_name() == OfflineNames(seed=5).fetch(1, ())[0]


def test_the_walk_of_a_theme_is_shared_too(book: Book) -> None:
    first, second = OfflineNames(), OfflineNames()
    for source in (first, second):
        source.share(MemoryLedger(book).advance, "fleet")
    names = [*first.fetch(30, (), theme="kitchen"), *second.fetch(30, (), theme="kitchen")]

    assert names == OfflineNames(seed="fleet").fetch(60, (), theme="kitchen")


def test_a_pool_logs_nothing_unusual_with_a_ledger(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with namepool.open_pool(ledger=MemoryLedger(book)) as pool, pool.named():
        pass

    assert caplog.text == ""


# -- a ledger that others have locked -----------------------------------------------------------


class Locked(MemoryLedger):
    """A ledger that other processes keep locked while it is ``locked``."""

    locked = True

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.asked = threading.Semaphore(0)

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        self.asked.release()
        if self.locked:
            raise LedgerBusy("another process has it locked")
        return super().claim(names, token)


def test_a_caller_waits_while_the_ledger_is_locked_and_is_served_then(book: Book) -> None:
    ledger = Locked(book)
    with namepool.open_pool(source=NumberedNames(), ledger=ledger) as pool:
        caller, got = started(lambda: pool.checkout_name(timeout=PATIENCE))
        for _ in range(3):
            assert ledger.asked.acquire(timeout=PATIENCE)
        ledger.locked = False
        caller.join(PATIENCE)

        assert got[0] in names_of(ledger)


def test_a_caller_whose_time_is_over_is_told_that_the_ledger_is_locked(book: Book) -> None:
    with (
        namepool.open_pool(source=NumberedNames(), ledger=Locked(book)) as pool,
        pytest.raises(namepool.CheckoutTimeout, match="last error: LedgerBusy") as caught,
    ):
        pool.checkout_name(timeout=0.2)

    assert isinstance(caught.value.__cause__, LedgerBusy)


def test_while_the_ledger_is_locked_a_name_that_rests_is_handed_out(book: Book) -> None:
    ledger = Locked(book)
    ledger.locked = False
    source = NumberedNames()
    with namepool.open_pool(source=source, ledger=ledger, chunk_size=1, low_water_mark=0) as pool:
        name = pool.checkout_name()
        pool.checkin_name(name)
        ledger.locked = True

        assert pool.checkout_name(timeout=PATIENCE) == name


def test_nobody_asks_a_locked_ledger_again_if_no_caller_waits(book: Book) -> None:
    ledger = Locked(book)
    with namepool.open_pool(source=NumberedNames(), ledger=ledger) as pool:
        with pytest.raises(namepool.CheckoutTimeout):
            pool.checkout_name(timeout=0.1)
        inbox: Any = pool._target.current.actor_inbox  # type: ignore[attr-defined]
        wait_until(lambda: not pool.pool_stats().fetching_count, pool._target)
        while ledger.asked.acquire(blocking=False):
            pass
        clock = MovableClock()
        clock.now = inbox.clock() + 60.0
        inbox.clock = clock
        inbox.wake()
        pool.pool_stats()

        assert not ledger.asked.acquire(blocking=False)


# -- the cost of one name -----------------------------------------------------------------------


class Counting(MemoryLedger):
    """A ledger that counts the steps in which it changes something."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.steps = 0

    def _guarded(self, work: Any) -> Any:
        self.steps += 1
        return super()._guarded(work)

    def _look(self, work: Any) -> Any:
        return MemoryLedger._guarded(self, work)


@pytest.mark.parametrize("identity", [None, "planner"])
def test_a_process_that_needs_one_name_changes_the_ledger_two_times(
    book: Book, identity: str | None
) -> None:
    for changes in (2, 2) if identity is None else (4, 3):
        ledger = Counting(book)
        with namepool.open_pool(ledger=ledger) as pool, pool.named(identity=identity):
            pass
        assert ledger.steps == changes


def test_short_processes_do_not_use_up_the_walk(book: Book) -> None:
    names = []
    for _ in range(30):
        with namepool.open_pool(ledger=MemoryLedger(book)) as pool, pool.named() as name:
            names.append(name)

    assert len(set(names)) == 30  # a name that was spoken does not come again at once
    (walk,) = book.namespace("default").walks
    assert book.namespace("default").walks[walk] <= 30 + 12


def test_a_pool_that_handed_names_out_again_offers_none_of_them_as_new(book: Book) -> None:
    with namepool.open_pool(ledger=MemoryLedger(book), reuse_gap=0) as pool:
        for _ in range(30):
            with pool.named():
                pass

    assert not any(book.namespace("default").spares.values())


def test_a_source_that_asks_for_a_walk_on_a_thread_of_its_own_gets_names(book: Book) -> None:
    class Apart(OfflineNames):
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            fetch = super().fetch
            return on_thread(lambda: fetch(count, used, theme))

    with namepool.open_pool(source=Apart(), ledger=MemoryLedger(book)) as pool:
        name = pool.checkout_name()
        assert name in names_of(MemoryLedger(book))


def test_names_that_were_drawn_and_did_not_reach_the_pool_are_released(book: Book) -> None:
    class Lossy(OfflineNames):
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            return super().fetch(count, used, theme)[:-2]

    ledger, others = MemoryLedger(book), MemoryLedger(book)
    with namepool.open_pool(source=Lossy(), ledger=ledger, chunk_size=6, low_water_mark=0) as pool:
        pool.checkout_name()
        assert len(names_of(others)) == 6
        pool.associate_name("Bea Sharp")  # the next call to the ledger takes them back
        wait_until(lambda: len(names_of(others)) == 5, pool._target)


def test_a_reserved_name_of_a_walk_is_not_claimed(book: Book) -> None:
    with namepool.open_pool(ledger=MemoryLedger(book)) as pool:
        first = pool.checkout_name()
    others = MemoryLedger(Book())
    with namepool.open_pool(ledger=others, reserved=[first]) as pool:
        pool.checkout_name()
        assert first not in {holder.name for holder in others.holders()}
        assert pool.pool_stats().invalid_count == 1


def test_the_end_of_a_pool_takes_no_longer_than_the_timeout_of_its_ledger(book: Book) -> None:
    gate = threading.Event()

    class Hanging(MemoryLedger):
        def _end(self, *args: Any) -> None:
            assert gate.wait(PATIENCE)
            super()._end(*args)

    ledger = Hanging(book, timeout=0.3)
    pool = namepool.open_pool(source=NumberedNames(), ledger=ledger)
    pool.checkout_name()
    began = time.monotonic()
    pool.close()

    assert time.monotonic() - began < ENDING / 2
    gate.set()


def test_a_ledger_with_a_claim_of_its_own_sees_each_claim(book: Book) -> None:
    class Seen(MemoryLedger):
        claimed: ClassVar[list[str]] = []

        def claim(self, names: Sequence[str], token: str) -> list[str]:
            self.claimed.extend(names)
            return super().claim(names, token)

    with namepool.open_pool(ledger=Seen(book)) as pool:
        assert pool.checkout_name() in Seen.claimed
