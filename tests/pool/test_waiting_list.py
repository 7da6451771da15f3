"""Those who wait, when something goes wrong on the way of a name to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from namepool import CheckinName, CheckoutName, DissociateName, NamePool, PoolStatsRequest
from namepool.actors.reply import Dropped
from tests.support import PATIENCE, ScriptedSource, wait_until


class Scene:
    """A pool of one name, which is held; the next answer to one who waited fails once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = ScriptedSource(["Only Olga"])
        self.ref = NamePool.start(
            source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0, reuse_gap=0
        )
        self.name = self.ref.ask(CheckoutName(owner="holder"), timeout=PATIENCE)
        actor: Any = self.ref._actor
        actor._refilling.refill = lambda: None
        self.waiting = [self.ref.ask(CheckoutName(None, "bystander"), block=False)]
        answer = Dropped.set_quietly
        self.failures: list[Callable[[], object]] = []

        def fail_once(dropped: Dropped, value: Any) -> bool:
            if self.failures:
                self.failures.pop()()
                raise MemoryError
            return answer(dropped, value)

        monkeypatch.setattr(Dropped, "set_quietly", fail_once)

    def give_back(self) -> None:
        assert self.ref.ask(CheckinName(self.name, "holder"), timeout=PATIENCE) is True

    def counts(self) -> tuple[int, int, int]:
        """Return how many are ready, out and waiting, behind what has been asked before."""
        stats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        return stats.available_count, stats.checked_out_count, stats.waiting_count


def test_who_is_served_when_memory_runs_out_is_served_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch)
    scene.failures = [lambda: None]

    scene.give_back()

    assert scene.waiting[0].get(timeout=PATIENCE) == "Only Olga"  # though no message follows
    assert scene.failures == []
    assert scene.counts() == (0, 1, 0)


def test_who_is_gone_when_it_is_served_again_costs_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch)
    scene.failures = [scene.waiting.clear]

    scene.give_back()

    wait_until(lambda: scene.counts() == (1, 0, 0), scene.ref)
    assert scene.failures == []


def test_a_future_that_is_dropped_after_its_owner_dissociated_costs_no_name() -> None:
    ref = NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0)
    future = ref.ask(CheckoutName(owner="planner"), block=False)
    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 1, ref)
    ref.ask(DissociateName(owner="planner"))

    del future

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 0, ref)
