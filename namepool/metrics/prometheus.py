"""The metrics of a pool for Prometheus; they need the extra ``prometheus``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from namepool.core.stats import BOUNDS, Durations, PoolStats
from namepool.metrics.table import COUNTERS, FETCH, GAUGES, WAIT, named_pools, stats_of
from namepool.pool.handle import PoolHandle

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.core import Metric as Family
    from prometheus_client.registry import Collector
except ImportError as _missing:
    raise ImportError(
        "namepool.metrics.prometheus needs prometheus-client: "
        "install namepool with the extra 'prometheus'"
    ) from _missing


class PoolCollector(Collector):
    """A collector of one pool, or of several pools by name, for a registry of Prometheus.

    The label ``pool`` of each sample is the name of the pool, or "default". The collector asks the
    pools when Prometheus scrapes the page. A pool that has ended, or does not answer in 5 seconds,
    has no samples. A registry refuses a second collector, so give all pools to one collector.

    Raises:
        InvalidOption: ``pools`` is neither the handle of a pool nor a dict of handles by name

    Examples:
        >>> from namepool.metrics.prometheus import PoolCollector
        >>> from prometheus_client import CollectorRegistry
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> registry = CollectorRegistry()
        >>> registry.register(PoolCollector(pool))
        >>> registry.get_sample_value("namepool_checked_out", {"pool": "default"})
        0
    """

    def __init__(self, pools: PoolHandle | Mapping[str, PoolHandle]) -> None:
        self._pools: dict[str, PoolHandle] = named_pools(pools)

    def describe(self) -> Iterable[Family]:
        """Return the metrics without samples. This asks no pool."""
        return _families({})

    def collect(self) -> Iterable[Family]:
        """Return the metrics of all pools as they are now. This blocks until the pools answer."""
        read = {name: stats_of(pool) for name, pool in self._pools.items()}
        return _families({name: stats for name, stats in read.items() if stats is not None})


def _families(pools: Mapping[str, PoolStats]) -> Iterator[Family]:
    kinds = ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS))
    for kind, metrics in kinds:
        for metric in metrics:
            family = kind(_name(metric.name), metric.text, labels=["pool"])
            for name, stats in pools.items():
                family.add_metric([name], metric.read(stats))
            yield family
    for histogram in (WAIT, FETCH):
        buckets = HistogramMetricFamily(
            f"{_name(histogram.name)}_seconds", histogram.text, labels=["pool"]
        )
        for name, stats in pools.items():
            durations = histogram.read(stats)
            buckets.add_metric([name], _buckets(durations), durations.seconds)
        yield buckets


def _name(dotted: str) -> str:
    return f"namepool_{dotted.replace('.', '_')}"


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    bounds = [*map(str, BOUNDS), "+Inf"]
    return [*zip(bounds, accumulate(durations.counts), strict=True)]
