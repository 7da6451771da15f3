"""Finds the secrets of a request, and strikes them out of the texts of a server. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MARK = "[secret]"

SHORTEST = 6
"""The fewest characters of a secret.

A shorter text is not struck out, because users give keys like "EMPTY" to endpoints that need no
key.
"""

CREDENTIAL = re.compile("(?i)key|token|secret|auth|passw|signature|credential|cookie|^sig$|^code$")
"""Names of headers and query parameters whose values are credentials."""

PUBLIC = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "connection", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent", "referer", "http-referer"),
        *("x-title", "openai-beta", "openai-organization", "openai-project", "anthropic-version"),
    }
)
"""Headers with public values. The value of every other header of a user counts as secret."""


def of_headers(headers: Mapping[str, str | bytes]) -> list[str]:
    """Return the secrets in headers: the values of all headers that are not public."""
    told: list[str] = []
    for name, given in headers.items():
        if str(name).lower() in PUBLIC:
            continue
        value = as_text(given) or str(given)
        pair = value.split()
        told += [value, *(pair[1:] if len(pair) == 2 else ())]  # also the key after "Bearer"
        if CREDENTIAL.search(str(name)):
            told += _parts(value)
    return told


def _parts(value: str) -> list[str]:
    """Return the possible secrets in a credential with parts, such as ``Token token="…"``."""
    scheme, *others = re.split(r"[\s;,]+", value.strip())
    assigned = [part.partition("=")[2].strip('"') for part in (scheme, *others)]
    basic = others[0] if others and scheme.lower() == "basic" else ""
    return [*others, *assigned, *_of_basic(basic)]


def _of_basic(encoded: str) -> list[str]:
    try:
        user, _, password = base64.b64decode(encoded).decode("utf-8", "replace").partition(":")
    except ValueError:
        return []
    return of_login(user, password)


def pairs_of(parameters: object) -> list[tuple[str, str]]:
    """Return the parameters of a URL. They may have any type that ``requests`` takes."""
    if isinstance(parameters, str | bytes):
        return parse_qsl(as_text(parameters).lstrip("?"), keep_blank_values=True)
    pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
    if not isinstance(pairs, Iterable):
        return []
    return [
        (as_text(pair[0]), as_text(value))
        for pair in pairs
        if isinstance(pair, tuple | list) and len(pair) == 2
        for value in (pair[1] if isinstance(pair[1], tuple | list) else [pair[1]])
    ]


def of_query(parameters: object) -> list[str]:
    """Return the secrets in the parameters of a URL, both plain and as the URL quotes them."""
    values = [value for name, value in pairs_of(parameters) if CREDENTIAL.search(name)]
    return [*values, *map(quote_plus, values)]


def of_url(url: str) -> list[str]:
    """Return the secrets of the login in a URL, such as that of a proxy."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    return of_login(unquote(parts.username or ""), unquote(parts.password or ""))


def of_login(user: object, password: object) -> list[str]:
    """Return the forms in which a user and a password are sent."""
    told = [as_text(user), as_text(password)]
    if not any(told):
        return []
    pair = ":".join(told)
    # requests sends it as latin-1 if latin-1 has all its letters.
    sent = [pair.encode(), pair.encode("latin-1", "ignore")]
    basic = [base64.b64encode(one).decode() for one in sent]
    return [told[1], quote(told[1], safe=""), pair, *basic]


def as_text(value: object) -> str:
    """Return a string or bytes as text, and any other value as ``""``."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def of_session(session: object) -> list[str]:
    """Return the secrets of a user's session: its headers, credentials, cookies and proxies."""
    auth = getattr(session, "auth", None)
    login = getattr(auth, "username", None), getattr(auth, "password", None)
    proxies = getattr(session, "proxies", None) or {}
    return [
        *map(as_text, getattr(auth, "__dict__", {}).values()),
        *of_login(*(auth if isinstance(auth, tuple) and len(auth) == 2 else login)),
        *of_headers(getattr(session, "headers", None) or {}),
        *of_query(getattr(session, "params", None)),
        *(as_text(cookie.value) for cookie in getattr(session, "cookies", None) or ()),
        *(secret for url in proxies.values() for secret in of_url(as_text(url))),
    ]


def strike(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with a mark in place of each secret.

    The function also finds a secret that is escaped as in JSON, HTML or a URL. It finds a secret
    with other capitals, with more white space, or with the zero bytes of UTF-16 between its
    characters.
    """
    # A repeatable run at an end of the pattern would be tried from each of its characters.
    bare = (secret.strip("\\ \t\r\n") for secret in secrets)
    return _pattern(frozenset(one for one in bare if len(one) >= SHORTEST)).sub(MARK, text)


@lru_cache(maxsize=64)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    # The longest comes first, because a secret may begin with another. r"(?!)" never matches.
    spelled = [_spelled(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join(spelled) or r"(?!)", re.I)


BETWEEN = r"[\\\0]*+"

BACKSLASHES = r"(?:\0*+(?:\\++(?:u005c|x5c)?+|%5c|&\#92;))++"

SPACES = BETWEEN + r"(?:\s|\\*+(?:u00(?:20|0[9ad])|x20)|%(?:20|0[9ad]))++"


def _spelled(secret: str) -> str:
    """Return the pattern of a secret, with escapes at any depth of JSON inside JSON."""
    pieces = re.findall(r"\\+|\s+|[^\\\s]", secret)
    return "".join(map(_piece, pieces)).removeprefix(BETWEEN)


def _piece(piece: str) -> str:
    """Return the pattern of a character, or of a run of backslashes or white space."""
    if piece[0] == "\\":
        return BACKSLASHES
    if piece.isspace():
        return SPACES
    code = ord(piece)
    ways = [re.escape(piece), f"u{code:04x}", f"x{code:02x}", f"%{code:02x}"]
    ways += [rf"&\#(?:0*{code}|x0*{code:x});"]
    return f"{BETWEEN}(?:{'|'.join(ways)})"
