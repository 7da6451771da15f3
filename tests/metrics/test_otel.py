"""What a pool measures, as OpenTelemetry's own SDK reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import namepool
from namepool import InvalidOption, NumberedNames
from namepool.core.state import PoolState
from namepool.core.stats import BOUNDS
from namepool.metrics import otel
from namepool.metrics.table import COUNTERS, GAUGES
from namepool.pool.handle import PoolHandle
from tests.metrics.scene import COUNTS, live
from tests.support import MovableClock


class Sdk:
    """A provider of meters, and what it would export."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def read(self) -> dict[str, Any]:
        """Return the metrics, by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        assert {scope.scope.name for scope in scopes} <= {"namepool"}
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def values(self) -> dict[str, dict[str, float]]:
        """Return the numbers, by metric and pool."""
        return {
            name: {point.attributes["pool"]: point.value for point in metric.data.data_points}
            for name, metric in self.read().items()
            if hasattr(metric.data.data_points[0], "value")
        }


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    sdk = Sdk()
    yield sdk
    sdk.provider.shutdown()


def test_every_count_is_measured(clock: MovableClock, sdk: Sdk) -> None:
    with otel.instrument(live(clock), sdk.provider):
        values, metrics = sdk.values(), sdk.read()

    assert values == {f"namepool.{name}": {"default": count} for name, count in COUNTS.items()}
    for metric in (*GAUGES, *COUNTERS):
        found = metrics[f"namepool.{metric.name}"]
        assert (found.unit, found.description) == (metric.unit, metric.text)
        is_counter = metric in COUNTERS
        assert getattr(found.data, "is_monotonic", False) == is_counter, metric.name


def test_waits_and_fetches_are_histograms(sdk: Sdk) -> None:
    with namepool.open_pool(source=NumberedNames(), low_water_mark=0) as pool:
        with otel.instrument({"crew": pool}, sdk.provider):
            pool.checkout_name()
            pool.checkout_name()
        stats, metrics = pool.pool_stats(), sdk.read()

    for name, times in (
        ("namepool.checkout.wait", stats.wait_times),
        ("namepool.fetch.duration", stats.fetch_times),
    ):
        (point,) = metrics[name].data.data_points
        assert metrics[name].unit == "s"
        assert point.attributes == {"pool": "crew"}
        assert point.count == 1
        assert point.sum == times.seconds
        assert point.explicit_bounds == BOUNDS
        assert tuple(point.bucket_counts) == times.counts


def test_each_collection_sees_the_present_and_asks_each_pool_once(
    sdk: Sdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        asked: list[None] = []
        ask = PoolHandle.pool_stats

        def counted(handle: PoolHandle) -> Any:
            asked.append(None)
            return ask(handle)

        monkeypatch.setattr(PoolHandle, "pool_stats", counted)
        with otel.instrument(pool, sdk.provider):
            for n in range(3):
                assert sdk.values()["namepool.checked_out"]["default"] == n
                assert len(asked) == n + 1
                pool.checkout_name()


def test_several_pools_are_told_apart_by_their_attribute(sdk: Sdk) -> None:
    with (
        namepool.open_pool(source=NumberedNames()) as planners,
        namepool.open_pool(source=NumberedNames()) as tools,
        otel.instrument({"planners": planners, "tools": tools}, sdk.provider),
    ):
        planners.checkout_name()
        assert sdk.values()["namepool.checkouts"] == {"planners": 1, "tools": 0}


def test_agents_pay_nothing_for_being_measured(sdk: Sdk) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool, otel.instrument(pool, sdk.provider):
        target: Any = pool._target
        assert type(target.current._actor._state) is PoolState


def test_after_its_end_nothing_is_measured(sdk: Sdk) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        with otel.instrument(pool, sdk.provider):
            assert sdk.values()
        assert sdk.values() == {}


def test_a_pool_that_has_ended_measures_nothing(sdk: Sdk) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        instruments = otel.instrument(pool, sdk.provider)

    assert sdk.values() == {}
    instruments.close()


@pytest.mark.parametrize("pools", [None, {}, {"a": 1}, {"": None}, "pool"])
def test_what_is_no_pool_is_refused(pools: Any) -> None:
    with pytest.raises(InvalidOption):
        otel.instrument(pools)
