"""Names made up by a language model, behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from namepool.actors import forks
from namepool.actors.logs import Logger
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import one_line
from namepool.core.options import check_count, check_seconds, check_theme
from namepool.errors import SourceError
from namepool.sources.base import IN_TIME, time_left
from namepool.sources.llm import ladder, prompt, retry
from namepool.sources.llm.asking import Asker
from namepool.sources.llm.chunk import Chunk, Given, Themes
from namepool.sources.llm.endpoint import (
    Endpoint,
    checked_extra,
    checked_guidance,
    checked_themes,
)
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.vendors import Vendor

if TYPE_CHECKING:
    import requests

    from namepool.sources.llm.transport import Line

logger: Logger = Logger(__name__)

_left_behind: list[Line] = []
"""The parent's lines in a forked child: never used, never closed, their locks may be held."""


class Probe(NamedTuple):
    """What one question to an endpoint showed; see ``Nomenclater.probe``."""

    status: int | None
    """HTTP status; ``None`` if there was no answer."""
    seconds: float
    """From the request to the answer."""
    form: str | None
    """Which of ``ladder.RUNGS`` the endpoint takes; ``None`` if it took none."""
    received: int
    names: list[str]
    rejected: dict[str, str]
    """The other names, or what was offered as such, and why each is none."""
    error: str | None
    late: bool = False
    """There was no answer, and all that is known is that it would have taken longer."""
    vendors: tuple[Vendor, ...] = ()
    """Whose endpoint it looks like."""


class Nomenclater(NeverCopied):
    """Asks a language model for names, over HTTP, in chunks.

    Args:
        model: what the endpoint calls the model; else the environment's ``NAMEPOOL_MODEL``
        base_url: up to and without ``/chat/completions``; else ``OPENAI_BASE_URL``, else OpenAI's
        api_key: sent as a bearer token; else ``OPENAI_API_KEY``; ``""``: none. Only OpenAI's own
            URL insists on one. Not sent if ``headers`` or the session have an ``Authorization`` or
            ``api-key``; that of the environment not if they bring what may be a credential: any
            header but the usual ones, a login, a cookie, a certificate, a key in the URL
        themes: what names may be about, three of them at a time; else ``subjects.THEMES``
        guidance: a sentence or two for the prompt, such as the language of the names
        timeout: seconds that a chunk may take in all, retries included. It ends a tenth earlier,
            so that a pool whose ``fetch_timeout`` is the same still gets the answer; and earlier
            still if ``time_left()`` says so
        max_attempts: requests per chunk, besides those that only find out which form of reply
            the endpoint can be asked for (two at most)
        max_used_in_prompt: of the used names, how many (the latest) the prompt lists; ``None``: as
            many as have ``prompt.USED_TOKENS``, so that a small model can read it
        session: a ``requests.Session`` of yours, for certificates, proxies or adapters. It is not
            closed; a request on it that dribbles its headers holds a thread until it ends, interim
            answers (103) are not read past, a kept connection that ends as the request arrives
            costs an attempt, and a forked child needs one of its own
        headers: more of them, as Azure's ``{"api-key": …}``; they replace ours
        extra_body: more fields for the request, as ``{"temperature": 1.1}``; they replace ours
        query: parameters of the URL, as Azure's ``{"api-version": …}``. Put no key there: HTTP
            libraries log URLs

    White space around ``model``, ``base_url`` and ``api_key`` is dropped, as files end in some.
    ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID`` are sent if they are set. Redirects are not
    followed; certificates are verified; proxies are those of the environment. Keys are in no repr,
    error or log line.

    Several threads may call it at once: their requests draw different themes.

    Raises:
        InvalidOption: the model or a key is missing, or an option is of the wrong type or range
    """

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
        check_seconds("timeout", timeout, zero=False)
        check_count("max_attempts", max_attempts, 1)
        if max_used_in_prompt is not None:
            check_count("max_used_in_prompt", max_used_in_prompt, 0)
        self._endpoint = Endpoint(model, base_url, api_key, headers, query, session)
        self._asker = Asker(
            self._endpoint,
            Themes(checked_themes(themes)),
            checked_guidance(guidance),
            checked_extra(extra_body),
            max_used_in_prompt,
        )
        self._timeout, self._max_attempts = timeout, max_attempts
        self._max_used, self._session = max_used_in_prompt, session
        self._given = Given()
        self._line: Line | None = None
        self._lock = threading.RLock()
        self._random = random.random
        self.last_source: str | None = None
        """The model and the host that gave the last names."""
        forks.remember(self)

    def __repr__(self) -> str:
        endpoint = getattr(self, "_endpoint", None)  # also half-built, in a traceback's locals
        model, host = getattr(endpoint, "model", None), getattr(endpoint, "host", None)
        return f"Nomenclater({model!a}, {host!a})"

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return up to ``count`` names, at least one; all about ``theme``, if there is one.

        A theme is any text; without one the names are about ``themes``. They differ from each
        other, in their given names too, from the latest of ``used`` and from the latest it gave
        before. Of a reply the good names are kept, and only the rest is asked for again. Blocks for
        less than ``timeout`` seconds, and than ``time_left()``; ``close()`` ends it early.

        Raises:
            SourceError: no name came; it says what came instead, and for how long to leave the
                endpoint alone (``retry_after``, seconds) if that is known
            InvalidOption: ``count`` is not a positive int, or ``theme`` no text of one line
        """
        check_count("count", count, 1)
        theme = check_theme(theme)
        self._given.notice(len(used))
        most = prompt.USED_TOKENS if self._max_used is None else self._max_used
        recent = list(used[max(len(used) - most, 0) :])
        chunk = Chunk(count, recent, self._given, self._asker.rung, theme)
        failure = self._fill(chunk, self._open(), self._deadline())
        if not chunk.names:
            raise self._told(failure or SourceError(chunk.complaint()))
        self.last_source = (
            f"{type(self).__name__} ({self._endpoint.model} at {self._endpoint.host})"
        )
        return chunk.names

    def probe(self, count: int = 12) -> Probe:
        """Ask once for ``count`` names, and once more for each form that is refused; tell all.

        Blocks as ``fetch`` does, and raises nothing that an endpoint can cause.
        """
        check_count("count", count, 1)
        chunk, error, late = Chunk(count, (), Given(), 0), None, False
        try:
            reading = self._asker.ask(chunk, self._open(), self._deadline())
            chunk.count = max(count, len(reading.names))  # here a surplus is of interest too
            chunk.take(reading)
        except SourceError as failure:
            error, late = one_line(failure, 300), getattr(failure, "late", False)
        form = ladder.RUNGS[chunk.rung] if chunk.status == 200 else None
        counts = chunk.received, chunk.names, chunk.rejected
        vendors = self._endpoint.vendors(chunk.headers)
        return Probe(chunk.status, chunk.seconds, form, *counts, error, late, vendors)

    def close(self) -> None:
        """End requests under way and close the session, unless it is yours; waits for nothing.

        A later ``fetch`` opens a new one.
        """
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def forked(self) -> None:
        """Let go of the connections, which are the parent's; runs in a forked child."""
        if self._line is not None:
            _left_behind.append(self._line)
        self._line, self._lock = None, threading.RLock()
        self._given.forked()
        self._asker.themes.forked()

    def _open(self) -> Line:
        from namepool.sources.llm.transport import Line  # requests is slow to import

        with self._lock:
            if self._line is None:
                self._line = Line(self._endpoint, self._session)
            return self._line

    def _deadline(self) -> float:
        told = time_left()
        seconds = self._timeout * IN_TIME
        return self._asker.clock() + (seconds if told is None else min(told, seconds))

    def _fill(self, chunk: Chunk, line: Line, deadline: float) -> SourceError | None:
        """Ask until the chunk is full or there is no use in asking on; return what went wrong."""
        failure: SourceError | None = None
        failures = 0
        for attempt in range(1, self._max_attempts + 1):
            try:
                chunk.take(self._asker.ask(chunk, line, deadline))
                failure, failures = None, 0
            except SourceError as error:
                failure, failures = error, failures + 1
            if not chunk.missing or attempt == self._max_attempts:
                break
            if failure is not None and not self._rest(failure, failures, line, deadline):
                break
        return failure

    def _rest(self, error: SourceError, failures: int, line: Line, deadline: float) -> bool:
        """Wait before the next attempt; ``False`` if there should be none."""
        if getattr(error, "final", False):
            return False
        if getattr(error, "retry_after", None) is not None:
            return self._asker.may_ask(deadline)  # which heeds it, however short
        pause = retry.pause(failures, self._random)
        if self._asker.clock() + pause >= deadline:
            return False
        logger.info("%a: next attempt in %.1f s: %s", self, pause, one_line(error))
        return self._asker.wait(line, pause)

    def _told(self, error: SourceError) -> SourceError:
        """Return the error with where it comes from; what it was made from holds no key."""
        text = f"{one_line(self._endpoint.model, 60)} at {self._endpoint.host}: {error}"
        return EndpointError(
            text,
            status=getattr(error, "status", None),
            retry_after=getattr(error, "retry_after", None),
            final=getattr(error, "final", False),
            late=getattr(error, "late", False),
        )
