"""The requests for one chunk: their time, their form, and the reading of the answers."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from namepool.actors.logs import Logger
from namepool.core.names import name_key, one_line
from namepool.sources.base import why_refused
from namepool.sources.llm import ladder, prompt, retry
from namepool.sources.llm.chunk import Chunk, Themes
from namepool.sources.llm.endpoint import Endpoint
from namepool.sources.llm.reply import ErrorInside, NoNames, Reader, Reading
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.subjects import EXAMPLES

if TYPE_CHECKING:
    from namepool.sources.llm.transport import Answer, Line

logger: Logger = Logger(__name__)

LADDER_READS = 4000
"""The most bytes of an error that are searched for its cause."""

FIRST_SHARE = 0.5
"""The share of the time for a form that has never worked. The rest is left for a lesser form."""


class Asker:
    """Asks an endpoint for names. All threads share its knowledge of the endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        themes: Themes,
        guidance: str | None,
        extra: Mapping[str, Any],
        max_used: int | None,
        max_attempts: int,
    ) -> None:
        self.themes = themes
        self.rung: int = 0
        self._worked: set[int] = set()  # the rungs whose forms have brought a name
        self._endpoint, self._reader = endpoint, Reader(endpoint.striker, why_refused)
        self._guidance, self._extra, self._max_used = guidance, extra, max_used
        self._max_attempts = max_attempts
        self._quiet_until = float("-inf")  # the endpoint wants to be left alone by all threads
        self._examples: Callable[[], Sequence[str]] = lambda: random.sample(EXAMPLES, 2)
        self.clock: Callable[[], float] = time.monotonic
        self.wall_clock: Callable[[], float] = time.time
        self.random: Callable[[], float] = random.random
        self.wait: Callable[[Line, float], bool] = lambda line, seconds: line.wait(seconds)

    def fill(self, chunk: Chunk, line: Line, deadline: float) -> EndpointError | None:
        """Ask until the chunk is full or more attempts are useless. Return the last failure."""
        failure: EndpointError | None = None
        failures = 0
        for left in range(self._max_attempts - 1, -1, -1):
            try:
                reading = self._ask(chunk, line, deadline, left)
                chunk.take(reading)
                failure, failures = None, 0
                self._look_at_form(chunk, left, is_blank=not reading.names)
            except EndpointError as error:
                failure, failures = error, failures + 1
                is_blank = isinstance(error, NoNames) or error.status == 500
                self._look_at_form(chunk, left, is_blank=is_blank, is_late=error.late)
                if not left or not self._rest(chunk, error, failures, line, deadline):
                    break
            if not chunk.missing:
                break
        return failure

    def _until(self, chunk: Chunk, deadline: float, left: int) -> float:
        """Return when the next attempt must end. A form that may be ignored gets half the time."""
        if chunk.rung in self._worked or not left or chunk.rung == ladder.PLAIN:
            return deadline
        now = self.clock()
        return now + FIRST_SHARE * (deadline - now)

    def _look_at_form(
        self, chunk: Chunk, left: int, *, is_blank: bool, is_late: bool = False
    ) -> None:
        """Choose the plain form for the last attempt, if the form may be the reason for a failure.

        Some servers answer a form with a bare status 500, with nothing, or not at all. After
        silence the next attempt is the last one that has enough time.
        """
        if chunk.rung in self._worked or not (is_blank or is_late):
            return
        if left == 1 or is_late or chunk.is_sample:
            chunk.rung = ladder.PLAIN
        if not left or is_late:
            self.rung = 0 if chunk.first_rung == ladder.PLAIN else ladder.PLAIN  # next time

    def _rest(
        self, chunk: Chunk, error: EndpointError, failures: int, line: Line, deadline: float
    ) -> bool:
        """Wait before the next attempt. Return ``False`` if there should be no next attempt."""
        now = self.clock()
        if error.late:
            return now < deadline
        if error.final or (chunk.is_sample and chunk.rung == chunk.first_rung):
            return False
        if error.retry_after is not None:
            return max(now, self._quiet_until) < deadline  # the next request waits for it
        pause = retry.BACKOFF.pause(failures, self.random)
        if now + pause >= deadline:
            return False
        logger.info("%a: next attempt in %.1f s: %s", self._endpoint, pause, one_line(error))
        return self.wait(line, pause)

    def _ask(self, chunk: Chunk, line: Line, deadline: float, left: int) -> Reading:
        """Make a request, and at most two more to find out the form of the reply.

        Raises:
            EndpointError: there is no answer, or it is an error, or it holds nothing like a name
        """
        while True:
            form = ladder.RUNGS[chunk.rung]
            try:
                answer = self._post(chunk, line, deadline, left)
                reading = self._read(chunk, answer)
            except EndpointError as error:
                chunk.tried[form] = one_line(error)
                chunk.is_unread = isinstance(error, NoNames) and chunk.status == 200
                rung = self._next_rung(chunk, error)
                if rung is None:
                    raise
                chunk.rung = rung
            else:
                chunk.tried[form] = f"{len(reading.names)} names"
                if reading.names:
                    self.rung = chunk.rung
                    self._worked.add(chunk.rung)
                chunk.wrote_no_json = chunk.is_unread = False
                return reading

    def _read(self, chunk: Chunk, answer: Answer) -> Reading:
        """Return the names in an answer. An error inside an answer counts as that error."""
        status = answer.status
        if status == 200:
            try:
                return self._reader.read_answer(answer.headers, answer.body)
            except ErrorInside as error:
                if error.status is None and not ladder.speaks_of_form(str(error)):
                    raise
                chunk.status = status = error.status or 400
        now = self.wall_clock()
        pause = retry.requested_pause(answer.headers, now)
        if pause is not None:
            self._quiet_until = max(self._quiet_until, self.clock() + pause)
        said = self._reader.error_text(answer.body)
        if "x-location" in answer.headers:
            said = f"to {self._reader.quote(answer.headers['x-location'])}"
        chunk.said = answer.body[:LADDER_READS].decode("utf-8", "replace")
        raise retry.status_error(status, answer.headers, said, now)

    def _next_rung(self, chunk: Chunk, error: EndpointError) -> int | None:
        """Return the form to ask for next, or ``None`` if the error is not about the form.

        A model that did not keep to the form gets a second chance, and then a request without a
        form. This too costs at most two more requests.
        """
        if error.status is None:
            return None
        tried = chunk.wrote_no_json or chunk.rung != self.rung
        if ladder.wrote_no_json(error.status, chunk.said):
            chunk.wrote_no_json = True
            if not tried:
                return chunk.rung
            return None if chunk.rung == ladder.PLAIN else ladder.PLAIN
        rung = ladder.next_rung(
            chunk.rung, error.status, chunk.said, proven=chunk.rung in self._worked
        )
        return ladder.PLAIN if rung is not None and chunk.wrote_no_json else rung

    def _post(self, chunk: Chunk, line: Line, deadline: float, left: int) -> Answer:
        from namepool.sources.llm.transport import Failed

        chunk.status = None
        self._heed(line, deadline)
        began, until = self.clock(), self._until(chunk, deadline, left)
        if deadline <= began:
            raise EndpointError("the time for this chunk is over", final=True, late=True)
        with self.themes.drawn(chunk.theme) as (themes, others):
            chunk.asked_about.update(map(name_key, themes))
            try:
                answer = line.post(self._body(chunk, themes, others), until - began)
            except Failed as error:
                kind = NoNames if error.is_void else EndpointError
                raise kind(str(error), final=error.final, late=error.late) from None
        chunk.status, chunk.seconds = answer.status, self.clock() - began
        chunk.headers = tuple(answer.headers)
        return answer

    def _heed(self, line: Line, deadline: float) -> None:
        """Wait as long as the endpoint has asked for, in any of its answers."""
        quiet = self._quiet_until - self.clock()
        if quiet > 0 and self._quiet_until >= deadline:
            text = f"left alone for {quiet:.3g} s more, as it has asked"
            raise EndpointError(text, retry_after=quiet, final=True)
        if quiet > 0 and not self.wait(line, quiet):
            raise EndpointError("the source was closed", final=True)

    def _body(self, chunk: Chunk, themes: Sequence[str], others: Sequence[str]) -> bytes:
        messages = prompt.messages(
            chunk.missing,
            themes,
            chunk.listed(self._max_used),
            chunk.rejected.items(),
            self._guidance,
            self._examples(),
            others,
            is_unread=chunk.is_unread,
        )
        rung = ladder.RUNGS[chunk.rung]
        body = prompt.request_body(self._endpoint.model, rung, messages, self._extra)
        # ASCII, because a used name may hold a lone surrogate, which UTF-8 refuses.
        return json.dumps(body).encode("ascii")
