"""Names that a language model invents, behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from namepool.actors import forks
from namepool.actors.bare import raises_bare
from namepool.actors.logs import Logger
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import one_line
from namepool.core.options import CHECKS, check_theme
from namepool.errors import NamePoolError
from namepool.sources.base import IN_TIME, judged, time_left
from namepool.sources.llm.asking import Asker
from namepool.sources.llm.chunk import Chunk, Given, Probe, Themes
from namepool.sources.llm.endpoint import Endpoint, checked_extra, checked_guidance, checked_themes
from namepool.sources.llm.retry import EndpointError

if TYPE_CHECKING:
    import requests

    from namepool.sources.llm.transport import Line

logger: Logger = Logger(__name__)

_left_behind: list[Line | None] = []
"""In a forked child, the ``Line`` objects of the parent process.

The child never uses or closes them, because another thread may have held their locks at the fork.
"""


class Nomenclater(NeverCopied):
    """A source that asks a language model for names over HTTP, in chunks.

    Args:
        model: the name of the model at the endpoint. The default is the environment's
            ``NAMEPOOL_MODEL``
        base_url: the URL, without ``/chat/completions`` at its end. The default is
            ``OPENAI_BASE_URL``, else OpenAI's URL
        api_key: the key, sent as a bearer token. The default is ``OPENAI_API_KEY``. ``""`` sends no
            key. Only OpenAI's own URL requires a key. No key is sent if ``headers`` or the session
            have an ``Authorization`` or ``api-key``, or if the session has an ``auth``. The key of
            the environment may be one for OpenAI. So another vendor gets it only if the requests
            have no other credential. A cookie, a certificate and a key in the URL count as
            credentials. So does every header except public ones, such as ``User-Agent``
        themes: the subjects of the names, three of them per request. The default is
            ``subjects.THEMES``
        guidance: a sentence or two for the prompt, such as the language of the names
        timeout: the seconds that a chunk may take in all, with retries. The source stops a tenth
            earlier, so that a pool with the same ``fetch_timeout`` still gets the answer. It stops
            even earlier if ``time_left()`` is shorter. As long as no form of reply has worked, an
            endpoint that is silent for half of that time is asked for none
        max_attempts: the most requests per chunk. Up to two requests that only find out the form
            of the reply do not count. As long as no form has worked, the last attempt asks for none
        max_used_in_prompt: the number of used names that the prompt lists. These are the latest
            names. ``None`` lists as many as fit into ``prompt.USED_TOKENS``, so that a small model
            can read the prompt
        session: a ``requests.Session`` of yours, for certificates, proxies or adapters. It is not
            closed, and it has limits. If a server sends the headers of its answer slowly, a thread
            waits for them, even after the timeout. Interim answers (103) are not skipped. A kept
            connection that ends while the request arrives costs an attempt. A forked child needs a
            session of its own
        headers: more headers, such as Azure's ``{"api-key": …}``. They replace the default ones
        extra_body: more fields of the request, such as ``{"temperature": 1.1}``. They replace the
            default ones
        query: the parameters of the URL, such as Azure's ``{"api-version": …}``. Put no key there,
            because HTTP libraries log URLs

    White space around ``model``, ``base_url`` and ``api_key`` is dropped, because most files end
    with a line break. ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID`` are sent if they are set.
    Redirects are not followed. Certificates are verified. The proxies are those of the environment.
    If a credential goes over plain ``http://`` to another machine, the first such request logs a
    warning. No repr, error or log line contains a key, and no frame of an error has a key in its
    locals.

    Several threads may fetch at once: their requests draw different themes.

    Raises:
        InvalidOption: the model or a key is missing, or an option is of the wrong type or range

    Examples:
        >>> nomenclater = namepool.Nomenclater("llama3.2", "http://localhost:11434/v1")
        >>> nomenclater
        Nomenclater('llama3.2', 'localhost:11434')
        >>> source = namepool.FallbackSource(nomenclater, namepool.OfflineNames())
    """

    @raises_bare(NamePoolError)
    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        themes: Iterable[str] | None = None,
        guidance: str | None = None,
        timeout: float = 30.0,
        max_attempts: int = 3,
        max_used_in_prompt: int | None = None,
        session: requests.Session | None = None,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        CHECKS.seconds("timeout", timeout, zero=False)
        CHECKS.count("max_attempts", max_attempts, 1)
        if max_used_in_prompt is not None:
            CHECKS.count("max_used_in_prompt", max_used_in_prompt, 0)
        self._endpoint = Endpoint(model, base_url, api_key, headers, query, session)
        drawn, guidance = Themes(checked_themes(themes)), checked_guidance(guidance)
        extra = checked_extra(extra_body)
        self._asker = Asker(self._endpoint, drawn, guidance, extra, max_attempts)
        self._timeout, self._max_used = timeout, max_used_in_prompt
        self._given = Given()
        self._line: Line | None = None
        self._lock = threading.RLock()
        self._has_warned = False
        self.last_source: str | None = None
        """The model and the host of the last names."""
        forks.remember(self)

    def __repr__(self) -> str:
        endpoint = getattr(self, "_endpoint", None)  # a traceback may show a half-built object
        model, host = getattr(endpoint, "model", None), getattr(endpoint, "host", None)
        return f"Nomenclater({model!a}, {host!a})"

    @raises_bare(NamePoolError)
    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return at least one name and at most ``count`` names, about ``theme`` if it is given.

        A theme is any text. Without a theme, the names are about the ``themes`` of the nomenclater.
        All names differ from each other, and so do their given names. They also differ from the
        latest ``used`` names and from the latest names that the nomenclater gave. The good names of
        a reply are kept, and only the missing ones are requested again.

        The call blocks for less than ``timeout`` seconds, and for less than ``time_left()``.
        ``close()`` ends it early.

        Raises:
            SourceError: no name came. The message describes the endpoint's answer. ``retry_after``
                is the number of seconds to leave the endpoint alone, or ``None`` if it is unknown
            InvalidOption: ``count`` is not a positive int, or ``theme`` is not a text of one line

        Examples:
            >>> nomenclater.fetch(0, ())  # refused before any request
            Traceback (most recent call last):
            namepool.errors.InvalidOption: count must be ... 1, not 0
        """
        CHECKS.count("count", count, 1)
        theme = check_theme(theme)
        self._given.notice(len(used))
        rung, most = self._asker.rung, self._max_used
        chunk = Chunk(count, used, self._given, rung, theme, max_used=most)
        failure = self._fill(chunk)
        model, host = self._endpoint.model, self._endpoint.host
        if not chunk.names:
            failure = failure or EndpointError(chunk.complaint())
            raise EndpointError(f"{one_line(model, 60)} at {host}: {failure}", **vars(failure))
        self.last_source = f"{type(self).__name__} ({model} at {host})"
        return judged(chunk.names)

    def probe(self, count: int = 12) -> Probe:
        """Ask for ``count`` names once, and return everything that this shows about the endpoint.

        If the endpoint refuses a form of reply, also without a word, the call asks again for a
        lesser form. It blocks as long as ``fetch``. No behaviour of an endpoint makes it raise an
        error.

        Raises:
            InvalidOption: ``count`` is not a positive int

        Examples:
            >>> def is_usable():  # this asks the endpoint
            ...     return len(nomenclater.probe(3).names) > 0
        """
        CHECKS.count("count", count, 1)
        chunk = Chunk(count, (), Given(), 0, is_sample=True, host=self._endpoint.host)
        failure = self._fill(chunk)
        if failure is not None:
            chunk.error, chunk.late = one_line(failure, 300), failure.late
        # A copy, because the chunk knows more, and that may hold secrets.
        return Probe(**{shown.name: getattr(chunk, shown.name) for shown in fields(Probe)})

    def close(self) -> None:
        """End the requests under way. Do not wait. A later ``fetch`` makes new ones.

        Examples:
            >>> nomenclater.close()
        """
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def forked(self) -> None:
        """Let go of the parent's connections. The library calls this in a forked child.

        Examples:
            >>> nomenclater.forked()
        """
        _left_behind.append(self._line)
        self._line, self._lock = None, threading.RLock()
        self._asker.themes = Themes(self._asker.themes.themes)  # a new lock, too

    def _open(self) -> Line:
        from namepool.sources.llm.transport import Line  # requests is slow to import

        with self._lock:
            if self._line is None:
                self._line = Line(self._endpoint)
            return self._line

    def _fill(self, chunk: Chunk) -> EndpointError | None:
        self._warn_once()
        left, seconds = time_left(), self._timeout * IN_TIME
        deadline = self._asker.clock() + (seconds if left is None else min(left, seconds))
        return self._asker.fill(chunk, self._open(), deadline)

    def _warn_once(self) -> None:
        """Warn if the network can read a credential of the next request.

        A session may get a credential at any time, so the constructor does not know it.
        """
        if self._has_warned or not self._endpoint.is_overheard:
            return
        with self._lock:
            is_first, self._has_warned = not self._has_warned, True
        if is_first:
            logger.warning(
                "a key goes to %a over plain http, so the network can read it: use https://",
                one_line(self._endpoint.host, 100),
            )
