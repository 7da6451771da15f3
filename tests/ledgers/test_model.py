"""Hypothesis drives two sessions of each ledger, and their deaths, against a plain model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from namepool.core.names import name_key
from namepool.ledgers.session import SessionLedger
from tests.ledgers.engines import engine_of

DAY = 86400.0
NAMES = st.sampled_from(["Ada", "ADA", "Bob", "bob!", "Cleo", "Dora", "Émile", "Emile", "Five 5"])
SESSIONS = st.integers(0, 1)
TOKENS = st.sampled_from(["t1", "t2"])
IDENTITIES = st.sampled_from([None, "planner", "tester"])


class TwoSessions(RuleBasedStateMachine):
    """The model: key → (session, token, identity); a session's number grows with each death."""

    kind: str

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.engine = engine_of(self.kind, Path(self._folder.name))
        self.sessions: list[SessionLedger] = [self.engine.open(), self.engine.open()]
        self.ids: list[int] = [0, 1]
        self.claims: dict[str, tuple[int, str, str | None]] = {}
        self.gone: set[int] = set()
        self.kept: set[str] = set()
        self.positions = 0

    @rule(who=SESSIONS, names=st.lists(NAMES, max_size=6), token=TOKENS)
    def claim(self, who: int, names: list[str], token: str) -> None:
        expected, seen = [], set()
        for name in names:
            key = name_key(name)
            holder = self.claims.setdefault(key, (self.ids[who], token, None))
            if holder[:2] == (self.ids[who], token) and key not in seen:
                expected.append(name)
            seen.add(key)
        assert self.sessions[who].claim(names, token) == expected

    @rule(who=SESSIONS, name=NAMES, identity=IDENTITIES)
    def take(self, who: int, name: str, identity: str | None) -> None:
        key, me = name_key(name), self.ids[who]
        expected = self.expected(key, me, identity)
        holder = self.sessions[who].take(name, identity)
        assert (holder and name_key(holder.name)) == expected
        if expected is None:
            _, token, before = self.claims.get(key, (me, "", None))
            self.claims[key] = (me, token, identity or before)
            self.kept.discard(key)
        else:
            assert holder is not None
            assert holder.identity == self.claims[expected][2]
            assert holder.is_kept is (expected in self.kept)

    def expected(self, key: str, me: int, identity: str | None) -> str | None:
        """Return the key of the name that is in the way, if there is one."""
        others = [k for k, claim in self.claims.items() if claim[2] == identity and k != key]
        if identity is not None and others:
            return others[0]
        session, _, before = self.claims.get(key, (me, "", None))
        is_ours = session == me and before is None
        is_free = session in self.gone or session == me or key in self.kept
        is_back = identity is not None and identity == before and is_free
        return None if is_ours or is_back else key

    @rule(who=SESSIONS, identity=IDENTITIES)
    def find(self, who: int, identity: str | None) -> None:
        if identity is not None:
            holder = self.sessions[who].kept(identity)
            keys = [key for key, claim in self.claims.items() if claim[2] == identity]
            assert ([name_key(holder.name)] if holder else []) == keys

    @rule(who=SESSIONS, names=st.lists(NAMES, max_size=4), token=st.none() | TOKENS)
    def release(self, who: int, names: list[str], token: str | None) -> None:
        for key in map(name_key, names):
            session, by, identity = self.claims.get(key, (-1, "", None))
            if session == self.ids[who] and token in (None, by):
                if identity is None:
                    del self.claims[key]
                else:
                    self.kept.add(key)
        self.sessions[who].release(names, token)

    @rule(who=SESSIONS, count=st.integers(1, 9))
    def advance(self, who: int, count: int) -> None:
        assert self.sessions[who].advance("walk", count) == self.positions
        self.positions += count

    @rule(who=SESSIONS)
    def renew(self, who: int) -> None:
        self.sessions[who].renew()

    @rule(who=SESSIONS, crashes=st.booleans())
    def end(self, who: int, crashes: bool) -> None:
        if crashes:
            self.engine.crash(self.sessions[who])
        else:
            self.sessions[who].close()
        self.gone.add(self.ids[who])
        self.sessions[who] = self.engine.open()
        self.ids[who] = max(self.ids) + 1

    @rule(who=SESSIONS)
    def forget_identities(self, who: int) -> None:
        self.prune_in_a_month(who, identities=True)

    @rule(who=SESSIONS)
    def prune_in_a_month(self, who: int, identities: bool = False) -> None:
        for session in self.sessions:
            session.renew()
        self.engine.pass_time(30 * DAY)
        for session in self.sessions:
            session.renew()
        dead = [
            key
            for key, claim in self.claims.items()
            if claim[0] in self.gone and (identities or claim[2] is None)
        ]
        assert self.sessions[who].prune(7 * DAY, identities=identities) == len(dead)
        for key in dead:
            del self.claims[key]
            self.kept.discard(key)

    @invariant()
    def the_ledger_knows_what_the_model_knows(self) -> None:
        known = {
            name_key(holder.name): (holder.session.id, holder.identity)
            for holder in self.sessions[0].holders()
        }
        assert {key: identity for key, (_, identity) in known.items()} == {
            key: claim[2] for key, claim in self.claims.items()
        }
        for number, session in zip(self.ids, self.sessions, strict=True):
            ours = {key for key, (holder, _) in known.items() if holder == session.session}
            assert ours == {key for key, claim in self.claims.items() if claim[0] == number}

    def teardown(self) -> None:
        self.engine.close()
        self._folder.cleanup()


@pytest.mark.parametrize(
    ("kind", "examples"),
    [
        ("memory", 25),
        ("sqlite", 10),
        pytest.param("memory", 100, marks=pytest.mark.proof),
        pytest.param("sqlite", 25, marks=pytest.mark.proof),
        pytest.param("redis", 25, marks=pytest.mark.proof),
    ],
)
def test_two_sessions_do_what_the_model_does(kind: str, examples: int, tmp_path: Path) -> None:
    engine_of(kind, tmp_path).close()  # where there is no server, this skips the test
    machine: Any = type(f"Two{kind}", (TwoSessions,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
