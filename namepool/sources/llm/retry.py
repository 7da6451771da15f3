"""Decides after an answer without status 200: try again after a pause, or give up. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from namepool.actors.backoff import Backoff
from namepool.core.refill import LONGEST_REQUEST
from namepool.errors import SourceError

BACKOFF = Backoff(first=0.5, longest=8.0)
"""The pauses before further attempts that the endpoint did not ask for."""

MISCONFIGURED = {
    401: "the key is missing or wrong",
    403: "the key does not allow this",
    404: "no such path or model",
}
"""Faults that only a person can fix. They pause the endpoint for ``LONGEST_REQUEST`` seconds."""


class EndpointError(SourceError):
    """The endpoint did not answer, or it answered with an error.

    ``status`` is the HTTP status, or ``None`` if there was no answer. ``retry_after`` is the number
    of seconds to leave the endpoint alone. The pool and ``FallbackSource`` respect it. ``final``
    means that an immediate retry is useless. ``late`` means that the time was over.
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
    """Return the error for an answer. ``said`` is the start of its body, ``now`` is Unix time."""
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

    ``headers`` have lower-case names. ``now`` is Unix time, to compare dates with. The result is
    ``None`` if no header has a sensible value.
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
    from datetime import UTC  # slow imports that only an answer with a date needs
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text or "")
        # RFC 9110 says that a date without a zone is GMT.
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(stamp - now, 0.0)
