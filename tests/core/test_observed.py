"""Of each transition is told what it does to a lease: in order, nothing lost, nothing twice."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import pytest

from namepool import events as e
from namepool.core.leases import Lease, Token
from namepool.core.log import Entry
from namepool.core.speakers import Told
from namepool.core.state import PoolState
from namepool.pool import messages as m
from namepool.pool import observing
from namepool.pool.observing import Observing, Seen
from tests.core.scene import (
    admit,
    associate,
    binding_for,
    checkin,
    checkout,
    look_at,
    speakers_of,
    state_with,
)
from tests.mirror import Mirror, StillReader, kinds, spoken
from tests.strikes.tracing import HardStrike, strike_at
from tests.support import lease_for


class StillInbox:
    """What an observer needs of an inbox, with a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now


class Scene:
    """An observed state of six names, and who reads along."""

    def __init__(self) -> None:
        self.state = state_with()
        admit(self.state, ["Ada", "Bea", "Cid", "Dan", "Eve", "Flo"])
        inbox: Any = StillInbox()
        self.inbox: StillInbox = inbox
        self.reader = StillReader()
        self.observing = Observing(self.state, inbox)
        self.observing.subscribe(m.Subscribe(self.reader))

    def read(self) -> list[e.PoolEvent]:
        return self.reader.read()


@pytest.fixture
def scene() -> Scene:
    return Scene()


# When an observer is asked


class Noting:
    """Notes what it is asked, and how far the transition has come."""

    def __init__(self, state: PoolState) -> None:
        self.state = state
        self.noted: list[tuple[str, str, bool]] = []

    def _note(self, what: str, name: str, token: Token) -> Told:
        self.noted.append((what, name, bool(token.says)))
        return ()

    def began(self, lease: Lease, name: str, owner: str) -> Told:
        assert name not in self.state.leases
        return self._note(f"{owner} began", name, lease)

    def ended(self, lease: Lease, is_reclaimed: bool) -> Told:
        assert self.state.leases[lease.name] is lease
        return self._note("reclaimed" if is_reclaimed else "ended", lease.name, lease)

    def speaks(self, token: Token, lease: Lease) -> Told:
        assert self.state.leases[lease.name] is lease
        return self._note(f"{token.owner} speaks", lease.name, token)

    def is_silent(self, token: Token) -> Told:
        assert token.owner in speakers_of(self.state, token.name)
        return self._note(f"{token.owner} is silent", token.name, token)


def test_an_observer_is_asked_before_each_change() -> None:
    state = state_with()
    admit(state, ["Ada"])
    state.observer = observer = Noting(state)

    lease = checkout(state, "o")
    associate(state, "p", "Ada")
    associate(state, "p", "Ada")
    associate(state, "q", "Ada", exclusive=True)
    state.dissociate("q")
    state.end(lease)
    associate(state, "o", "Zoe")
    state.owner_ended("o", 1.0)
    state.reclaim(1.0, 2.0)

    assert observer.noted == [
        ("o began", "Ada", False),
        ("p speaks", "Ada", False),
        ("p speaks", "Ada", True),
        ("o is silent", "Ada", True),
        ("p is silent", "Ada", True),
        ("q speaks", "Ada", False),
        ("q is silent", "Ada", True),
        ("ended", "Ada", False),
        ("o began", "Zoe", False),
        ("o is silent", "Zoe", True),
        ("reclaimed", "Zoe", False),
    ]


def test_what_changes_nothing_is_not_told() -> None:
    state = state_with()
    admit(state, ["Ada"])
    lease, wait = checkout(state, "o"), lease_for(state, "p")
    binding = binding_for(state, "p", "Ada")
    state.observer = observer = Noting(state)

    state.begin(lease)
    state.begin(wait)
    state.end(wait)
    state.end(binding)
    state.dissociate("p", "Ada")
    state.owner_ended("p", 1.0)
    state.reclaim(1.0, 1.0)
    state.recover()
    assert observer.noted == []

    state.end(lease)
    state.end(lease)
    assert [what for what, *_ in observer.noted] == ["ended"]


def test_an_observer_that_fails_leaves_all_as_it_was() -> None:
    state = state_with()
    admit(state, ["Ada", "Bea"])
    lease = checkout(state, "o")
    observer: Any = object()  # it answers nothing
    state.observer = observer

    with pytest.raises(AttributeError):
        checkout(state, "p")
    with pytest.raises(AttributeError):
        state.end(lease)

    look_at(state)
    assert list(state.leases) == ["Ada"]
    assert lease.says == "Ada"


# What is told


def test_a_checkout_and_a_check_in_are_told(scene: Scene) -> None:
    checkout(scene.state, "o")
    scene.inbox.now += 5.0
    checkin(scene.state, "Ada")

    assert scene.read() == [
        e.NameCheckedOut("Ada", "o", lease_id="1", at=100.0),
        e.NameCheckedIn("Ada", "o", 5.0, lease_id="1", at=105.0),
    ]


def test_an_event_has_the_id_of_its_lease_also_if_its_owner_was_associated_again(
    scene: Scene,
) -> None:
    scene.state.id_prefix = "tag-1-"
    checkout(scene.state, "o")
    associate(scene.state, "o", "Ada")
    checkin(scene.state, "Ada")
    checkout(scene.state, "p")
    associate(scene.state, "p", "Zoe")

    events: list[Any] = scene.read()

    assert [(type(event).__name__, event.lease_id) for event in events] == [
        ("NameCheckedOut", "tag-1-1"),
        ("NameAssociated", "tag-1-1"),
        ("NameCheckedIn", "tag-1-1"),
        ("NameCheckedOut", "tag-1-3"),
        ("NameCheckedOut", "tag-1-4"),
    ]


def test_an_event_equals_none_of_another_class() -> None:
    out: e.PoolEvent = e.NameCheckedOut("Ada", "o", lease_id="1", at=1.0)
    associated: e.PoolEvent = e.NameAssociated("Ada", "o", lease_id="1", at=1.0)

    assert out != associated


def test_a_checkout_of_a_theme_is_told_with_the_name_that_it_found(scene: Scene) -> None:
    admit(scene.state, ["Gil"], "sea")

    checkout(scene.state, "o", "sea")

    assert scene.read() == [e.NameCheckedOut("Gil", "o", lease_id="1", at=100.0)]


def test_a_name_that_is_taken_by_name_is_told_as_checked_out(scene: Scene) -> None:
    scene.state.take(lease_for(scene.state, "o"), "Zoe")

    assert scene.read() == [e.NameCheckedOut("Zoe", "o", lease_id="1", at=100.0)]


def test_one_more_speaker_is_told_and_who_stops_too(scene: Scene) -> None:
    checkout(scene.state, "o")
    associate(scene.state, "p", "Ada")
    scene.state.dissociate("p", "Ada")

    assert scene.read()[1:] == [
        e.NameAssociated("Ada", "p", lease_id="1", at=100.0),
        e.NameDissociated("Ada", "p", lease_id="1", at=100.0),
    ]


def test_who_takes_a_name_over_silences_the_others_first(scene: Scene) -> None:
    checkout(scene.state, "o")
    associate(scene.state, "p", "Ada", exclusive=True)

    assert scene.read()[1:] == [
        e.NameDissociated("Ada", "o", lease_id="1", at=100.0),
        e.NameAssociated("Ada", "p", lease_id="1", at=100.0),
    ]


@pytest.mark.parametrize("name", ["Zoe", "Ada"])
def test_a_name_that_was_not_checked_out_is_by_being_associated(scene: Scene, name: str) -> None:
    associate(scene.state, "o", name)

    assert scene.read() == [e.NameCheckedOut(name, "o", lease_id="1", at=100.0)]


def test_the_end_of_a_block_tells_who_speaks_under_its_name_no_more(scene: Scene) -> None:
    checkout(scene.state, "o")
    checkout(scene.state, "p")
    binding = associate(scene.state, "o", "Bea", in_block=True)

    scene.state.end(binding)

    assert scene.read()[2:] == [
        e.NameAssociated("Bea", "o", lease_id="2", at=100.0),
        e.NameDissociated("Bea", "o", lease_id="2", at=100.0),
    ]


def test_the_end_of_a_block_within_another_of_the_name_is_not_told(scene: Scene) -> None:
    checkout(scene.state, "o")
    outer = associate(scene.state, "p", "Ada", in_block=True)
    inner = associate(scene.state, "p", "Ada", in_block=True)
    scene.read()

    scene.state.end(inner)
    assert scene.read() == []

    scene.state.end(outer)
    assert scene.read() == [e.NameDissociated("Ada", "p", lease_id="1", at=100.0)]


def test_a_lent_name_comes_home_at_the_end_of_its_last_block(scene: Scene) -> None:
    blocks = [associate(scene.state, owner, "Ada", in_block=True) for owner in "op"]
    for block in blocks:
        scene.state.end(block)

    assert kinds(scene.read()) == [
        *("NameCheckedOut", "NameAssociated", "NameDissociated", "NameDissociated"),
        "NameCheckedIn",
    ]


def test_a_name_that_is_reclaimed_is_told_as_such(scene: Scene) -> None:
    checkout(scene.state, "o")
    scene.state.owner_ended("o", 100.0)
    scene.state.reclaim(101.0, 101.0)
    checkout(scene.state, "p")
    checkin(scene.state, "Bea")

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
    checkout(scene.state, "o")
    associate(scene.state, "p", "Ada")
    scene.read()

    scene.state.reset()

    assert scene.read() == []


def test_of_a_lease_from_before_it_is_told_who_stops_speaking_and_that_it_ends() -> None:
    scene = Scene()
    scene.observing.unsubscribe(m.Unsubscribe(scene.reader))
    checkout(scene.state, "o")
    associate(scene.state, "p", "Ada")
    scene.observing.subscribe(m.Subscribe(scene.reader))

    scene.state.dissociate("p")
    checkin(scene.state, "Ada")

    assert scene.read() == [
        e.NameDissociated("Ada", "p", lease_id="1", at=100.0),
        e.NameCheckedIn("Ada", "o", 0.0, lease_id="1", at=100.0),
    ]


def test_what_is_noted_of_a_lease_is_when_it_began(scene: Scene) -> None:
    lease = checkout(scene.state, "o")

    assert isinstance(lease.seen, Seen)
    assert (lease.seen.since, lease.seen.place, lease.seen.is_timed) == (100.0, None, True)


def test_while_nobody_reads_no_event_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox: Any = StillInbox()
    state = state_with()
    admit(state, ["Ada", "Bea"])
    state.observer = Observing(state, inbox)
    made: list[str] = []
    for kind in ("NameCheckedOut", "NameCheckedIn", "NameAssociated", "NameDissociated"):
        monkeypatch.setattr(observing, kind, lambda *_, kind=kind, **__: made.append(kind))

    checkout(state, "o")
    associate(state, "p", "Ada")
    state.dissociate("o")
    checkin(state, "Ada")

    assert made == []


def test_while_nobody_reads_nothing_is_written() -> None:
    inbox: Any = StillInbox()
    state = state_with()
    admit(state, ["Ada", "Bea"])
    state.observer = Observing(state, inbox)

    checkout(state, "o")
    associate(state, "p", "Ada")
    state.dissociate("o")
    checkin(state, "Ada")

    assert (state.log.count, len(state.log.entries)) == (0, 0)


def test_a_state_that_nobody_observes_is_what_it_was(scene: Scene) -> None:
    scene.observing.unsubscribe(m.Unsubscribe(scene.reader))

    assert scene.state.observer is None
    assert scene.state.log.readers == ()
    checkout(scene.state, "o")
    assert scene.read() == []


def test_who_reads_is_woken_by_a_recovery_whoever_was_to_wake_it_before(scene: Scene) -> None:
    scene.reader.is_woken = True  # as a strike before the waking itself leaves it

    scene.state.recover()

    assert scene.reader.woken == 1


# Strikes

TRANSITIONS: dict[str, Callable[[PoolState], object]] = {
    "begin": lambda s: checkout(s, "o"),
    "begin a second lease": lambda s: checkout(s, "p"),
    "begin for another": lambda s: checkout(s, "p", outside=True),
    "take": lambda s: s.take(lease_for(s, "o"), "Zoe"),
    "end": lambda s: checkin(s, "Ada"),
    "end of a shared name": lambda s: checkin(s, "Bea"),
    "end of a binding": lambda s: s.end(next(iter(s.leases["Bea"].further or ()))),
    "end of a lent name": lambda s: s.end(next(iter(s.leases["Yan"].further or ()))),
    "associate": lambda s: associate(s, "o", "Ada"),
    "associate in a block": lambda s: associate(s, "q", "Bea", in_block=True),
    "associate, exclusive": lambda s: associate(s, "o", "Bea", exclusive=True),
    "associate, again": lambda s: associate(s, "p", "Ada"),
    "associate, unknown": lambda s: associate(s, "o", "Zoe"),
    "associate, in stock": lambda s: associate(s, "o", "Eve"),
    "dissociate": lambda s: s.dissociate("q", "Bea"),
    "the end of an owner": lambda s: s.owner_ended("p", 1.0),
    "reclaim": lambda s: s.reclaim(1.0, 1.0),
}


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_strike_anywhere_loses_no_event_and_doubles_none(name: str) -> None:
    for k in range(10_000):
        scene, mirror = Scene(), Mirror()
        checkout(scene.state, "p")
        checkout(scene.state, "p")
        associate(scene.state, "q", "Bea")
        associate(scene.state, "r", "Yan", in_block=True)
        checkout(scene.state, "f")
        scene.state.owner_ended("f", 0.0)
        place, _ = strike_at(k, lambda: TRANSITIONS[name](scene.state), HardStrike)  # noqa: B023
        if scene.state.torn:
            scene.state.recover()

        look_at(scene.state)
        for event in scene.read():
            mirror(event)
        assert mirror.leases == spoken(scene.state.leases), place
        assert scene.reader.woken, place
        if place is None:
            assert k > 2
            return


@pytest.mark.parametrize("name", TRANSITIONS)
def test_where_memory_ends_as_an_event_is_written_neither_is_told_nor_happens(name: str) -> None:
    scene, mirror = Scene(), Mirror()
    checkout(scene.state, "p")
    checkout(scene.state, "p")
    associate(scene.state, "q", "Bea")
    associate(scene.state, "r", "Yan", in_block=True)
    checkout(scene.state, "f")
    scene.state.owner_ended("f", 0.0)
    log = scene.state.log
    entries, log.entries = log.entries, _NoRoom(log.entries)

    with pytest.raises(MemoryError):
        TRANSITIONS[name](scene.state)
    log.entries = entries
    scene.state.recover()

    look_at(scene.state)
    for event in scene.read():
        mirror(event)
    assert mirror.leases == spoken(scene.state.leases)


class _NoRoom(deque[Entry]):
    """Entries for one more of which there is no memory."""

    def __iadd__(self, told: object) -> Self:
        raise MemoryError


@pytest.mark.parametrize("seed", range(20))
def test_the_events_of_any_history_tell_who_speaks_under_what(seed: int) -> None:
    scene, mirror, dice = Scene(), Mirror(), random.Random(seed)
    names, owners = ["Ada", "Bea", "Cid", "Dan", "Zoe", "Yan"], ["o", "p", "q", "r"]
    state, blocks = scene.state, list[Token]()
    for _ in range(300):
        name, owner = dice.choice(names), dice.choice(owners)
        match dice.randrange(9):
            case 0 | 1 if state.stocks.available:
                checkout(state, owner, outside=dice.random() < 0.2)
            case 2 | 3:
                checkin(state, name)
            case 4:
                associate(state, owner, name, exclusive=dice.random() < 0.3)
            case 5:
                state.dissociate(owner, dice.choice([None, name]))
            case 6:
                blocks.append(associate(state, owner, name, in_block=True))
            case 7 if blocks:
                state.end(blocks.pop(dice.randrange(len(blocks))))
            case 8:
                state.owner_ended(owner, 1.0)
                state.reclaim(2.0 * dice.randrange(2), 3.0)
        for event in scene.read():
            mirror(event)
        assert mirror.leases == spoken(state.leases)
