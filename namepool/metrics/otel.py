"""The metrics of a pool for OpenTelemetry; they need the extra ``otel``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from namepool.core.stats import BOUNDS, PoolStats
from namepool.events import NamesFetched, PoolEvent, WaitEnded
from namepool.metrics.table import COUNTERS, FETCH, GAUGES, WAIT, Metric, named_pools, stats_of
from namepool.pool.handle import PoolHandle

try:
    from opentelemetry import metrics
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
except ImportError as _missing:
    raise ImportError(
        "namepool.metrics.otel needs opentelemetry-api: install namepool with the extra 'otel'"
    ) from _missing


class PoolInstruments:
    """The instruments of one pool, or of several pools by name; ``instrument`` returns them.

    Examples:
        >>> from namepool.metrics import otel
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> instruments = otel.instrument({"crew": pool})
        >>> type(instruments).__name__
        'PoolInstruments'
    """

    def __init__(self, pools: Mapping[str, PoolHandle], meter: metrics.Meter) -> None:
        self._pools: dict[str, PoolHandle] = dict(pools)
        self._read: dict[str, PoolStats] = {}
        self._have_read: set[str] = set()
        for metric in GAUGES:
            meter.create_observable_gauge(*self._described(metric))
        for metric in COUNTERS:
            meter.create_observable_counter(*self._described(metric))
        self._wait = _histogram(meter, WAIT.name, WAIT.text)
        self._fetch = _histogram(meter, FETCH.name, FETCH.text)
        self._subscriptions = [
            pool.subscribe(self._recorder({"pool": name}), only=(WaitEnded, NamesFetched))
            for name, pool in self._pools.items()
        ]

    def close(self) -> None:
        """Stop measuring. The instruments stay, because OpenTelemetry cannot remove them.

        Examples:
            >>> instruments.close()
        """
        self._pools.clear()
        for subscription in self._subscriptions:
            subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _described(
        self, metric: Metric
    ) -> tuple[str, list[Callable[[CallbackOptions], Iterable[Observation]]], str, str]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            stats = self._stats_for(metric.name)
            return [Observation(metric.read(s), {"pool": name}) for name, s in stats.items()]

        return f"namepool.{metric.name}", [observe], metric.unit, metric.text

    def _stats_for(self, instrument: str) -> dict[str, PoolStats]:
        """Return the counts for an instrument: new counts if it has had the last ones already.

        One collection asks each instrument once. So it asks each pool once.
        """
        if not self._have_read or instrument in self._have_read:
            read = {name: stats_of(pool) for name, pool in [*self._pools.items()]}
            self._read = {name: stats for name, stats in read.items() if stats is not None}
            self._have_read = set()
        self._have_read.add(instrument)
        return self._read if self._pools else {}

    def _recorder(self, attributes: dict[str, Any]) -> Callable[[PoolEvent], None]:
        def record(event: PoolEvent) -> None:
            if isinstance(event, WaitEnded):
                self._wait.record(event.seconds, attributes)
            elif isinstance(event, NamesFetched):
                self._fetch.record(event.seconds, attributes)

        return record


def instrument(
    pools: PoolHandle | Mapping[str, PoolHandle], meter_provider: MeterProvider | None = None
) -> PoolInstruments:
    """Measure a pool, or several by name, until ``close()`` or the end of a ``with`` block.

    The attribute ``pool`` of each measurement is the name of the pool, or "default". Without a
    ``meter_provider``, the instruments use that of the program. Counters count from the pool's
    start. Histograms begin with this call, and one thread for each pool fills them.

    Raises:
        InvalidOption: ``pools`` is neither the handle of a pool nor a dict of handles by name
        pykka.ActorDeadError: a pool has ended

    Examples:
        >>> from namepool.metrics import otel
        >>> from opentelemetry.sdk.metrics import MeterProvider
        >>> provider = MeterProvider()  # with the readers of the program
        >>> with namepool.open_pool(source=namepool.NumberedNames()) as pool:
        ...     with otel.instrument({"crew": pool}, provider):
        ...         pool.checkout_name()
        'NPC #1'
    """
    known = named_pools(pools)
    return PoolInstruments(known, metrics.get_meter("namepool", meter_provider=meter_provider))


def _histogram(meter: metrics.Meter, name: str, text: str) -> metrics.Histogram:
    return meter.create_histogram(
        f"namepool.{name}", "s", text, explicit_bucket_boundaries_advisory=BOUNDS
    )
