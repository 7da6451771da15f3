"""What a pool measures, for Prometheus: ``pip install 'namepool[prometheus]'``."""

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
        "namepool.metrics.prometheus needs prometheus-client: pip install 'namepool[prometheus]'"
    ) from _missing


class PoolCollector(Collector):
    """A collector of one pool, or of several by name: ``REGISTRY.register(PoolCollector(pool))``.

    The label ``pool`` of each sample is the name, or "default". The pools are asked when the page
    is scraped; one that has ended, or does not answer in 5 seconds, has no samples. A registry
    refuses a second collector: give one of them all pools.

    Raises:
        InvalidOption: it is not a pool's handle, or some of them by name
    """

    def __init__(self, pools: PoolHandle | Mapping[str, PoolHandle]) -> None:
        self._pools: dict[str, PoolHandle] = named_pools(pools)

    def describe(self) -> Iterable[Family]:
        """Return the metrics, without samples; asks no pool."""
        return _families({})

    def collect(self) -> Iterable[Family]:
        """Return the metrics of all pools as they are now; blocks until they have answered."""
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
