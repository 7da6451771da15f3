"""What an answer that is not 200 means: try again and when, ask otherwise, or give up. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from namepool.core.refill import LONGEST_REQUEST
from namepool.errors import SourceError

FIRST_PAUSE = 0.5
"""Seconds before the second attempt, before jitter; doubles with each further one."""

LONGEST_PAUSE = 8.0
"""Seconds; no pause of our own is longer."""

MISCONFIGURED = {
    401: "the key is missing or wrong",
    403: "the key does not allow this",
    404: "no such path or model",
}
"""What only a person can put right: it is left alone for ``LONGEST_REQUEST`` seconds."""


class EndpointError(SourceError):
    """The endpoint did not answer, or with an error.

    ``status`` is the HTTP status, ``None`` if there was none; ``retry_after`` the seconds for which
    it should be left alone, which the pool and ``FallbackSource`` heed; ``final`` says that asking
    again at once is of no use; ``late`` that it only took too long.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        final: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.final = final
        self.late = late


def status_error(status: int, headers: Mapping[str, str], said: str, now: float) -> EndpointError:
    """Return the error for an answer; ``said`` is the beginning of its body, ``now`` Unix time."""
    text = f"HTTP {status}"
    if status in MISCONFIGURED:
        text += f" ({MISCONFIGURED[status]})"
    elif 300 <= status < 400:
        text += " (a redirect, which is not followed)"
    retried = status in (408, 409, 429) or (status >= 500 and status != 501)
    pause = requested_pause(headers, now)
    if status in MISCONFIGURED:
        pause = LONGEST_REQUEST
    return EndpointError(
        f"{text}: {said or 'an empty body'}", status=status, retry_after=pause, final=not retried
    )


def requested_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``retry-after-ms`` or ``Retry-After`` ask for, at most 120.

    ``headers`` have lower-case names; ``now`` is Unix time, for dates. ``None``: nothing sensible.
    """
    seconds = _number(headers.get("retry-after-ms"), 1e-3)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1.0)
    if seconds is None:
        seconds = _until(headers.get("retry-after"), now)
    return None if seconds is None else min(seconds, LONGEST_REQUEST)


def _number(text: str | None, unit: float) -> float | None:
    try:
        value = float(text or "") * unit
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(text: str | None, now: float) -> float | None:
    from datetime import UTC  # slow imports, for the few answers that give a date
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text or "")
        # RFC 9110: a date without a zone is GMT.
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(stamp - now, 0.0)


def pause(failures: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait after that many failures in a row, jittered by a half."""
    nominal = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 32), LONGEST_PAUSE)
    return float(nominal * (0.5 + random() / 2))
