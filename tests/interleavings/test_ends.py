"""The first words of a thread against others that ask for its id: its end is told, and once."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from namepool import ends, owners
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found
from tests.interleavings.support import under_the_explorer

pytestmark = under_the_explorer

TRACE = ("namepool.owners", "namepool.ends")
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)


class Listener:
    """Is told of ends as a pool's state is."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.told: list[str] = []

    def owner_gone(self, owner: str) -> None:
        self.told.append(owner)

    def silence_all(self) -> None:
        pass


class Lifetime:
    """A thread that is played by a worker, with a local storage that ends when the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(ends, "_lock", threading.RLock())  # the explorer sees one of its own
        patch.setattr(ends, "_listeners", ())
        self.thread = threading.Thread()
        self.local = SimpleNamespace()
        self.ids: list[str] = []
        self.listener = Listener()
        ends.notify_gone(self.listener)
        here = SimpleNamespace(**{**vars(threading), "current_thread": lambda: self.thread})
        patch.setattr(owners, "threading", here)
        patch.setattr(owners, "_local", self.local)

    def speak(self) -> None:
        self.ids.append(owners._first_words_of_thread())

    def ask(self) -> None:
        self.ids.append(owners.owner_id(self.thread))

    def is_told_once(self) -> bool:
        """It ends, though its object is kept, and all have called it the same."""
        vars(self.local).clear()
        return len({*self.ids}) == 1 and self.listener.told == [self.ids[0]]


WORKERS = [Lifetime.speak, Lifetime.ask, Lifetime.ask]


def test_the_end_of_a_thread_is_told_once_whoever_called_it_by_its_id_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holds(partial(Lifetime, monkeypatch), WORKERS, Lifetime.is_told_once)


def test_it_is_found_when_an_id_is_stored_before_its_end_is_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def identity_of(thing: Any, owner: str) -> ends.Identity:
        identity: ends.Identity | None = getattr(thing, ends.ATTRIBUTE, None)
        if identity is None:
            identity = ends.Identity(ends._mint(owner))
            setattr(thing, ends.ATTRIBUTE, identity)
            ends.watch(identity)
        return identity

    def locked(thing: Any, owner: str) -> ends.Identity:
        with ends._lock:
            return identity_of(thing, owner)

    monkeypatch.setattr(owners, "identity_of", locked)
    is_found(partial(Lifetime, monkeypatch), WORKERS, Lifetime.is_told_once)


def test_it_is_found_when_two_may_make_an_id_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Open(Lifetime):
        def __init__(self, patch: pytest.MonkeyPatch) -> None:
            super().__init__(patch)
            patch.setattr(ends, "_lock", nullcontext())

    is_found(partial(Open, monkeypatch), WORKERS, Lifetime.is_told_once)
