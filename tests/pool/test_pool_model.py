"""A running pool against a tiny model of it."""

from __future__ import annotations

import pykka
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from namepool import (
    AssociateName,
    CheckinName,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    NamePool,
    NumberedNames,
    PoolStatsRequest,
    Reset,
    name_key,
)
from tests.support import PATIENCE, on_thread

OWNERS = st.sampled_from(["ada", "bob", "cyd", "dan"])
NAMES = st.sampled_from(["NPC #1", "npc 1", "NPC #14", "Restored Rita", "restored RITA", "Olga"])


class RunningPool(RuleBasedStateMachine):
    """The model: who speaks under what, in order; what is leased; what was ever known."""

    def __init__(self) -> None:
        super().__init__()
        self.ref = NamePool.start(source=NumberedNames(), chunk_size=3)
        self.bound: dict[str, list[str]] = {}
        self.leased: dict[str, set[str]] = {}
        self.here = True

    def ask(self, message: object) -> object:
        if self.here:
            return self.ref.ask(message, timeout=PATIENCE)
        return on_thread(lambda: self.ref.ask(message, timeout=PATIENCE))

    def spelled(self, name: str) -> str:
        return next((n for n in self.leased if name_key(n) == name_key(name)), name)

    @rule(here=st.booleans())
    def move(self, here: bool) -> None:
        """Ask from the main thread, or from a worker thread, on which handlers run inline."""
        self.here = here

    @rule(owner=OWNERS)
    def checkout(self, owner: str) -> None:
        name = str(self.ask(CheckoutName(owner=owner)))
        assert name_key(name) not in {name_key(leased) for leased in self.leased}
        self.leased[name] = {owner}
        self.bound.setdefault(owner, []).append(name)

    @rule(owner=OWNERS, name=NAMES, exclusive=st.booleans())
    def associate(self, owner: str, name: str, exclusive: bool) -> None:
        spoken = str(self.ask(AssociateName(name, exclusive, owner)))
        assert name_key(spoken) == name_key(name)
        assert spoken == self.spelled(spoken)
        speakers = self.leased.setdefault(spoken, set())
        for other in [o for o in speakers if exclusive and o != owner]:
            speakers.remove(other)
            self.bound[other].remove(spoken)
        if owner in speakers:
            self.bound[owner].remove(spoken)
        speakers.add(owner)
        self.bound.setdefault(owner, []).append(spoken)

    @rule(owner=OWNERS)
    def dissociate(self, owner: str) -> None:
        names = self.bound.get(owner, [])
        assert self.ask(DissociateName(owner=owner)) is bool(names)
        if names:
            self.leased[names.pop()].remove(owner)

    @precondition(lambda self: self.leased)
    @rule(owner=OWNERS, data=st.data())
    def checkin(self, owner: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.leased)))
        assert self.ask(CheckinName(name, owner)) is True
        for speaker in self.leased.pop(name):
            self.bound[speaker].remove(name)

    @rule(owner=OWNERS)
    def checkin_of_nothing(self, owner: str) -> None:
        assert self.ask(CheckinName("Never Known Nell", owner)) is False

    @rule()
    def reset(self) -> None:
        self.ask(Reset())
        self.leased.clear()
        self.bound.clear()

    @invariant()
    def everybody_speaks_under_the_latest_name_still_held(self) -> None:
        for owner in ("ada", "bob", "cyd", "dan"):
            names = self.bound.get(owner, [])
            latest = names[-1] if names else None
            assert self.ref.ask(GetNameByOwner(owner), timeout=PATIENCE) == latest
            assert self.ref.speaking.get(owner) == latest

    @invariant()
    def what_is_known_is_available_or_checked_out(self) -> None:
        stats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        assert stats.checked_out_count == len(self.leased)
        assert stats.all_used_count == stats.available_count + stats.checked_out_count

    def teardown(self) -> None:
        self.ref.stop()
        pykka.ActorRegistry.stop_all()


RunningPool.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRunningPool = RunningPool.TestCase
