"""What a pool measures, on a page that Prometheus' own parser reads."""

from __future__ import annotations

import threading
import urllib.request
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import namepool
from namepool import InvalidOption, NumberedNames
from namepool.core.stats import BOUNDS
from namepool.metrics.prometheus import PoolCollector
from tests.metrics.scene import COUNTS, FETCHES, WAITS, live
from tests.support import PATIENCE, MovableClock


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def scraped(registry: CollectorRegistry, accept: str = "text/plain") -> str:
    """Return the page, as it comes over HTTP."""
    app = make_wsgi_app(registry)
    with make_server("127.0.0.1", 0, app, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}/metrics", headers={"Accept": accept}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE) as page:
            text = str(page.read().decode("utf-8"))
        thread.join(PATIENCE)
    return text


def samples(page: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a page, by name and the values of their labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def registry_of(pools: Any) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(PoolCollector(pools))
    return registry


def test_every_count_is_on_the_page(clock: MovableClock) -> None:
    pool = live(clock)
    families = {f.name: f for f in text_string_to_metric_families(scraped(registry_of(pool)))}

    for dotted, count in COUNTS.items():
        family = families["namepool_" + dotted.replace(".", "_")]
        (sample,) = family.samples
        assert sample.value == count, dotted
        assert sample.labels == {"pool": "default"}
        assert family.documentation
        is_counter = sample.name.endswith("_total")
        assert family.type == ("counter" if is_counter else "gauge"), dotted
    assert len(families) == len(COUNTS) + 2


@pytest.mark.parametrize(("name", "times"), [("checkout_wait", WAITS), ("fetch_duration", FETCHES)])
def test_durations_are_a_histogram(clock: MovableClock, name: str, times: list[float]) -> None:
    pool = live(clock)
    page = samples(scraped(registry_of(pool)))

    assert page[f"namepool_{name}_seconds_count", "default"] == len(times)
    assert page[f"namepool_{name}_seconds_sum", "default"] == pytest.approx(sum(times))
    found = [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(scraped(registry_of(pool)))
        for sample in family.samples
        if sample.name == f"namepool_{name}_seconds_bucket"
    ]
    bounds = [*BOUNDS, float("inf")]
    assert found == [(b, sum(time <= b + 1e-6 for time in times)) for b in bounds]


def test_the_page_is_good_openmetrics_too(clock: MovableClock) -> None:
    page = scraped(registry_of(live(clock)), accept="application/openmetrics-text; version=1.0.0")

    parse: Any = openmetrics.text_string_to_metric_families
    families = list(parse(page))

    assert "namepool_checkouts" in {family.name for family in families}


def test_several_pools_are_told_apart_by_their_label() -> None:
    with (
        namepool.open_pool(source=NumberedNames()) as planners,
        namepool.open_pool(source=NumberedNames()) as tools,
    ):
        planners.checkout_name()
        page = samples(scraped(registry_of({"planners": planners, "tools": tools})))

    assert page["namepool_checked_out", "planners"] == 1
    assert page["namepool_checked_out", "tools"] == 0


def test_a_pool_that_has_ended_has_no_samples() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        registry = registry_of({"ended": pool})

    assert samples(scraped(registry)) == {}


def test_a_restart_is_counted_and_resets_no_counter() -> None:
    from tests.pool.test_service import crash

    with namepool.open_pool(source=NumberedNames()) as pool:
        registry = registry_of(pool)
        pool.checkin_name(pool.checkout_name())
        crash(pool)
        page = samples(scraped(registry))

    assert page["namepool_restarts_total", "default"] == 1
    assert page["namepool_checkouts_total", "default"] == 1


def test_two_collectors_in_one_registry_are_refused_and_no_pool_is_asked() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        registry = registry_of(pool)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(PoolCollector(pool))


@pytest.mark.parametrize("pools", [None, {}, {"a": 1}, {"": None}, "pool"])
def test_what_is_no_pool_is_refused(pools: Any) -> None:
    with pytest.raises(InvalidOption):
        PoolCollector(pools)
