"""A machine that holds ``PoolState`` against a tiny model, and cuts its transitions short."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from namepool.core.known import Admission
from namepool.core.leases import Lease, Token
from namepool.core.names import DEFAULT_NAME, name_key
from namepool.core.options import PoolOptions
from namepool.core.state import PoolState
from tests.core.scene import admit, binding_for, look_at, struck
from tests.support import lease_for, park

OWNERS = st.sampled_from("abc")
THEMES = st.sampled_from([None, None, "sea"])
SPELLINGS = [
    *("Ada", "ADA", "Ada.", "Bea", "b-e-a", "Cid", "Straße", "STRASSE", "Ｄａｎ", "dan", "Eve"),
    *("Finn", "ﬁnn", "Gus", "Hal", "Ivy"),
]
NAMES = st.sampled_from(SPELLINGS)
FEW_NAMES = st.sampled_from(["Ada", "ADA", "Bea", "dan", "Gus"])
CANDIDATES = st.one_of(NAMES, st.sampled_from([None, "", "a\nb", 7, DEFAULT_NAME, "nemo nobody"]))
CUTS = st.one_of(st.just(0), st.integers(1, 70))
"""The line before which a transition is cut short; 0: none."""


class Held:
    """What the model knows of a lease."""

    def __init__(self, theme: str | None, *, in_block: bool) -> None:
        self.theme = theme
        self.in_block = in_block
        self.lent = False
        self.by: Token | None = None


class StateAgainstModel(RuleBasedStateMachine):
    """The model: a list of names per theme, the leases, and all tokens that speak, the latest last.

    A transition that is cut short is mended, and asked for again, or given up: see ``_cut``.
    """

    @initialize(gap=st.sampled_from([0, 0, 1, 3]))
    def let_names_rest(self, gap: int) -> None:
        self.gap = gap
        self.state.options = PoolOptions(reuse_gap=gap)

    def __init__(self) -> None:
        super().__init__()
        self.state = PoolState()
        self.gap = 0
        self.resting: dict[str | None, list[tuple[str, int]]] = {None: [], "sea": []}
        self.handed: dict[str | None, int] = {None: 0, "sea": 0}
        self.stocks: dict[str | None, list[str]] = {None: [], "sea": []}
        self.homes: dict[str, str | None] = {}
        self.of_source: list[str] = []
        self.leases: dict[str, Held] = {}
        self.spoken: list[tuple[Token, str]] = []  # with the name
        self.given: list[Token] = []  # those of them that another party took
        self.orphans: dict[str, float] = {}  # name → since when
        self.waiting: dict[str | None, list[Lease]] = {None: [], "sea": []}
        self.tokens: list[Token] = []  # all there ever were
        self.now = 0.0
        self.was_cut = False

    # the model's own moves

    def _spelled(self, name: str) -> str:
        return {name_key(known): known for known in self.homes}.get(name_key(name), name)

    def _under(self, name: str) -> list[Token]:
        return [token for token, of in self.spoken if of == name]

    def _speak(self, token: Token, name: str, *, outside: bool) -> None:
        self._silence(token)
        self.spoken.append((token, name))
        if outside:
            self.given.append(token)

    def _silence(self, token: Token) -> None:
        self.spoken = [(one, name) for one, name in self.spoken if one is not token]
        self.given = [one for one in self.given if one is not token]

    def _begin(self, name: str, held: Held) -> None:
        self.homes[name] = held.theme
        self.leases[name] = held
        if name in self.stocks[held.theme]:
            self.stocks[held.theme].remove(name)
        rests = self.resting[held.theme]
        rests[:] = [one for one in rests if one[0] != name]

    def _end(self, name: str) -> None:
        for token in self._under(name):
            self._silence(token)
        theme = self.leases.pop(name).theme
        self.resting[theme].append((name, self.handed[theme]))
        if self.handed[theme] - self.resting[theme][0][1] >= self.gap:
            self.stocks[theme].append(self.resting[theme].pop(0)[0])
        self.orphans.pop(name, None)

    # what is cut short

    def _cut(self, cut: int, transition: Callable[[], object]) -> bool:
        """Run a transition, cut short before that line; mend the state; tell if it was."""
        self.was_cut = was_cut = bool(cut) and struck(cut, transition)
        if not cut:
            transition()
        if self.state.torn:
            self.state.recover()
        look_at(self.state)
        return was_cut

    def _done(self, cut: int, transition: Callable[[], object]) -> None:
        """Have it done, once more if it was cut short."""
        if self._cut(cut, transition):
            transition()

    def _asked(
        self, cut: int, token: Token, transition: Callable[[], object], *, end: bool
    ) -> bool:
        """Ask for something; who is cut short ends its token, or asks again; tell if it has it."""
        self.tokens.append(token)
        if not self._cut(cut, transition):
            return True
        if not end:
            transition()
            return True
        known = {*self.homes}
        self.state.end(token)
        self.state.end(token)
        for name in {*self.state.known.used()} - known:  # it was unknown, and came home
            self.homes[name] = None
            self.resting[None].append((name, self.handed[None]))
        self._heed_what_was_cut()
        return False

    def _heed_what_was_cut(self) -> None:
        """Heed what may differ once something was cut short: who is latest, which leases stay."""
        self.spoken.sort(key=lambda pair: pair[0].number)
        self.given = [token for token, _ in self.spoken if token.outside]
        kept = {lease.name for lease in self.state.orphans}
        self.orphans = {name: since for name, since in self.orphans.items() if name in kept}
        for name, held in [*self.leases.items()]:
            if name not in self.state.leases:  # a block that speaks as the last one, and ends
                assert held.lent
                assert not self._under(name)
                self._end(name)
                continue
            held.lent, held.by = self.state.leases[name].is_lent, self.state.leases[name].by

    # the moves of both

    @rule(candidates=st.lists(CANDIDATES, max_size=6), theme=THEMES)
    def admit(self, candidates: list[object], theme: str | None) -> None:
        accepted = invalid = 0
        for candidate in candidates:
            if candidate not in SPELLINGS:
                invalid += 1
            elif self._spelled(candidate) not in self.homes:
                self.homes[candidate] = theme
                self.of_source.append(candidate)
                self.stocks[theme].append(candidate)
                accepted += 1
        expected = Admission(accepted, invalid, len(candidates) - accepted - invalid)
        assert admit(self.state, candidates, theme) == expected

    @rule(owner=OWNERS, theme=THEMES, in_block=st.booleans(), outside=st.booleans(), cut=CUTS)
    def checkout(
        self, owner: str, theme: str | None, in_block: bool, outside: bool, cut: int
    ) -> None:
        lease = lease_for(self.state, owner, theme)
        lease.in_block, lease.outside = in_block, outside
        if not self.stocks[theme]:
            assert self.state.begin(lease, spare=0) is not None
            assert lease.says is None
            return
        name = self.stocks[theme][0]
        if self._asked(cut, lease, lambda: self.state.begin(lease, spare=0), end=True):
            assert lease.says == name
            self.handed[theme] += 1
            self._begin(name, Held(theme, in_block=in_block))
            self._speak(lease, name, outside=outside)

    @rule(owner=OWNERS, name=FEW_NAMES, cut=CUTS, end=st.booleans())
    def take(self, owner: str, name: str, cut: int, end: bool) -> None:
        name = self._spelled(name)
        if name in self.leases:
            return
        lease = lease_for(self.state, owner)
        if self._asked(cut, lease, lambda: self.state.take(lease, name), end=end):
            self.handed[self.homes.get(name)] += 1
            self._begin(name, Held(self.homes.get(name), in_block=False))
            self._speak(lease, name, outside=False)

    @rule(
        owner=OWNERS,
        name=FEW_NAMES,
        exclusive=st.booleans(),
        in_block=st.booleans(),
        outside=st.booleans(),
        cut=CUTS,
        end=st.booleans(),
    )
    def associate(
        self,
        owner: str,
        name: str,
        exclusive: bool,
        in_block: bool,
        outside: bool,
        cut: int,
        end: bool,
    ) -> None:
        spelled = self._spelled(name)
        binding = binding_for(self.state, owner, name, exclusive=exclusive)
        binding.in_block, binding.outside = in_block, outside
        end = end and not exclusive  # for the others that it silences this is not undone
        if not self._asked(cut, binding, lambda: self.state.associate(binding), end=end):
            return
        if spelled not in self.leases:
            self._begin(spelled, Held(self.homes.get(spelled), in_block=False))
            self.leases[spelled].lent, self.leases[spelled].by = in_block, binding
        held = self.leases[spelled]
        for token in self._under(spelled) if exclusive else ():
            if token.owner != owner:
                self._silence(token)
        mine = [t for t in self._under(spelled) if t.owner == owner and not t.in_block]
        if in_block or not mine:
            self._speak(binding, spelled, outside=outside)
        else:
            assert binding.spoken is mine[0] or cut
            self._speak(mine[0], spelled, outside=outside or mine[0] in self.given)
        if not in_block:
            self.orphans.pop(spelled, None)
            held.lent, held.by = False, held.by if held.by is binding else None
        if self.was_cut:
            self._heed_what_was_cut()

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), cut=CUTS)
    def end(self, data: st.DataObject, cut: int) -> None:
        token = data.draw(st.sampled_from(self.tokens[-20:]))
        name = token.name
        lasts = name in self.leases and self.state.leases[name] is token.lease
        self._done(cut, lambda: self.state.end(token))
        if lasts and isinstance(token, Lease):
            self._end(name)
        elif lasts:
            self._silence(token)
            held = self.leases[name]
            goes_too = held.lent if token.in_block else held.by is token
            if goes_too and not self._under(name):
                self._end(name)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), cut=CUTS)
    def checkin(self, data: st.DataObject, cut: int) -> None:
        name = data.draw(st.sampled_from([*self.leases]))
        lease = self.state.leases[name]
        self._done(cut, lambda: self.state.end(lease))
        self._end(name)

    @rule(owner=OWNERS, name=FEW_NAMES, cut=CUTS)
    def dissociate(self, owner: str, name: str, cut: int) -> None:
        self._done(cut, lambda: self.state.dissociate(owner, name))
        for token in self._under(self._spelled(name)):
            if token.owner == owner:
                self._silence(token)

    @rule(owner=OWNERS)
    def dissociate_from_the_latest(self, owner: str) -> None:
        names = [name for token, name in self.spoken if token.owner == owner]
        assert self.state.dissociate(owner) == bool(names)
        for token in self._under(names[-1]) if names else ():
            if token.owner == owner:
                self._silence(token)

    @rule(owner=OWNERS, seconds=st.sampled_from([0.0, 1.0, 5.0]), cut=CUTS)
    def owner_ended(self, owner: str, seconds: float, cut: int) -> None:
        self.now += seconds
        self._done(cut, lambda: self.state.owner_ended(owner, self.now))
        for token, name in self.spoken:
            if token.owner == owner and not token.in_block:
                others = [one for one in self._under(name) if one is not token]
                if not self.leases[name].in_block and all(one.in_block for one in others):
                    self.orphans[name] = self.now
                self._silence(token)

    @rule(ago=st.sampled_from([0.0, 1.0, 5.0, 50.0]), cut=CUTS)
    def reclaim(self, ago: float, cut: int) -> None:
        before = self.now - ago
        due = [name for name, since in self.orphans.items() if since <= before]
        self.now += 1.0
        self._done(cut, lambda: self.state.reclaim(before, self.now))
        for name in due:
            if self._under(name):
                del self.orphans[name]
                self.orphans[name] = self.now
            else:
                self._end(name)

    @rule(theme=THEMES)
    def ready_due(self, theme: str | None) -> None:
        self.state.stocks[theme].ready_due(self.gap)
        while self.resting[theme] and self.handed[theme] - self.resting[theme][0][1] >= self.gap:
            self.stocks[theme].append(self.resting[theme].pop(0)[0])

    @rule(theme=THEMES)
    def ready_next(self, theme: str | None) -> None:
        if self.resting[theme]:
            self.state.stocks[theme].ready_next()
            self.stocks[theme].append(self.resting[theme].pop(0)[0])

    @rule(owner=OWNERS, theme=THEMES)
    def park(self, owner: str, theme: str | None) -> None:
        lease = park(self.state, owner, theme=theme)
        self.tokens.append(lease)
        self.waiting[theme].append(lease)

    @rule(theme=THEMES)
    def serve(self, theme: str | None) -> None:
        if not self.waiting[theme] or not self.stocks[theme]:
            return
        lease = self.waiting[theme].pop(0)
        stock = self.state.stocks[theme]
        assert stock.waiters.first() is lease
        if lease.says is None:
            name = self.stocks[theme][0]
            assert self.state.begin(lease, spare=0) == name
            self.handed[theme] += 1
            self._begin(name, Held(theme, in_block=False))
            self._speak(lease, name, outside=False)
        del stock.waiters[lease]

    @precondition(lambda self: not self.waiting["sea"])
    @rule(cut=CUTS)
    def forget(self, cut: int) -> None:
        if any(held.theme == "sea" for held in self.leases.values()):
            return
        stock = self.state.stocks["sea"]
        self._done(cut, lambda: self.state.forget([stock]))
        assert "sea" not in self.state.stocks
        self.homes = {name: theme for name, theme in self.homes.items() if theme is None}
        self.of_source = [name for name in self.of_source if name in self.homes]
        self.stocks["sea"], self.resting["sea"], self.handed["sea"] = [], [], 0

    @precondition(lambda self: len(self.leases) > 4)
    @rule(cut=CUTS)
    def reset(self, cut: int) -> None:
        self._done(cut, self.state.reset)
        for theme in self.stocks:
            self.stocks[theme].clear()
            self.resting[theme].clear()
        self.of_source.clear()
        for of_all in (self.homes, self.leases, self.spoken, self.given, self.orphans):
            of_all.clear()

    @rule(cut=CUTS)
    def recover(self, cut: int) -> None:
        self._done(cut, self.state.recover)

    # what always holds

    @invariant()
    def all_is_in_order(self) -> None:
        look_at(self.state)

    @invariant()
    def every_theme_has_its_names_and_who_waits_for_them(self) -> None:
        for theme, names in self.stocks.items():
            stock, rest = self.state.stocks[theme], self.resting[theme]
            if self.was_cut:  # then their order may be another, and some may have to rest longer
                assert sorted(stock.all_names()) == sorted([*names, *dict(rest)])
                assert abs(stock.handed - self.handed[theme]) <= 1
                names[:], rest[:], self.handed[theme] = stock.names, stock.resting, stock.handed
            assert list(stock.names) == names
            assert list(stock.resting) == rest
            assert stock.handed == self.handed[theme]
            assert list(self.state.stocks[theme].waiters) == self.waiting[theme]
        assert self.state.leases.keys() == self.leases.keys()
        assert {*self.state.known.used()} == self.homes.keys()
        assert [*self.state.known.of_source()] == self.of_source

    @invariant()
    def who_speaks_speaks_under_the_latest_still_held(self) -> None:
        for owner in "abc":
            mine = [token for token, _ in self.spoken if token.owner == owner]
            assert list(self.state.owners.get(owner, ())) == mine
            given = [token for token in self.given if token.owner == owner]
            assert self.state.given.get(owner) is (given[-1] if given else None)

    @invariant()
    def a_token_says_its_name_while_it_speaks_and_nothing_after(self) -> None:
        said = {id(token): name for token, name in self.spoken}
        for token in self.tokens:
            assert (token.says or None) == said.get(id(token))

    @invariant()
    def orphans_are_in_the_order_in_which_they_became_so(self) -> None:
        orphans = [(lease.name, since) for lease, since in self.state.orphans.items()]
        assert orphans == list(self.orphans.items())


TestStateAgainstModel = StateAgainstModel.TestCase
TestStateAgainstModel.settings = settings(deadline=None, max_examples=80, stateful_step_count=40)
