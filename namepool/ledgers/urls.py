"""Ledgers by URL: ``sqlite:///path?namespace=x``, ``redis://host?namespace=x``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from namepool.core.options import invalid
from namepool.errors import InvalidOption
from namepool.ledgers.server import check_secrets
from namepool.ledgers.session import SessionLedger

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_REDIS = ("redis", "rediss", "unix")

_OWN = ("namespace", "retire_after", "timeout")


def open_ledger(url: str) -> SessionLedger:
    """Return the ledger that a URL names; nothing is opened before the first call.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``sqlite:///C:/path``; or what
    redis-py takes: ``redis://user:password@host:6379/0``, ``rediss://…`` for TLS, ``unix://…``.
    Behind a ``?`` come ``namespace``, ``retire_after`` (such as ``7d``) and ``timeout`` (such as
    ``5s``), and for Redis ``replicas``, ``cluster=true`` and redis-py's own options.

    Raises:
        InvalidOption: it is no such URL; the message does not repeat it, it may hold a password
    """
    try:
        parts, fragment = urlsplit(url), "#" in url
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
        parts.port  # noqa: B018  it is looked at now
    except (AttributeError, TypeError, ValueError):
        raise InvalidOption("ledger must be a URL such as 'sqlite:///names.db'") from None
    if fragment:
        raise InvalidOption(
            "ledger must be a URL without '#': write %23 for one in a path or password"
        )
    if parts.scheme != "sqlite":
        check_secrets(parts)  # before any part of it is shown
    options: dict[str, Any] = {name: query.pop(name) for name in _OWN if name in query}
    for name in ("retire_after", "timeout"):
        if name in options:
            options[name] = seconds(name, options[name])
    if parts.scheme == "sqlite":
        return _sqlite(parts, query, options)
    if parts.scheme in _REDIS:
        return _redis(parts, query, options)
    raise invalid("ledger's scheme", parts.scheme, f"sqlite, {', '.join(_REDIS)}")


def _sqlite(parts: SplitResult, query: dict[str, str], options: dict[str, Any]) -> SessionLedger:
    from namepool.ledgers.sqlite import SQLiteLedger  # only now: not every ledger is a file

    if parts.netloc:
        raise InvalidOption("an SQLite ledger's URL has three slashes: sqlite:///names.db")
    for name in query:
        raise invalid("ledger's option", name, " or ".join(_OWN))
    return SQLiteLedger(unquote(parts.path[1:]), **options)


def _redis(parts: SplitResult, query: dict[str, str], options: dict[str, Any]) -> SessionLedger:
    from namepool.ledgers.redis import RedisLedger  # only now: its library is an extra

    replicas, cluster = query.pop("replicas", "0"), query.pop("cluster", "false")
    if not re.fullmatch(r"\d{1,3}", replicas):
        raise invalid("replicas", replicas, "a number")
    if cluster not in ("true", "false"):
        raise invalid("cluster", cluster, "true or false")
    url = urlunsplit(parts._replace(query=urlencode(query)))  # the rest is redis-py's
    return RedisLedger(url, replicas=int(replicas), cluster=cluster == "true", **options)


def seconds(option: str, text: str) -> float:
    """Read ``"90"``, ``"90s"``, ``"5m"``, ``"2h"``, ``"7d"`` or ``"1w"`` as seconds."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw]?)", text)
    if match is None:
        raise invalid(option, text, "a time such as 90s, 5m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]
