"""What every ledger promises, whatever is behind it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from namepool.errors import InvalidName, InvalidOption, LedgerError
from namepool.ledgers.base import LIVING_FOR, Ledger, LedgerStats, check_ledger
from namepool.ledgers.session import SLICE, SessionLedger
from tests.ledgers.engines import Engine
from tests.support import PATIENCE, run_together

NAMES = ["Ada the Yak Shaver", "Chet Electron", "Grace Under Load"]
DAY = 86400.0


def held(ledger: SessionLedger) -> dict[str, str]:
    return {holder.name: holder.session.id for holder in ledger.holders()}


def test_every_engine_is_a_ledger(engine: Engine) -> None:
    ledger = engine.open()

    assert isinstance(ledger, Ledger)
    check_ledger(ledger)


def test_what_is_claimed_is_ours_in_the_order_asked_for(engine: Engine) -> None:
    assert engine.open().claim(NAMES, "t1") == NAMES


def test_a_claimed_name_is_not_given_to_another_session(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES[:2], "t1")

    assert second.claim(NAMES, "t1") == NAMES[2:]


def test_names_that_read_alike_are_one_name(engine: Engine) -> None:
    first, second = engine.open(), engine.open()

    assert first.claim(["Ada", "ADA!", "Аda"], "t1") == ["Ada"]
    assert second.claim(["ada", "A.d.a"], "t2") == []


def test_asking_again_with_the_token_gives_the_same_answer(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    second.claim(NAMES[:1], "t0")

    assert [first.claim(NAMES, "t1") for _ in range(3)] == [NAMES[1:]] * 3
    assert first.stats().claimed == 3


def test_another_token_does_not_get_what_the_first_has(engine: Engine) -> None:
    ledger = engine.open()
    ledger.claim(NAMES[:2], "t1")

    assert ledger.claim(NAMES, "t2") == NAMES[2:]


def test_a_released_name_is_free_for_all(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    first.release([NAMES[0].upper()])

    assert second.claim(NAMES, "t2") == NAMES[:1]


def test_nobody_releases_what_is_anothers(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    second.release(NAMES)

    assert second.claim(NAMES, "t2") == []


def test_by_token_only_what_came_by_it_is_released(engine: Engine) -> None:
    ledger = engine.open()
    ledger.claim(NAMES[:1], "t1")
    ledger.claim(NAMES[1:2], "t2")
    ledger.release(NAMES, "t2")

    assert list(held(ledger)) == NAMES[:1]


def test_two_namespaces_do_not_see_each_other(engine: Engine) -> None:
    ours, theirs = engine.open("ours"), engine.open("theirs")
    ours.claim(NAMES, "t1")

    assert theirs.claim(NAMES, "t1") == NAMES
    assert ours.advance("walk", 5) == theirs.advance("walk", 5) == 0
    theirs.release(NAMES)
    assert (ours.stats().claimed, theirs.stats().claimed) == (3, 0)
    assert list(theirs.holders()) == []


def test_a_stretch_of_a_walk_is_taken_once(engine: Engine) -> None:
    first, second = engine.open(), engine.open()

    assert [first.advance("a", 5), second.advance("a", 7), first.advance("a", 1)] == [0, 5, 12]
    assert second.advance("b", 3) == 0


def test_sessions_that_ask_at_once_never_share_a_name(engine: Engine) -> None:
    names = [f"Name {n}" for n in range(200)]
    got: list[str] = []

    def work(number: int) -> None:
        ledger = engine.open()
        for start in range(0, 200, 20):
            got.extend(ledger.claim(names[start : start + 20], f"t{start}"))

    run_together([lambda n=n: work(n) for n in range(4)])  # type: ignore[misc]

    assert sorted(got) == sorted(names)


def test_threads_that_share_a_session_never_share_a_name(engine: Engine) -> None:
    ledger, got = engine.open(), list[str]()
    names = [f"Name {n}" for n in range(50)]

    run_together([lambda n=n: got.extend(ledger.claim(names, f"t{n}")) for n in range(4)])  # type: ignore[misc]

    assert sorted(got) == sorted(names)
    assert ledger.stats().living == 1


# -- sessions -----------------------------------------------------------------------------------


def test_a_holder_says_which_process_has_the_name(engine: Engine) -> None:
    engine.open().claim(NAMES[:1], "t1")
    (holder,) = engine.open().holders()

    assert holder.name == NAMES[0]
    assert holder.session.pid == os.getpid()
    assert str(holder.session) == f"process {os.getpid()} on {holder.session.host}"
    assert holder.session.started <= holder.claimed
    assert holder.identity is None


def test_a_closed_session_keeps_what_it_has_not_released(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    first.release(NAMES[1:])
    first.close()

    assert second.claim(NAMES, "t1") == NAMES[1:]
    stats = second.stats()
    assert (stats.claimed, stats.living, stats.silent, stats.ended) == (3, 1, 0, 1)


def test_a_closed_session_that_holds_nothing_is_forgotten(engine: Engine) -> None:
    first = engine.open()
    first.claim(NAMES, "t1")
    first.release(NAMES)
    first.close()
    first.close()

    assert engine.open().stats().ended == 0


def test_a_session_whose_first_call_is_under_way_when_it_is_closed_is_ended(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, other = engine.open(), engine.open()
    guarded = ledger._guarded

    def close_first(work: Any) -> Any:
        monkeypatch.setattr(ledger, "_guarded", guarded)
        ledger.close()
        return guarded(work)

    monkeypatch.setattr(ledger, "_guarded", close_first)
    ledger.renew()

    assert other.stats() == LedgerStats(ledger.namespace, 0, 0, 0, 0)


def test_a_closed_ledger_says_so(engine: Engine) -> None:
    ledger = engine.open()
    ledger.close()

    with pytest.raises(LedgerError, match="is closed"):
        ledger.claim(NAMES, "t1")


def test_a_session_that_died_keeps_its_names_for_ever(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES[:1], "t1")
    engine.crash(first)
    engine.pass_time(1000 * DAY)

    second.renew()
    assert second.claim(NAMES, "t2") == NAMES[1:]
    assert second.stats().silent == 1


def test_pruning_frees_what_dead_sessions_hold(engine: Engine) -> None:
    first, second, third = engine.open(), engine.open(), engine.open()
    first.claim(NAMES[:1], "t1")
    engine.crash(first)
    engine.pass_time(8 * DAY)
    second.claim(NAMES[1:2], "t1")

    assert third.prune(9 * DAY) == 0
    assert third.prune(7 * DAY) == 1
    assert third.claim(NAMES, "t1") == [NAMES[0], NAMES[2]]


def test_a_process_that_runs_is_never_pruned_however_long_it_was_silent(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    engine.pass_time(1000 * DAY)

    assert second.prune(DAY) == 0
    assert first.claim(NAMES, "t1") == NAMES


def test_names_of_the_dead_retire_by_themselves_where_that_is_wanted(engine: Engine) -> None:
    first, second = engine.open(), engine.open(retire_after=7 * DAY)
    first.claim(NAMES, "t1")
    engine.crash(first)
    second.renew()
    assert second.stats().claimed == 3
    engine.pass_time(8 * DAY)

    second.renew()

    assert second.stats().claimed == 0


def test_nobody_is_pruned_that_may_live(engine: Engine) -> None:
    with pytest.raises(InvalidOption, match="older_than must be at least 600 seconds, not 60"):
        engine.open().prune(60)
    with pytest.raises(InvalidOption, match="retire_after must be at least 600 seconds"):
        engine.open(retire_after=599.0)


def test_a_session_that_was_pruned_though_it_lived_goes_on_as_another(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    before = first.session
    second._do(lambda: second._free([before], -1.0, False))
    second.claim(NAMES[:1], "t1")

    assert first.claim(NAMES, "t1") == NAMES[1:]
    assert first.session != before
    assert f"the ledger has forgotten session {before}" in caplog.text


def test_the_names_of_identities_are_freed_only_if_that_is_asked_for(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES[:1], "t1")
    first.take(NAMES[1], "planner")
    engine.crash(first)
    engine.pass_time(8 * DAY)

    assert second.prune(7 * DAY) == 1
    assert second.prune(7 * DAY) == 0
    assert [holder.name for holder in second.holders()] == [NAMES[1]]
    assert second.prune(7 * DAY, identities=True) == 1
    assert second.stats() == LedgerStats(second.namespace, 0, 0, 0, 0)


def test_an_identity_takes_its_name_back_after_a_prune(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES[:1], "t1")
    first.take(NAMES[1], "planner")
    engine.crash(first)
    engine.pass_time(8 * DAY)
    second.prune(7 * DAY)

    assert second.take(NAMES[1], "planner") is None
    assert held(second) == {NAMES[1]: second.session}


def test_a_prune_of_many_sessions_frees_all_their_names(engine: Engine) -> None:
    looker, count = engine.open(), 2 * SLICE + 1
    for number in range(count):
        ledger = engine.open()
        ledger.claim([f"Old {number}", f"Odd {number}"], "t1")
        engine.crash(ledger)
    engine.pass_time(8 * DAY)

    assert looker.prune(7 * DAY) == 2 * count
    assert looker.stats().claimed == looker.stats().silent == 0


def test_a_session_that_holds_many_names_loses_them_all(engine: Engine) -> None:
    first, looker = engine.open(), engine.open()
    names = [f"Old {number}" for number in range(5000)]
    first.claim(names, "t1")
    engine.crash(first)
    engine.pass_time(8 * DAY)

    assert looker.prune(7 * DAY) == len(names)
    assert looker.stats().silent == 0


def test_one_session_at_a_time_has_the_turn_to_retire_names(engine: Engine) -> None:
    first, second = (engine.open(retire_after=7 * DAY) for _ in range(2))
    assert first._call(lambda: first._renew(30.0))
    assert not second._call(lambda: second._renew(30.0))
    engine.pass_time(31.0)

    assert second._call(lambda: second._renew(30.0))


def test_a_session_may_stand_for_another_process(engine: Engine) -> None:
    ledger, other = engine.open(parent="Ada/Bo"), engine.open()
    ledger.claim(NAMES[:1], "t1")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        ledger.stand_for(process.pid)
        (holder,) = other.holders()
        assert (holder.session.pid, holder.session.parent) == (process.pid, "Ada/Bo")
        assert holder.session.id == ledger.session
        assert other.runs(holder.session) is True
    finally:
        process.kill()
        process.communicate()

    assert other.state(next(other.holders()).session) == "silent"


def test_a_ledger_has_as_many_pages_as_it_needs(engine: Engine) -> None:
    ledger = engine.open()
    names = [f"Nell {number}" for number in range(3500)]
    ledger.claim(names, "t1")

    assert sorted(held(ledger)) == sorted(names)


def test_a_ledger_knows_its_namespaces(engine: Engine) -> None:
    for namespace in ("b:{x}", "a"):
        engine.open(namespace).claim(NAMES, "t1")

    assert engine.open("c").namespaces() == ["a", "b:{x}"]


# -- a walk -------------------------------------------------------------------------------------


def test_names_are_drawn_from_a_walk_in_one_step(engine: Engine) -> None:
    first, second = engine.open(), engine.open()

    assert first.draw("walk", 3, "Npc {}".format, "t1") == {"Npc 0": 0, "Npc 1": 1, "Npc 2": 2}
    assert second.draw("walk", 2, "Npc {}".format, "t1") == {"Npc 3": 3, "Npc 4": 4}
    assert first.advance("walk", 1) == 5
    assert set(held(second)) == {f"Npc {n}" for n in range(5)}


def test_names_that_others_hold_or_nobody_wants_are_not_drawn(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(["Npc 1"], "t1")

    drawn = second.draw("walk", 4, lambda at: None if at == 2 else f"Npc {at}", "t1")

    assert drawn == {"Npc 0": 0, "Npc 3": 3}
    assert set(held(second)) == {"Npc 0", "Npc 1", "Npc 3"}


def test_positions_that_were_not_used_are_offered_again(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    drawn = first.draw("walk", 4, "Npc {}".format, "t1")
    first.close(unused=list(drawn)[1:], spare={"walk": [1, 2, 3]})

    assert second.draw("walk", 2, "Npc {}".format, "t1").keys() <= {"Npc 1", "Npc 2", "Npc 3"}
    assert len(second.draw("walk", 2, "Npc {}".format, "t2")) == 2
    assert second.advance("walk", 1) == 5


def test_a_close_releases_and_ends_in_one_step(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")
    first.close(unused=NAMES[:2])

    assert second.claim(NAMES, "t1") == NAMES[:2]
    assert second.stats().ended == 1


# -- one name -----------------------------------------------------------------------------------


def test_a_name_that_nobody_has_is_taken(engine: Engine) -> None:
    first, second = engine.open(), engine.open()

    assert first.take(NAMES[0]) is None
    assert first.take(NAMES[0]) is None
    assert second.claim(NAMES, "t1") == NAMES[1:]


def test_who_takes_a_name_learns_who_has_it(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")

    holder = second.take(NAMES[0])

    assert holder is not None
    assert (holder.name, holder.session.id) == (NAMES[0], first.session)


def test_an_identity_takes_its_name_back_from_a_session_that_was_closed(engine: Engine) -> None:
    first, second, third = engine.open(), engine.open(), engine.open()
    assert first.take(NAMES[0], "planner") is None
    first.release(NAMES)
    first.close()

    assert third.take(NAMES[0], "tester") is not None
    assert third.take(NAMES[0]) is not None
    assert second.take(NAMES[0], "planner") is None
    assert held(second) == {NAMES[0]: second.session}


def test_an_identity_has_one_name(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")

    for ledger in (first, second):
        holder = ledger.take(NAMES[1], "planner")
        assert holder is not None
        assert (holder.name, holder.identity) == (NAMES[0], "planner")
    assert list(held(first)) == NAMES[:1]


def test_an_identity_has_one_name_in_each_namespace(engine: Engine) -> None:
    first, second = engine.open("ours"), engine.open("theirs")

    assert first.take(NAMES[0], "planner") is None
    assert second.take(NAMES[1], "planner") is None


def test_the_name_of_an_identity_is_found(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")

    holder = second.kept("planner")

    assert holder is not None
    assert (holder.name, holder.session.id, holder.is_kept) == (NAMES[0], first.session, False)
    assert second.kept("tester") is None
    again = second.holder(NAMES[0].upper())
    assert again is not None
    assert again.session.id == first.session
    assert again._replace(session=holder.session) == holder  # a server's clock goes on
    assert second.holder(NAMES[1]) is None


def test_a_name_that_was_released_is_kept_for_its_identity_alone(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")
    first.release(NAMES)

    holder = second.take(NAMES[0], "tester")
    assert holder is not None
    assert holder.is_kept
    assert second.take(NAMES[0]) is not None
    assert first.take(NAMES[0]) is not None
    assert second.claim(NAMES, "t1") == NAMES[1:]
    assert second.take(NAMES[0], "planner") is None  # though the first session lives
    assert first.take(NAMES[0], "planner") is not None


def test_a_name_may_get_an_identity_later(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES, "t1")

    assert first.take(NAMES[0], "planner") is None
    assert second.kept("planner") is not None
    first.release(NAMES)
    assert list(held(second)) == NAMES[:1]


def test_of_two_that_want_a_name_for_one_new_identity_one_gets_it(engine: Engine) -> None:
    ledgers = [engine.open() for _ in range(4)]
    got: list[object] = []

    run_together(
        [
            lambda n=n: got.append(ledgers[n].take(f"Npc {n}", "planner"))  # type: ignore[misc]
            for n in range(4)
        ]
    )

    assert got.count(None) == 1
    assert len(held(ledgers[0])) == 1


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_session_whose_last_name_went_to_another_is_forgotten(
    engine: Engine, is_pruned: bool
) -> None:
    first, second = engine.open(), engine.open()
    first.claim(NAMES[1:], "t1")
    first.take(NAMES[0], "planner")
    if is_pruned:
        engine.crash(first)
        engine.pass_time(8 * DAY)
        second.prune(7 * DAY)
    else:
        first.close(unused=NAMES[1:])
    assert second.take(NAMES[0], "planner") is None

    assert second.stats() == LedgerStats(second.namespace, 1, 1, 0, 0)


def test_an_identity_does_not_take_its_name_from_a_session_that_lives(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")

    holder = second.take(NAMES[0], "planner")

    assert holder is not None
    assert (holder.session.id, holder.identity) == (first.session, "planner")


def test_an_identity_takes_its_name_from_a_process_that_is_known_to_be_dead(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")
    engine.crash(first)

    assert second.take(NAMES[0], "planner") is None


def test_an_identity_waits_while_a_distant_session_may_live(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("namepool.ledgers.session.place_of_this_process", lambda: "")
    first, second = engine.open(), engine.open()
    first.take(NAMES[0], "planner")
    engine.crash(first)

    assert second.take(NAMES[0], "planner") is not None
    engine.pass_time(LIVING_FOR + 1)
    assert second.take(NAMES[0], "planner") is None


def test_of_two_that_take_a_name_back_at_once_one_gets_it(engine: Engine) -> None:
    first, rivals = engine.open(), [engine.open() for _ in range(4)]
    first.take(NAMES[0], "planner")
    first.close()
    got: list[object] = []

    run_together([lambda r=r: got.append(r.take(NAMES[0], "planner")) for r in rivals])  # type: ignore[misc]

    assert got.count(None) == 1


# -- what may be asked --------------------------------------------------------------------------


def test_what_is_no_name_is_not_claimed(engine: Engine) -> None:
    with pytest.raises(InvalidName):
        engine.open().claim(["Ada", "two\nlines"], "t1")


@pytest.mark.parametrize("namespace", ["", "two\nlines", "x" * 101, 5])
def test_a_namespace_is_a_printable_text(engine: Engine, namespace: str) -> None:
    with pytest.raises(InvalidOption, match="namespace must be a string"):
        engine.open(namespace)


def test_any_printable_text_is_a_namespace_of_its_own(engine: Engine) -> None:
    odd = ["a:b", "a", "{a}", "a}b{", "%", "ä ö", "'; --"]

    assert [engine.open(namespace).claim(NAMES, "t") for namespace in odd] == [NAMES] * len(odd)
    assert [engine.open(namespace).stats().claimed for namespace in odd] == [3] * len(odd)


def test_an_object_without_the_methods_is_no_ledger() -> None:
    with pytest.raises(InvalidOption, match="ledger must be a URL, or an object"):
        check_ledger(object())


def test_a_thread_that_claims_leaves_nothing_open(engine: Engine) -> None:
    ledger = engine.open()
    thread = threading.Thread(target=lambda: ledger.claim(NAMES, "t1"))
    thread.start()
    thread.join(PATIENCE)

    assert sorted(held(ledger)) == sorted(NAMES)


def test_an_identity_of_letters_that_are_not_drawn_gets_its_name_back(engine: Engine) -> None:
    whose = "planner\u3164" + "\u115f" * 80
    first, second = engine.open(), engine.open()
    assert first.take("Ada", whose) is None
    first.close()

    assert second.take("Ada", f"{whose}x") is not None
    assert second.take("Ada", whose) is None
