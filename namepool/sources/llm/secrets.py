"""What must not be told, struck out of every text that a server sends. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MARK = "[secret]"

SHORTEST = 6
"""Shorter ones stay: "EMPTY" and the like are what endpoints without keys are given."""

CREDENTIAL = re.compile(
    "key|token|secret|auth|passw|signature|credential|cookie|^sig$|^code$", re.I
)
"""Names of headers and query parameters whose values are credentials."""

PUBLIC = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "connection", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent", "referer", "http-referer"),
        *("x-title", "openai-beta", "openai-organization", "openai-project", "anthropic-version"),
    }
)
"""Headers whose values anybody may read; every other one that a user sets is taken for secret."""


def of_headers(headers: Mapping[str, str | bytes]) -> list[str]:
    """Return what is secret in headers: every value, whatever its name, but of the public ones."""
    told: list[str] = []
    for name, given in headers.items():
        if str(name).lower() in PUBLIC:
            continue
        value = as_text(given) or str(given)
        pair = value.split()
        told += [value, *(pair[1:] if len(pair) == 2 else ())]  # "Bearer …": also without the word
        if CREDENTIAL.search(str(name)):
            told += _parts(value)
    return told


def _parts(value: str) -> list[str]:
    """Return what may be secret in a credential of several parts, as ``Token token="…"`` is."""
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
    """Return the parameters of a URL, given in any of the ways that ``requests`` takes."""
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
    """Return what is secret in the parameters of a URL, as it is and as it stands there."""
    values = [value for name, value in pairs_of(parameters) if CREDENTIAL.search(name)]
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
    pair = ":".join(told)
    # As latin-1 is how requests sends it, where that has all its letters.
    sent = [pair.encode(), pair.encode("latin-1", "ignore")]
    basic = [base64.b64encode(one).decode() for one in sent]
    return [told[1], quote(told[1], safe=""), pair, *basic]


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
    proxies = getattr(session, "proxies", None) or {}
    return [
        *told,
        *of_headers(getattr(session, "headers", None) or {}),
        *of_query(getattr(session, "params", None)),
        *(as_text(cookie.value) for cookie in getattr(session, "cookies", None) or ()),
        *(secret for url in proxies.values() for secret in of_url(as_text(url))),
    ]


def strike(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without the secrets, however JSON, HTML or a URL spells their characters.

    Nor in capitals or small letters, with more white space, or with the zeros of UTF-16.
    """
    # At its ends a run of what may be repeated would be tried from each of its characters.
    bare = (secret.strip("\\ \t\r\n") for secret in secrets)
    return _pattern(frozenset(one for one in bare if len(one) >= SHORTEST)).sub(MARK, text)


@lru_cache(maxsize=64)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    # The longest first: a secret may begin with another. One that nothing has: it never matches.
    spelled = [_spelled(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join(spelled) or r"(?!)", re.I)


BETWEEN = r"[\\\0]*+"

BACKSLASHES = r"(?:\0*+(?:\\++(?:u005c|x5c)?+|%5c|&\#92;))++"

SPACES = BETWEEN + r"(?:\s|\\*+(?:u00(?:20|0[9ad])|x20)|%(?:20|0[9ad]))++"


def _spelled(secret: str) -> str:
    """Return the pattern of a secret: a character may be escaped, at any depth of JSON in JSON."""
    pieces = re.findall(r"\\+|\s+|[^\\\s]", secret)
    return "".join(map(_piece, pieces)).removeprefix(BETWEEN)


def _piece(piece: str) -> str:
    """Return the pattern of a character, or of a run of backslashes or of white space."""
    if piece[0] == "\\":
        return BACKSLASHES
    if piece.isspace():
        return SPACES
    code = ord(piece)
    ways = [re.escape(piece), f"u{code:04x}", f"x{code:02x}", f"%{code:02x}"]
    ways += [rf"&\#(?:0*{code}|x0*{code:x});"]
    return f"{BETWEEN}(?:{'|'.join(ways)})"
