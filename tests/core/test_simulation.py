"""The refill in a moved clock meets every demand it can; ``simulation`` prints the table."""

from __future__ import annotations

import pytest

from tests.core.simulation import Scenario, Simulation, constant, scenarios


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(scenario, id=scenario.name, marks=[] if n % 4 == 0 else pytest.mark.proof)
        for n, scenario in enumerate(scenarios())
    ],
)
def test_the_policy_meets_the_demand(scenario: Scenario) -> None:
    came = scenario.run()
    assert came.share <= scenario.share
    assert came.requests <= scenario.requests
    assert came.most <= scenario.most
    assert came.last <= scenario.last


def test_without_what_is_learnt_a_twelfth_waits() -> None:
    simulation = Simulation()
    simulation.fetches._learnt.policy = lambda bounds, age=0.0: bounds  # type: ignore[method-assign]
    assert simulation.run(constant(20), 15, 60).share > 0.05


def test_an_idle_pool_asks_for_nothing() -> None:
    came = Simulation().run(constant(20, 40), 42, 10_000)  # what was under way has come by then
    assert (came.checkouts, came.requests) == (0, 0)
