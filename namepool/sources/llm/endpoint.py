"""The settings of a nomenclater, from its arguments and the environment.

The constructor of a nomenclater checks them. No repr and no error of this module shows a key.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from namepool.actors.never_copied import NeverCopied
from namepool.core.options import CHECKS, LONGEST_THEME
from namepool.errors import InvalidOption
from namepool.sources.llm import secrets
from namepool.sources.llm.subjects import THEMES

OPENAI = "https://api.openai.com/v1"
COMPLETIONS = "/chat/completions"

AUTHORISATIONS = frozenset({"authorization", "api-key", "session auth"})
"""The credentials that a key must not replace."""

LONGEST_GUIDANCE = 2000
"""The most characters of the guidance. It must be short, because every request contains it."""

PLAIN = re.compile(r"(?:ftp|file|wss?)://[a-z0-9.-]{1,60}")
"""The form that the beginning of a wrong base URL must have, so that an error may show it.

An error shows no other beginning, because a user may have put a password there by mistake.
"""

MOST_SENT = 20
"""The number of sets of credentials that are remembered, to strike them out of texts.

A session may send new credentials with each request, so the latest sets are remembered.
"""

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Endpoint(NeverCopied):
    """The URL, the model and the headers of the requests. It is never pickled, as it has the key.

    Raises:
        InvalidOption: the model or a required key is missing, or an option cannot be sent
    """

    _instead = "make another nomenclater there"

    def __init__(
        self,
        model: str | None,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
        session: object = None,
    ) -> None:
        named = stripped(model) or environ("NAMEPOOL_MODEL")
        if not named:
            raise InvalidOption("model is missing: give it, or set NAMEPOOL_MODEL")
        self.model: str = CHECKS.text("model", named, 200)
        self._own, self._parameters = _checked_headers(headers), checked_pairs("query", query)
        base = stripped(base_url)
        parts = checked_url((environ("OPENAI_BASE_URL") or OPENAI) if base is None else base)
        self.host: str = parts.netloc
        url = parts.geturl().removesuffix(COMPLETIONS) + COMPLETIONS
        self.url: str = f"{url}?{urlencode(self._parameters)}".removesuffix("?")
        self._is_open = parts.scheme == "http" and not is_local(parts.hostname or "")
        self.session: Any = check_session(session)
        environs = environ("OPENAI_API_KEY")
        self._key = _checked_key(environs if api_key is None else api_key)
        is_home = parts.hostname == urlsplit(OPENAI).hostname
        self._is_key_for_it = is_home or api_key is not None
        self._fixed: dict[str, str] = {**_defaults(), **self._own}
        if is_home and not self._key and AUTHORISATIONS.isdisjoint(self._credentials()):
            raise InvalidOption("api_key is missing: give it, or set OPENAI_API_KEY")
        # They include keys that are not sent, because a server may know these.
        keys = [key for key in (self._key, environs) if key]
        of_query = secrets.of_query(self._parameters)
        self._secrets = [*keys, *secrets.of_headers(self._own), *of_query]
        self._sent: dict[tuple[str, ...], None] = {}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request. A session may have new credentials by now."""
        others = self._credentials()
        if not self._key or (others & AUTHORISATIONS if self._is_key_for_it else others):
            return dict(self._fixed)
        return {**self._fixed, "Authorization": f"Bearer {self._key}"}

    def _credentials(self) -> set[str]:
        """Return everything besides the key that may be a credential of the requests.

        A header has its name in lower case. The others contain a space, unlike a header.
        """
        names = [*self._own, *(getattr(self.session, "headers", None) or {})]
        pairs = secrets.pairs_of(getattr(self.session, "params", None))
        parameters = [*self._parameters, *(name for name, _ in pairs)]
        kinds = [kind for kind in ("auth", "cert", "cookies") if getattr(self.session, kind, None)]
        return {
            *{str(name).lower() for name in names} - secrets.PUBLIC,
            *(f"parameter {name}" for name in parameters if secrets.CREDENTIAL.search(name)),
            *(f"session {kind}" for kind in kinds),
        }

    @property
    def is_overheard(self) -> bool:
        """Whether the next request has a credential, and goes unencrypted to another machine.

        A key that is too short for a secret does not count, such as "EMPTY".
        """
        if not self._is_open:
            return False
        sends_key = len(self._key or "") >= secrets.SHORTEST and "Authorization" in self.headers
        return sends_key or any(map(secrets.CREDENTIAL.search, self._credentials()))

    def sends(self, url: str | None, headers: Mapping[str, str | bytes]) -> None:
        """Note the credentials of a request. They may come from the ``auth`` of a session."""
        query = urlsplit(url or "").query
        self._sent[(*secrets.of_headers(headers), *secrets.of_query(query))] = None
        for old in list(self._sent)[:-MOST_SENT]:
            self._sent.pop(old, None)

    def __repr__(self) -> str:
        # The object may be half-built, because a traceback can show locals.
        return f"Endpoint({getattr(self, 'model', None)!a} at {getattr(self, 'host', None)!a})"

    def strike(self, text: str) -> str:
        """Return ``text`` without the current secrets of the endpoint, the session and proxies."""
        return self.striker()(text)

    def striker(self) -> Callable[[str], str]:
        """Return ``strike`` for many texts. It looks up the secrets only once, now."""
        from urllib.request import getproxies  # slow to import; requests has imported it already

        of_proxies = [one for url in getproxies().values() for one in secrets.of_url(url)]
        of_session = secrets.of_session(self.session)
        sent = [one for carried in list(self._sent) for one in carried]
        # A method of this object, and not the function alone, because it cannot be pickled.
        return partial(self._without, [*self._secrets, *of_session, *of_proxies, *sent])

    def _without(self, found: Sequence[str], text: str) -> str:
        return secrets.strike(text, found)


def environ(variable: str) -> str | None:
    """Return a variable of the environment, or ``None`` if it is not set or blank."""
    return os.environ.get(variable, "").strip() or None


def stripped(text: str | None) -> str | None:
    """Return a text without the white space around it. Most files end with a line break."""
    return text.strip() if isinstance(text, str) else text


def _defaults() -> dict[str, str]:
    """Return the default headers of every request. The user's headers replace them."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    # Only gzip, because other encodings need packages that may not be installed.
    headers |= {"Accept-Encoding": "gzip", "User-Agent": "namepool"}
    for name, variable in (("Organization", "OPENAI_ORG_ID"), ("Project", "OPENAI_PROJECT_ID")):
        if value := environ(variable):
            headers[f"OpenAI-{name}"] = _sendable(variable, value)
    return headers


def _checked_key(api_key: object) -> str | None:
    if api_key is not None and not isinstance(api_key, str):
        raise InvalidOption(f"api_key must be a string, not {type(api_key).__name__}")
    key = stripped(api_key)
    return _sendable("api_key", key) if key else None


def _sendable(what: str, value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidOption(f"{what} must be a string of printable ASCII characters")
    return value


def checked_pairs(option: str, pairs: object) -> dict[str, str]:
    """Return a copy of a mapping of strings to strings. No error shows its content."""
    pairs = {} if pairs is None else pairs
    if not isinstance(pairs, Mapping):
        # The error does not show the value, because it may hold a key.
        raise InvalidOption(f"{option} must map strings to strings, not be {type(pairs).__name__}")
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise InvalidOption(f"{option} must map strings to strings")
    return dict(pairs)


def _checked_headers(headers: object) -> dict[str, str]:
    pairs = checked_pairs("headers", headers)
    for name, value in pairs.items():
        if not HEADER.fullmatch(name):
            # The error does not show it, because it may be a whole line: "Authorization: Bearer …".
            raise InvalidOption("headers: a name must have only letters, digits and hyphens")
        _sendable(f"headers: {name}", value)
    return pairs


def checked_url(url: object) -> SplitResult:
    """Return the parts of a base URL. No error shows the URL: it may hold a password."""
    try:
        parts = urlsplit(CHECKS.text("base_url", url, 2000).rstrip("/"))
        parts.port  # noqa: B018  raises for an invalid port
    except InvalidOption:
        raise InvalidOption("base_url must be a URL of at most 2000 printable characters") from None
    except ValueError:
        raise InvalidOption("base_url must be a URL") from None
    if "@" in parts.netloc + parts.path:  # a slash in a password ends the netloc
        raise InvalidOption("base_url must not hold a user or a password: use headers")
    if parts.query or parts.fragment:
        raise InvalidOption("base_url must not hold a query or a fragment: use query")
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in parts.geturl():
        begun = f"{parts.scheme}://{parts.hostname}"
        told = f"not {begun}" if PLAIN.fullmatch(begun) else "and the given value is not shown"
        raise InvalidOption(f"base_url must be a URL that begins with http:// or https://, {told}")
    return parts


def is_local(host: str) -> bool:
    """Return whether a host is this machine. A host of a private network is another machine."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # Before Python 3.13, "::ffff:127.0.0.1" is no loopback address by itself.
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def checked_extra(extra_body: object) -> dict[str, Any]:
    """Return a copy of ``extra_body`` that can be sent.

    Raises:
        InvalidOption: ``extra_body`` is no mapping, or cannot be written as JSON
    """
    extra_body = {} if extra_body is None else extra_body
    if not isinstance(extra_body, Mapping):
        raise InvalidOption(f"extra_body must be a mapping, not {type(extra_body).__name__}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(extra_body), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOption("extra_body must hold only values that JSON can express") from error
    return copy


def check_session(session: object) -> object:
    """Return ``session``, or refuse it if it is no session."""
    fits = session is None or callable(getattr(session, "request", None))
    if isinstance(session, type) or not fits:
        raise InvalidOption(f"session must be a requests.Session, not {type(session).__name__}")
    return session


def checked_themes(themes: object) -> Sequence[str]:
    """Return the themes to draw from. ``None`` gives the themes of the package."""
    if themes is None:
        return THEMES
    chosen = CHECKS.items("themes", themes, "a list of at least one string")
    return list(dict.fromkeys(CHECKS.text("themes", theme, LONGEST_THEME) for theme in chosen))


def checked_guidance(guidance: str | None) -> str | None:
    """Return the text for the prompt, without white space around it, or ``None``."""
    text = stripped(guidance)
    fits = text is None or (isinstance(text, str) and 0 < len(text) <= LONGEST_GUIDANCE)
    CHECKS.that("guidance", guidance, fits, f"a text of 1 to {LONGEST_GUIDANCE} characters")
    return text
