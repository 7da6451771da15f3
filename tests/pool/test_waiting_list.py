"""Those who wait, when something goes wrong on the way of a name to them."""

from __future__ import annotations

from typing import Any

import pytest

from namepool import CheckinName, CheckoutName, DissociateName, NamePool, PoolStatsRequest
from namepool.actors import Reply
from namepool.core.events import Withdrawal
from tests.support import PATIENCE, ScriptedSource, wait_until


def test_who_is_served_when_memory_runs_out_is_served_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = ScriptedSource(["Only Olga"])
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    name = ref.ask(CheckoutName(owner="holder"), timeout=PATIENCE)
    actor = ref._actor
    actor._refilling.refill = lambda: None
    waiting = ref.ask(CheckoutName(None, "bystander"), block=False)
    carry = Reply.carry
    failures = [MemoryError()]

    def fail_once(self: Any, grant: Any, sink: Any) -> Any:
        if failures and not isinstance(grant, Withdrawal):
            raise failures.pop()
        return carry(self, grant, sink)

    monkeypatch.setattr(Reply, "carry", fail_once)
    with pytest.raises(MemoryError):
        ref.ask(CheckinName(name, "holder"), timeout=PATIENCE)

    assert waiting.get(timeout=PATIENCE) == "Only Olga"  # though no message follows
    assert ref.ask(PoolStatsRequest()).checked_out_count == 1


def test_a_future_that_is_dropped_after_its_owner_dissociated_costs_no_name() -> None:
    ref = NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0)
    future = ref.ask(CheckoutName(owner="planner"), block=False)
    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 1, ref)
    ref.ask(DissociateName(owner="planner"))

    del future

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 0, ref)
