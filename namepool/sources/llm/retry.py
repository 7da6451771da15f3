"""Decides after an answer without status 200: try again after a pause, or give up. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, InitVar, dataclass

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


@dataclass(eq=False, repr=False)
class EndpointError(SourceError):
    """The endpoint did not answer, or it answered with an error.

    ``status`` is the HTTP status, or ``None`` if there was no answer. ``retry_after`` is the number
    of seconds to leave the endpoint alone. The pool and ``FallbackSource`` respect it. ``final``
    means that an immediate retry is useless. ``late`` means that the time was over.
    """

    text: InitVar[str]  # the base class keeps it
    _: KW_ONLY
    status: int | None = None
    retry_after: float | None = None
    final: bool = False
    late: bool = False


class NoNames(EndpointError):
    """The endpoint was reached, and has sent nothing like a name."""


def status_error(status: int, said: str, pause: float | None) -> EndpointError:
    """Return the error for an answer. ``said`` is the start of its body.

    ``pause`` is the pause that the answer asks for.
    """
    text = f"HTTP {status}"
    if status in MISCONFIGURED:
        text += f" ({MISCONFIGURED[status]})"
        pause = LONGEST_REQUEST
    elif 300 <= status < 400:
        text += " (a redirect, which is not followed)"
    text += f": {said or 'an empty body'}"
    retried = status in (408, 409, 429) or (status >= 500 and status != 501)
    return EndpointError(text, status=status, retry_after=pause, final=not retried)


def requested_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``retry-after-ms`` or ``Retry-After`` ask for, at most 120.

    ``headers`` have lower-case names. ``now`` is Unix time, to compare dates with. The result is
    ``None`` if no header has a sensible value.
    """
    seconds = _number(headers.get("retry-after-ms", ""), 1e-3)
    if seconds is None:
        told = headers.get("retry-after", "")
        seconds = _until(told, now) if (number := _number(told)) is None else number
    return None if seconds is None else min(seconds, LONGEST_REQUEST)


def _number(text: str, unit: float = 1.0) -> float | None:
    try:
        value = float(text) * unit
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _until(text: str, now: float) -> float | None:
    from datetime import UTC  # slow imports that only an answer with a date needs
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        # RFC 9110 says that a date without a zone is GMT.
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(stamp - now, 0.0)
