"""Ledgers by URL: ``sqlite:///path?namespace=x``."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from namepool.core.options import invalid
from namepool.errors import InvalidOption
from namepool.ledgers.session import SessionLedger

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_OWN = ("namespace", "retire_after", "timeout")


def open_ledger(url: str) -> SessionLedger:
    """Return the ledger that a URL names; nothing is opened before the first call.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``sqlite:///C:/path``. Behind a
    ``?`` come ``namespace``, ``retire_after`` (such as ``7d``) and ``timeout`` (such as ``5s``).

    Raises:
        InvalidOption: it is no such URL; the message does not repeat it, it may hold a password
    """
    try:
        parts = urlsplit(url)
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
        parts.port  # noqa: B018  it is looked at now
    except (AttributeError, TypeError, ValueError):
        raise InvalidOption("ledger must be a URL such as 'sqlite:///names.db'") from None
    options = {name: query.pop(name) for name in _OWN if name in query}
    for name in ("retire_after", "timeout"):
        if name in options:
            options[name] = seconds(name, options[name])  # type: ignore[assignment]
    if parts.scheme == "sqlite":
        return _sqlite(parts.netloc, parts.path, query, options)
    raise invalid("ledger's scheme", parts.scheme, "sqlite")


def _sqlite(host: str, path: str, query: dict[str, str], options: dict[str, str]) -> SessionLedger:
    from namepool.ledgers.sqlite import SQLiteLedger  # only now: not every ledger is a file

    if host:
        raise InvalidOption("an SQLite ledger's URL has three slashes: sqlite:///names.db")
    _refuse_rest(query)
    return SQLiteLedger(unquote(path[1:]), **options)  # type: ignore[arg-type]


def _refuse_rest(query: dict[str, str]) -> None:
    for name in query:
        raise invalid("ledger's option", name, " or ".join(_OWN))


def seconds(option: str, text: str) -> float:
    """Read ``"90"``, ``"90s"``, ``"5m"``, ``"2h"``, ``"7d"`` or ``"1w"`` as seconds."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw]?)", text)
    if match is None:
        raise invalid(option, text, "a time such as 90s, 5m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]
