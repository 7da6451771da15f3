"""What must not be told, struck out of every text that a server sends. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

MARK = "[secret]"

SHORTEST = 6
"""Shorter ones stay: "EMPTY" and the like are what endpoints without keys are given."""

CREDENTIAL = re.compile(
    "key|token|secret|auth|passw|signature|credential|cookie|^sig$|^code$", re.I
)
"""Names of headers and query parameters whose values are credentials."""

PUBLIC = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "connection", "content-type"),
        *("user-agent", "referer", "http-referer", "x-title", "openai-beta"),
        *("anthropic-version"),
    }
)
"""Headers whose values anybody may read; every other one that a user sets is taken for secret."""


def of_headers(headers: Mapping[str, str | bytes]) -> list[str]:
    """Return what is secret in headers: every value, whatever its name, but of the public ones."""
    values = [
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
        if str(name).lower() not in PUBLIC
    ]
    # "Bearer …": also without the word
    pairs = [value.split() for value in values]
    return [*values, *(pair[1] for pair in pairs if len(pair) == 2)]


def of_query(parameters: Mapping[str, str]) -> list[str]:
    """Return what is secret in the parameters of a URL, as it is and as it stands there."""
    values = [value for name, value in parameters.items() if CREDENTIAL.search(name)]
    return [*values, *map(quote_plus, values)]


def of_url(url: str) -> list[str]:
    """Return the user and the password in a URL, such as a proxy's."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return []
    return of_login(unquote(user or ""), unquote(password or ""))


def of_login(user: object, password: object) -> list[str]:
    """Return the ways in which a user and a password are sent."""
    told = [as_text(user), as_text(password)]
    if not any(told):
        return []
    basic = base64.b64encode(":".join(told).encode()).decode()
    return [told[1], quote(told[1], safe=""), ":".join(told), basic]


def as_text(value: object) -> str:
    """Return a string or bytes as text, anything else as ``""``."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def of_session(session: object) -> list[str]:
    """Return what a session of the user's carries: headers, credentials, cookies, proxies."""
    auth = getattr(session, "auth", None)
    if isinstance(auth, tuple) and len(auth) == 2:
        told = of_login(*auth)
    else:
        told = [as_text(value) for value in getattr(auth, "__dict__", {}).values()]
        told += of_login(getattr(auth, "username", None), getattr(auth, "password", None))
    parameters = getattr(session, "params", None)
    proxies = getattr(session, "proxies", None) or {}
    return [
        *told,
        *of_headers(getattr(session, "headers", None) or {}),
        *(of_query(parameters) if isinstance(parameters, Mapping) else ()),
        *(as_text(cookie.value) for cookie in getattr(session, "cookies", None) or ()),
        *(secret for url in proxies.values() for secret in of_url(as_text(url))),
    ]


def strike(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without the secrets, however JSON or a URL spells their characters."""
    found = frozenset(secret for secret in secrets if len(secret) >= SHORTEST)
    return _pattern(found).sub(MARK, text)


@lru_cache(maxsize=64)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    # The longest first: a secret may begin with another. One that nothing has: it never matches.
    spelled = [_spelled(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join(spelled) or r"(?!)")


def _spelled(secret: str) -> str:
    """Return the pattern of a secret: a character may be escaped, at any depth of JSON in JSON."""
    return r"\\*+".join(_character(character) for character in secret)


def _character(character: str) -> str:
    code = ord(character)
    ways = [re.escape(character), f"(?i:u{code:04x})", f"(?i:x{code:02x})", f"(?i:%{code:02x})"]
    return f"(?:{'|'.join(ways)})"
