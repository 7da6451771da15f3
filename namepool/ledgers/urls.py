"""Ledgers by URL: ``sqlite:///path?namespace=x``, ``redis://host?namespace=x``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from namepool.actors.bare import raises_bare
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.files import check_mode
from namepool.ledgers.server import check_options, check_url
from namepool.ledgers.session import SessionLedger

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")

_OWN = ("namespace", "retire_after", "timeout")

_SAMPLE = "ledger must be a URL such as 'sqlite:///names.db' or 'redis://host:6379/0'"


@raises_bare(InvalidOption, LedgerError, TypeError)
def open_ledger(url: str) -> SessionLedger:
    """Return the ledger at a URL. The ledger opens nothing before its first call.

    A URL of an SQLite file is ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
    ``sqlite:///C:/path``. A URL of a Redis server is one of redis-py:
    ``redis://user:password@host:6379/0``, ``rediss://…`` for TLS, or ``unix://…``. A URL of Valkey
    may begin with ``valkey://`` or ``valkeys://``. Redis Sentinel is not supported.

    Options stand behind a ``?``: ``namespace``, ``retire_after`` (such as ``7d``) and ``timeout``
    (such as ``5s``). SQLite also has ``mode``, the mode of a new file: ``600`` for this user only,
    ``660`` for its group, too. Redis also has ``replicas``, ``cluster=true`` and the options of
    redis-py.

    Raises:
        InvalidOption: the text is no such URL. The text may hold a password, so the message repeats
            only three kinds of parts: the name of an unknown option, the value of a ledger's own
            option (not of an option of redis-py), and an invalid path of an SQLite file
        LedgerError: the URL is one of Redis, and redis-py is missing

    Examples:
        >>> ledger = namepool.ledgers.open_ledger("sqlite:///names.db?namespace=crew&timeout=2s")
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """
    try:
        url = url.strip()  # a URL that is read from a file may end with a newline
        parts = urlsplit(url)
    except (AttributeError, TypeError, ValueError):
        raise InvalidOption(_SAMPLE) from None
    is_redis = parts.scheme in _REDIS
    if "#" in url and not (is_redis and "@" in parts.fragment):
        raise InvalidOption(
            "ledger must be a URL without '#': write %23 for one in a path or password"
        )
    _check_scheme(url, parts)
    try:
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise InvalidOption(f"{_SAMPLE}, with options such as '?namespace=crew'") from None
    options: dict[str, Any] = {name: query.pop(name) for name in _OWN if name in query}
    for name in ("retire_after", "timeout"):
        if name in options:
            options[name] = seconds(name, options[name])
    return (_redis if is_redis else _sqlite)(parts, query, options)


def _check_scheme(url: str, parts: SplitResult) -> None:
    """Refuse a text that is no URL of a ledger; show no part of it, as it may be a password."""
    if "sentinel" in parts.scheme:
        raise InvalidOption(
            "ledger cannot be a URL of Redis Sentinel, which is not supported: give the URL of a "
            "name or a proxy that leads to the present primary"
        )
    if parts.scheme in _REDIS:
        check_url(parts)  # first, because a "/" in a password turns the rest into a path
    elif parts.scheme != "sqlite":
        raise InvalidOption(
            f"ledger's scheme must be sqlite, {', '.join(_REDIS)}: a file is 'sqlite:///names.db'"
        )
    behind = url[len(parts.scheme) :]
    if parts.scheme == "sqlite" and not behind.startswith(":///"):
        raise InvalidOption("an SQLite ledger's URL has three slashes: sqlite:///names.db")
    if parts.scheme == "sqlite" and "://" in unquote(parts.path):
        raise InvalidOption("an SQLite ledger's URL has the path of a file in it, and no other URL")
    if not behind.startswith("://"):
        raise InvalidOption(f"{_SAMPLE}, or 'unix:///run/redis.sock'")


def _sqlite(parts: SplitResult, query: dict[str, str], options: dict[str, Any]) -> SessionLedger:
    from namepool.ledgers.sqlite import SQLiteLedger  # here, because not every ledger is a file

    if "mode" in query:
        options["mode"] = _mode(query.pop("mode"))
    for name in query:
        raise CHECKS.invalid("ledger's option", name, " or ".join((*_OWN, "mode")))
    return SQLiteLedger(unquote(parts.path[1:]), **options)


def _redis(parts: SplitResult, query: dict[str, str], options: dict[str, Any]) -> SessionLedger:
    from namepool.ledgers.redis import RedisLedger  # here, because its library is an extra

    check_options(query, (*_OWN, "replicas", "cluster"))
    replicas, cluster = query.pop("replicas", "0"), query.pop("cluster", "false")
    CHECKS.that("replicas", replicas, bool(re.fullmatch(r"\d{1,3}", replicas)), "a number")
    CHECKS.that("cluster", cluster, cluster in ("true", "false"), "true or false")
    url = f"{parts.scheme}://{parts.netloc}{parts.path}"  # urlunsplit would write unix:/path
    if query:  # the other options are for redis-py
        url += f"?{urlencode(query)}"
    return RedisLedger(url, replicas=int(replicas), cluster=cluster == "true", **options)


def _mode(text: str) -> int:
    return check_mode(int(text, 8) if re.fullmatch("0?[0-7]{3}", text) else None, text)


def seconds(option: str, text: str) -> float:
    """Read ``"90"``, ``"90s"``, ``"5m"``, ``"2h"``, ``"7d"`` or ``"1w"`` as a number of seconds."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw]?)", text)
    if match is None:
        raise CHECKS.invalid(option, text, "a time such as 90s, 5m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]
