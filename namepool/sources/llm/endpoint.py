"""What a nomenclater is given: arguments and environment, checked when it is built.

Nothing here shows a key: not a repr, not an error about one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, quote_plus, urlencode, urlsplit

from namepool.errors import InvalidOption
from namepool.names import one_line
from namepool.options import check_text, invalid
from namepool.sources.llm.prompt import THEMES

OPENAI = "https://api.openai.com/v1"
SECRET = re.compile("key|token|secret|auth|passw|signature|credential|cookie|^sig$", re.I)
"""Headers and query parameters whose values are secrets, by their names."""

SHORTEST_SECRET = 6
"""Shorter ones stay: "EMPTY" and the like are what endpoints without keys are given."""

LONGEST_GUIDANCE = 2000
"""Characters: it is sent with every request."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Endpoint:
    """The URL, the model and the headers of the requests.

    Raises:
        InvalidOption: the model or a key that is needed is missing, or something cannot be sent
    """

    def __init__(
        self,
        model: str | None,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
        *,
        authorised: bool = False,
    ) -> None:
        self.model = check_text("model", model or _environ("NAMEPOOL_MODEL") or _no_model(), 200)
        own, parameters = _checked_headers(headers), _checked_pairs("query", query)
        base = (base_url or _environ("OPENAI_BASE_URL") or OPENAI) if base_url != "" else ""
        parts = _checked_url(base)
        self.host = parts.netloc
        self.url = _completions(parts) + (f"?{urlencode(parameters)}" if parameters else "")
        key = _checked_key(api_key)
        authorised = authorised or bool(
            {"authorization", "api-key"} & {name.lower() for name in own}
        )
        if key is None and not authorised and parts.hostname == urlsplit(OPENAI).hostname:
            raise InvalidOption("api_key is missing: give it, or set OPENAI_API_KEY")
        self.headers = {**_defaults(), **own}
        if key is not None and not authorised:
            self.headers["Authorization"] = f"Bearer {key}"
        self._secrets = _secrets(key, {**own, **parameters})

    def __repr__(self) -> str:
        return f"Endpoint({self.model!a} at {self.host!a})"

    def scrub(self, text: str) -> str:
        """Return ``text`` without the secrets: endpoints quote them in their errors."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


def _environ(variable: str) -> str | None:
    return os.environ.get(variable, "").strip() or None


def _no_model() -> str:
    raise InvalidOption("model is missing: give it, or set NAMEPOOL_MODEL")


def _defaults() -> dict[str, str]:
    """Return the headers that every request has; user-given ones replace them."""
    # gzip only: what else is decoded depends on what happens to be installed.
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers["Accept-Encoding"] = "gzip"
    headers["User-Agent"] = "namepool"
    for name, variable in (("Organization", "OPENAI_ORG_ID"), ("Project", "OPENAI_PROJECT_ID")):
        if value := _environ(variable):
            headers[f"OpenAI-{name}"] = _sendable(variable, value)
    return headers


def _checked_key(api_key: object) -> str | None:
    if api_key is not None and not isinstance(api_key, str):
        raise InvalidOption(f"api_key must be a string, not {type(api_key).__name__}")
    # Keys read from files end in a line break.
    key = _environ("OPENAI_API_KEY") if api_key is None else api_key.strip()
    return _sendable("api_key", key) if key else None


def _sendable(what: str, value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidOption(f"{what} must be a string of printable ASCII characters")
    return value


def _checked_pairs(option: str, pairs: object) -> dict[str, str]:
    if pairs is None:
        return {}
    if not isinstance(pairs, Mapping):
        # Not its value: it may hold a key.
        raise InvalidOption(f"{option} must map strings to strings, not be {type(pairs).__name__}")
    for name, value in pairs.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidOption(f"{option} must map strings to strings")
    return dict(pairs)


def _checked_headers(headers: object) -> dict[str, str]:
    pairs = _checked_pairs("headers", headers)
    for name, value in pairs.items():
        if not _HEADER.fullmatch(name):
            raise InvalidOption(f"headers: {one_line(ascii(name), 60)} is no name of a header")
        _sendable(f"headers: {name}", value)
    return pairs


def _checked_url(url: object) -> SplitResult:
    try:
        parts = urlsplit(check_text("base_url", url, 2000).rstrip("/"))
        parts.port  # noqa: B018  raises if it is none
    except InvalidOption:
        raise InvalidOption("base_url must be a URL of at most 2000 characters") from None
    except ValueError:
        raise InvalidOption("base_url must be a URL") from None
    if "@" in parts.netloc:
        raise InvalidOption("base_url must not hold a user or a password: use headers")
    if parts.query or parts.fragment:
        raise InvalidOption("base_url must not hold a query or a fragment: use query")
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in url:  # type: ignore[operator]
        raise invalid("base_url", url, "a URL that begins with http:// or https://")
    return parts


def _completions(parts: SplitResult) -> str:
    url = parts.geturl()
    return url if url.endswith("/chat/completions") else f"{url}/chat/completions"


def checked_extra(extra_body: object) -> dict[str, Any]:
    """Return a copy of ``extra_body`` that can be sent.

    Raises:
        InvalidOption: it is no mapping, or cannot be written as JSON
    """
    if extra_body is None:
        return {}
    if not isinstance(extra_body, Mapping):
        raise InvalidOption(f"extra_body must be a mapping, not {type(extra_body).__name__}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(extra_body), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOption("extra_body must be what JSON can hold") from error
    return copy


def authorises(session: object) -> bool:
    """Tell whether a session of the user's brings its own credentials."""
    if session is None:
        return False
    if isinstance(session, type) or not callable(getattr(session, "request", None)):
        raise InvalidOption(f"session must be a requests.Session, not {type(session).__name__}")
    headers = getattr(session, "headers", None) or {}
    return bool(getattr(session, "auth", None)) or "Authorization" in headers


def checked_themes(themes: object) -> Sequence[str]:
    """Return the themes to draw from; ours if ``themes`` is ``None``."""
    if themes is None:
        return THEMES
    chosen = list(themes) if isinstance(themes, Iterable) and not isinstance(themes, str) else []
    if not chosen:
        raise invalid("themes", themes, "a list of at least one string")
    return list(dict.fromkeys(check_text("themes", theme, 200) for theme in chosen))


def checked_guidance(guidance: object) -> str | None:
    """Return the text that goes into the prompt as it is, or ``None``."""
    if guidance is None:
        return None
    if not isinstance(guidance, str) or not 0 < len(guidance.strip()) <= LONGEST_GUIDANCE:
        raise invalid("guidance", guidance, f"a text of 1 to {LONGEST_GUIDANCE} characters")
    return guidance.strip()


def _secrets(key: str | None, named: Mapping[str, str]) -> list[str]:
    values = [key or ""]
    for name, value in named.items():
        if SECRET.search(name):
            # "Bearer …": also without the word; and as it stands in a URL
            values += [value, *value.split(), quote_plus(value)]
    # The longest first: a secret may begin with another.
    found = {value for value in values if len(value) >= SHORTEST_SECRET} - {"Bearer"}
    return sorted(found, key=len, reverse=True)
