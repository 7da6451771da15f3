"""Names made up by a language model, behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from namepool.core.names import one_line
from namepool.core.options import check_count, check_seconds
from namepool.errors import SourceError
from namepool.sources import _retry, prompts
from namepool.sources._chunk import Chunk, Given, Themes
from namepool.sources._endpoint import (
    Endpoint,
    authorises,
    checked_extra,
    checked_guidance,
    checked_themes,
)
from namepool.sources._retry import EndpointError

if TYPE_CHECKING:
    import requests

    from namepool.sources._http import Answer, Line

logger = logging.getLogger(__name__)

IN_TIME = 0.9
"""The share of ``timeout`` after which we end: in time for a pool that waits just as long."""


class Probe(NamedTuple):
    """What one question to an endpoint showed; see ``Nomenclater.probe``."""

    status: int | None
    """HTTP status; ``None`` if there was no answer."""
    seconds: float
    """From the request to the answer."""
    form: str | None
    """Which of ``prompts.RUNGS`` the endpoint takes; ``None`` if it took none."""
    received: int
    names: list[str]
    rejected: dict[str, str]
    """The other names, or what was offered as such, and why each is none."""
    error: str | None


class Nomenclater:
    """Asks a language model for names, over HTTP, in chunks.

    Args:
        model: what the endpoint calls the model; else the environment's ``NAMEPOOL_MODEL``
        base_url: up to and without ``/chat/completions``; else ``OPENAI_BASE_URL``, else OpenAI's
        api_key: sent as a bearer token; else ``OPENAI_API_KEY``; ``""``: none. Only OpenAI's own
            URL insists on one. Not sent if ``headers`` have an ``Authorization`` or ``api-key``,
            or the session has an ``auth``
        themes: what names may be about, three of them at a time; else ``prompts.THEMES``
        guidance: a sentence or two for the prompt, such as the language of the names
        timeout: seconds that a chunk may take in all, retries included. It ends a tenth earlier,
            so that a pool whose ``fetch_timeout`` is the same still gets the answer
        max_attempts: requests per chunk, besides those that only find out which form of reply
            the endpoint can be asked for (two at most, until one has worked)
        max_used_in_prompt: of the used names, how many (the latest) the prompt lists
        session: a ``requests.Session`` of yours, for certificates, proxies or adapters. It is not
            closed; a request on it that dribbles its headers holds a thread until it ends
        headers: more of them, as Azure's ``{"api-key": …}``; they replace ours
        extra_body: more fields for the request, as ``{"temperature": 1.1}``; they replace ours
        query: parameters of the URL, as Azure's ``{"api-version": …}``. Put no key there: HTTP
            libraries log URLs

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
        max_used_in_prompt: int = 200,
        session: requests.Session | None = None,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        check_seconds("timeout", timeout, zero=False)
        check_count("max_attempts", max_attempts, 1)
        check_count("max_used_in_prompt", max_used_in_prompt, 0)
        self._endpoint = Endpoint(
            model, base_url, api_key, headers, query, authorised=authorises(session)
        )
        self._timeout, self._max_attempts = timeout, max_attempts
        self._max_used = max_used_in_prompt
        self._themes = Themes(checked_themes(themes))
        self._guidance = checked_guidance(guidance)
        self._session, self._extra = session, checked_extra(extra_body)
        self._given = Given()
        self._rung = 0
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._clock, self._wall_clock, self._random = time.monotonic, time.time, random.random
        self._wait: Callable[[Line, float], bool] = lambda line, seconds: line.wait(seconds)
        self.last_source: str | None = None
        """The model and the host that gave the last names."""

    def __repr__(self) -> str:
        return f"Nomenclater({self._endpoint.model!a}, {self._endpoint.host!a})"

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return up to ``count`` names, at least one.

        They differ from each other, from the latest of ``used`` and from the latest it gave before.
        Of a reply the good names are kept, and only the rest is asked for again. Blocks for less
        than ``timeout`` seconds; ``close()`` ends it early.

        Raises:
            SourceError: no name came; it says what came instead, and for how long to leave the
                endpoint alone (``retry_after``, seconds) if that is known
            InvalidOption: ``count`` is not a positive int
        """
        check_count("count", count, 1)
        self._given.notice(len(used))
        recent = list(used[max(len(used) - self._max_used, 0) :])
        chunk = Chunk(count, recent, self._given, self._rung)
        line, deadline = self._open(), self._clock() + self._timeout * IN_TIME
        failure = self._fill(chunk, line, deadline)
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
        chunk, error = Chunk(count, (), Given(), 0), None
        try:
            reading = self._ask(chunk, self._open(), self._clock() + self._timeout * IN_TIME)
            chunk.count = max(count, len(reading.names))  # here a surplus is of interest too
            chunk.take(reading)
        except SourceError as failure:
            error = one_line(failure, 300)
        form = prompts.RUNGS[chunk.rung] if chunk.status == 200 else None
        return Probe(
            chunk.status, chunk.seconds, form, chunk.received, chunk.names, chunk.rejected, error
        )

    def close(self) -> None:
        """End requests under way and close the session, unless it is yours; waits for nothing.

        A later ``fetch`` opens a new one.
        """
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _open(self) -> Line:
        from namepool.sources._http import Line  # requests is slow to import; many never need it

        with self._lock:
            if self._line is None:
                self._line = Line(self._endpoint, self._session)
            return self._line

    def _fill(self, chunk: Chunk, line: Line, deadline: float) -> SourceError | None:
        """Ask until the chunk is full or there is no use in asking on; return what went wrong."""
        failure: SourceError | None = None
        failures = 0
        for attempt in range(1, self._max_attempts + 1):
            try:
                chunk.take(self._ask(chunk, line, deadline))
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
        pause = _retry.pause(failures, self._random)
        requested = getattr(error, "retry_after", None)
        if requested is not None:  # what the endpoint says counts, however short
            pause = requested
        if self._clock() + pause >= deadline:
            return False
        logger.info("%a: next attempt in %.1f s: %s", self, pause, one_line(error))
        return self._wait(line, pause)

    def _ask(self, chunk: Chunk, line: Line, deadline: float) -> prompts.Reading:
        """Make a request, and another for each form of reply that the endpoint refuses."""
        while True:
            answer = self._post(chunk, line, deadline)
            if answer.status == 200:
                self._rung = chunk.rung  # only now: an error may quote what it is not about
                return self._read(answer)
            refused = _retry.refuses_form(answer.status, answer.body)
            if not refused or chunk.rung + 1 == len(prompts.RUNGS):
                raise self._status_error(answer)
            chunk.rung += 1
            logger.info("%a refuses the form; next: %s", self, prompts.RUNGS[chunk.rung])

    def _post(self, chunk: Chunk, line: Line, deadline: float) -> Answer:
        from namepool.sources._http import Failed

        began = self._clock()
        remaining = deadline - began
        chunk.status = None
        if remaining <= 0:
            raise EndpointError("the time for this chunk is over", final=True)
        with self._themes.drawn() as (themes, others):
            messages = prompts.messages(
                chunk.missing, themes, chunk.listed(self._max_used), chunk.rejected.items(),
                self._guidance, others,
            )  # fmt: skip
            rung = prompts.RUNGS[chunk.rung]
            body = prompts.request_body(self._endpoint.model, rung, messages, self._extra)
            try:
                # ASCII: a lone surrogate in a used name must not stop us.
                answer = line.post(json.dumps(body).encode("ascii"), remaining)
                chunk.status, chunk.seconds = answer.status, self._clock() - began
                return answer
            except Failed as error:
                raise EndpointError(str(error), final=error.final) from None

    def _read(self, answer: Answer) -> prompts.Reading:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not answer.body.strip():
            raise SourceError("the reply is empty")
        if kind and kind != "application/json" and not kind.endswith(("+json", "/json")):
            raise SourceError(f"the reply is {one_line(kind, 60)}: {prompts.came(answer.body)}")
        return prompts.read_body(answer.body)

    def _status_error(self, answer: Answer) -> EndpointError:
        said = prompts.came(answer.body)
        if "x-location" in answer.headers:
            said = f"to {one_line(answer.headers['x-location'])}"
        return _retry.status_error(answer.status, answer.headers, said, self._wall_clock())

    def _told(self, error: SourceError) -> SourceError:
        """Return the error with where it comes from; what it was made from holds no key."""
        text = f"{one_line(self._endpoint.model, 60)} at {self._endpoint.host}: {error}"
        return EndpointError(
            text,
            status=getattr(error, "status", None),
            retry_after=getattr(error, "retry_after", None),
            final=getattr(error, "final", False),
        )
