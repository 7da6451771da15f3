"""Of each transition is told what it did to a lease: in order, nothing lost, nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from namepool import events as e
from namepool.core.observed import ObservedState, Told, observe, unobserve
from namepool.core.state import PoolState
from tests.mirror import Mirror, StillReader, kinds, spoken
from tests.strikes.tracing import HardStrike, strike_at


class Still:
    """An observer with a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.began = 0
        self.ended: list[tuple[str, str | None]] = []

    def clock(self) -> float:
        return self.now

    def where(self) -> str | None:
        return "agents.py:7"

    def lease_began(self) -> None:
        self.began += 1

    def leak_ended(self, name: str, told: Told) -> None:
        self.ended.append((name, told.owner))


class Scene:
    """An observed state of six names, and who reads along."""

    def __init__(self) -> None:
        self.state = PoolState()
        self.state.admit(["Ada", "Bea", "Cid", "Dan", "Eve", "Flo"])
        self.observer = Still()
        self.reader = StillReader(self.state.log)
        self.observed: ObservedState = observe(self.state, self.observer)

    def read(self) -> list[e.PoolEvent]:
        return self.reader.read()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_checkout_and_a_check_in_are_told(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.observer.now += 5.0
    scene.state.checkin("Ada")

    assert scene.read() == [
        e.NameCheckedOut("Ada", "o", at=100.0),
        e.NameCheckedIn("Ada", "o", 5.0, at=105.0),
    ]


def test_an_event_equals_none_of_another_class() -> None:
    out: e.PoolEvent = e.NameCheckedOut("Ada", "o", at=1.0)
    associated: e.PoolEvent = e.NameAssociated("Ada", "o", at=1.0)

    assert out != associated


def test_a_checkout_that_finds_nothing_is_not_told(scene: Scene) -> None:
    for _ in range(6):
        scene.state.checkout("o")
    scene.read()

    scene.state.checkout("o")

    assert scene.read() == []


def test_a_checkout_of_a_theme_is_told_with_the_name_that_it_found(scene: Scene) -> None:
    scene.state.admit(["Gil"], "sea")

    assert scene.state.checkout("o", theme="sea") == "Gil"

    assert scene.read() == [e.NameCheckedOut("Gil", "o", at=100.0)]


def test_while_nobody_reads_nothing_is_written_and_what_is_kept_is_kept() -> None:
    state = PoolState()
    state.admit(["Ada", "Bea"])
    observed = observe(state, Still())

    state.checkout("o")
    state.associate("p", "Ada")
    state.dissociate("o")
    state.checkout("o")
    state.checkin("Bea")

    assert (state.log.count, len(state.log.entries)) == (0, 0)
    assert {name: set(told.speakers) for name, told in observed.told.items()} == {"Ada": {"p"}}


def test_one_more_speaker_is_told_and_who_stops_too(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.state.associate("p", "Ada")
    scene.state.dissociate("p", "Ada")

    assert scene.read()[1:] == [
        e.NameAssociated("Ada", "p", at=100.0),
        e.NameDissociated("Ada", "p", at=100.0),
    ]


def test_who_takes_a_name_over_silences_the_others_first(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.state.associate("p", "Ada", exclusive=True)

    assert scene.read()[1:] == [
        e.NameDissociated("Ada", "o", at=100.0),
        e.NameAssociated("Ada", "p", at=100.0),
    ]


@pytest.mark.parametrize("name", ["Zoe", "Ada"])
def test_a_name_that_was_not_checked_out_is_by_being_associated(scene: Scene, name: str) -> None:
    scene.state.associate("o", name)

    assert scene.read() == [e.NameCheckedOut(name, "o", at=100.0)]
    assert scene.observed.told[name].where == "agents.py:7"


def test_the_end_of_a_scope_tells_who_speaks_under_the_outer_name_again(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.state.checkout("p")
    scope = scene.state.begin_scope("o", "Bea")
    scene.read()

    scene.state.end_scope(scope)

    assert scene.read() == [
        e.NameDissociated("Bea", "o", at=100.0),
        e.NameAssociated("Ada", "o", at=100.0),
    ]


def test_a_name_that_is_reclaimed_is_told_as_such(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.state.owner_gone("o")
    scene.state.apply_events(100.0)
    scene.state.reclaim(101.0)
    scene.state.checkout("p")
    scene.state.checkin("Bea")

    events = scene.read()

    assert kinds(events) == [
        "NameCheckedOut",
        "NameDissociated",
        "NameReclaimed",
        "NameCheckedOut",
        "NameCheckedIn",
    ]
    assert isinstance(events[2], e.NameCheckedIn)


def test_of_a_reset_no_single_lease_is_told(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.read()

    scene.state.reset()

    assert scene.read() == []
    assert scene.observed.told == {}


def test_what_is_kept_of_a_lease_is_where_and_when_it_began(scene: Scene) -> None:
    scene.state.checkout("o")

    told = scene.observed.told["Ada"]

    assert (told.owner, told.began, told.where, told.is_timed) == ("o", 100.0, "agents.py:7", True)
    assert scene.observer.began == 1


def test_of_a_lease_from_before_it_is_known_that_it_lasts(scene: Scene) -> None:
    unobserve(scene.state)
    scene.state.checkout("o")

    told = observe(scene.state, scene.observer).told["Ada"]
    scene.state.checkin("Ada")

    assert (told.owner, told.where, told.is_timed) == ("o", None, False)
    assert scene.read() == [e.NameCheckedIn("Ada", "o", 0.0, at=100.0)]


def test_of_a_lease_from_before_it_is_told_who_stops_speaking(scene: Scene) -> None:
    unobserve(scene.state)
    scene.state.checkout("o")

    observe(scene.state, scene.observer)
    scene.state.dissociate("o")

    assert scene.read() == [e.NameDissociated("Ada", "o", at=100.0)]


def test_a_state_that_nobody_observes_is_what_it_was(scene: Scene) -> None:
    before = set(vars(PoolState()))

    unobserve(scene.state)

    assert type(scene.state) is PoolState
    assert set(vars(scene.state)) == before
    scene.state.checkout("o")
    assert scene.read() == []


def test_it_stays_observed_through_a_recovery(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.state.recover()
    again = Still()
    observe(scene.state, again)
    scene.state.checkout("p")

    assert kinds(scene.read()) == ["NameCheckedOut", "NameCheckedOut"]
    assert again.began == 1


def test_the_end_of_what_was_called_a_leak_is_said(scene: Scene) -> None:
    scene.state.checkout("o")
    scene.observed.told["Ada"].is_warned = True
    scene.state.checkout("p")

    scene.state.checkin("Ada")
    scene.state.checkin("Bea")

    assert scene.observer.ended == [("Ada", "o")]


TRANSITIONS: dict[str, Callable[[PoolState], object]] = {
    "checkout": lambda s: s.checkout("o"),
    "checkout of a second name": lambda s: s.checkout("p"),
    "checkin": lambda s: s.checkin("Ada"),
    "checkin of a shared name": lambda s: s.checkin("Bea"),
    "associate": lambda s: s.associate("o", "Ada"),
    "associate, exclusive": lambda s: s.associate("o", "Bea", exclusive=True),
    "associate, again": lambda s: s.associate("p", "Ada"),
    "associate, unknown": lambda s: s.associate("o", "Zoe"),
    "dissociate": lambda s: s.dissociate("q", "Bea"),
    "begin_scope": lambda s: s.begin_scope("o", "Bea"),
}


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_strike_anywhere_loses_no_event_and_doubles_none(name: str) -> None:
    for k in range(10_000):
        scene, mirror = Scene(), Mirror()
        scene.state.checkout("p")
        scene.state.checkout("p")
        scene.state.associate("q", "Bea")
        place, _ = strike_at(k, lambda: TRANSITIONS[name](scene.state), HardStrike)  # noqa: B023
        scene.state.mend()

        for event in scene.read():
            mirror(event)

        assert mirror.leases == spoken(scene.state.leases), place
        told = {n: set(told.speakers) for n, told in scene.observed.told.items()}
        assert told == mirror.leases, place
        assert scene.reader.woken, place
        if place is None:
            assert k > 5
            return


def test_what_was_cut_short_before_it_was_told_may_be_undone_before_it_is_mended(
    scene: Scene,
) -> None:
    scene.state.checkout("o")
    scene.read()
    PoolState.associate(scene.state, "p", "Ada")  # as a strike behind it leaves it
    PoolState.checkout(scene.state, "q")

    scene.state.dissociate("p", "Ada")
    scene.state.dissociate("q", "Bea")

    assert scene.read() == []
    scene.state.mend()
    assert scene.read() == [e.NameCheckedOut("Bea", None, at=100.0)]


def test_who_reads_is_woken_by_a_mending_whoever_was_to_wake_it_before(scene: Scene) -> None:
    scene.reader.is_woken = True  # as a strike before the waking itself leaves it

    scene.state.mend()

    assert scene.reader.woken == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_events_of_any_history_tell_who_speaks_under_what(seed: int) -> None:
    scene, mirror, dice = Scene(), Mirror(), random.Random(seed)
    names, owners = ["Ada", "Bea", "Cid", "Dan", "Zoe", "Yan"], ["o", "p", "q", "r"]
    state, scopes = scene.state, []
    for _ in range(300):
        name, owner = dice.choice(names), dice.choice(owners)
        match dice.randrange(9):
            case 0 | 1:
                state.checkout(owner)
            case 2 | 3:
                state.checkin(name)
            case 4:
                state.associate(owner, name, exclusive=dice.random() < 0.3)
            case 5:
                state.dissociate(owner, dice.choice([None, name]))
            case 6:
                scopes.append(state.begin_scope(owner, name))
            case 7 if scopes:
                state.end_scope(scopes.pop(dice.randrange(len(scopes))))
            case 8:
                state.owner_gone(owner)
                state.apply_events(1.0)
                state.reclaim(2.0 * dice.randrange(2))
        for event in scene.read():
            mirror(event)
        assert mirror.leases == spoken(state.leases)
