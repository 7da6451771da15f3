"""The meaning of an error that redis-py raises."""

from __future__ import annotations

from namepool.core.names import one_line
from namepool.ledgers.rows import BadRow

_LONGEST = 1000
"""The most characters of an error that is the cause of one of ours."""


def is_told(error: Exception) -> bool:
    """Tell whether the text of the error may be shown. Another text may repeat a part of the URL.

    These are errors of a server, and of the connection to it. A server may send a text of any
    length.
    """
    from redis import exceptions as errors  # here, because the library is an extra

    is_known = isinstance(error, (errors.RedisError, errors.RedisClusterException))
    return is_known and len(str(error)) <= _LONGEST


def refusal(error: Exception) -> str | None:
    """Return the end of a sentence about the server; ``None`` if a later try may succeed."""
    from redis import exceptions as errors

    for bad in (error, error.__cause__):  # redis-py wraps the errors of the nodes of a cluster
        if isinstance(bad, BadRow):
            return f"does not answer as Redis does: {one_line(bad)}"
    if not is_told(error):
        return (
            f"cannot be used: redis-py fails with {type(error).__name__}; "
            "are the options of its URL right, and is it a Redis server?"
        )
    text = str(error)
    if isinstance(error, errors.AuthenticationError):
        return f"does not let this user in: {one_line(error)}"
    # Up to Redis 7.0 the errors of scripts have no class of their own.
    if isinstance(error, errors.OutOfMemoryError) or "OOM " in text:
        return f"is out of memory and takes no writes: {one_line(error)}"
    lines = (errors.ConnectionError, errors.TimeoutError)
    cluster = (
        *(errors.TryAgainError, errors.ClusterDownError, errors.RedisClusterException),
        errors.MovedError,  # by a client of one node; the next try asks for the nodes again
    )
    # A replica refuses because another server is the primary now.
    is_elsewhere = isinstance(error, errors.ReadOnlyError) or "READONLY" in text
    may_pass = is_elsewhere or isinstance(error, (*lines, *cluster))
    return None if may_pass else f"refuses: {one_line(error)}"
