"""One question to an endpoint: its time, its form, and the reading of the answer."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from namepool.actors.logs import Logger
from namepool.sources.llm import ladder, prompt, retry
from namepool.sources.llm.chunk import Chunk, Quiet, Themes
from namepool.sources.llm.endpoint import Endpoint
from namepool.sources.llm.reply import Reader, Reading
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.subjects import EXAMPLES

if TYPE_CHECKING:
    from namepool.sources.llm.transport import Answer, Line

logger: Logger = Logger(__name__)

LADDER_READS = 4000
"""The most bytes of an error that are searched for its cause."""


class Asker:
    """Asks an endpoint for names. All threads share its knowledge of the endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        themes: Themes,
        guidance: str | None,
        extra: Mapping[str, Any],
        max_used: int | None,
    ) -> None:
        self.themes = themes
        self.rung: int = 0
        self._proven = False  # whether the form of this rung has worked
        self._endpoint, self._reader = endpoint, Reader(endpoint.striker)
        self._guidance, self._extra, self._max_used = guidance, extra, max_used
        self._quiet = Quiet()
        self._examples: Callable[[], Sequence[str]] = lambda: random.sample(EXAMPLES, 2)
        self.clock: Callable[[], float] = time.monotonic
        self.wall_clock: Callable[[], float] = time.time
        self.wait: Callable[[Line, float], bool] = lambda line, seconds: line.wait(seconds)

    def ask(self, chunk: Chunk, line: Line, deadline: float) -> Reading:
        """Make a request, and at most two more to find out the form of the reply.

        Raises:
            SourceError: there is no answer, or it is an error, or it holds nothing like a name
        """
        while True:
            answer = self._post(chunk, line, deadline)
            if answer.status == 200:
                reading = self._reader.read_answer(answer.headers, answer.body)
                # Not before the reading: an answer with status 200 may be an error.
                self.rung, self._proven = chunk.rung, True
                chunk.wrote_no_json = False
                return reading
            rung = self._next_rung(chunk, answer)
            if rung is None:
                raise self._status_error(answer)
            chunk.rung = rung
            logger.info(
                "%a did not answer in the form; next: %s", self._endpoint, ladder.RUNGS[rung]
            )

    def _next_rung(self, chunk: Chunk, answer: Answer) -> int | None:
        """Return the form to ask for next, or ``None`` if the error is not about the form.

        A model that did not keep to the form gets a second chance, and then a request without a
        form. This too costs at most two more requests.
        """
        said = answer.body[:LADDER_READS].decode("utf-8", "replace")
        tried = chunk.wrote_no_json or chunk.rung != self.rung
        if ladder.wrote_no_json(answer.status, said):
            chunk.wrote_no_json = True
            if not tried:
                return chunk.rung
            return None if chunk.rung == ladder.PLAIN else ladder.PLAIN
        rung = ladder.next_rung(chunk.rung, answer.status, said, proven=self._proven)
        return ladder.PLAIN if rung is not None and chunk.wrote_no_json else rung

    def _post(self, chunk: Chunk, line: Line, deadline: float) -> Answer:
        from namepool.sources.llm.transport import Failed

        chunk.status = None
        self._heed(line, deadline)
        began = self.clock()
        if deadline <= began:
            raise EndpointError("the time for this chunk is over", final=True, late=True)
        with self.themes.drawn(chunk.theme) as (themes, others):
            try:
                answer = line.post(self._body(chunk, themes, others), deadline - began)
            except Failed as error:
                raise EndpointError(str(error), final=error.final, late=error.late) from None
        chunk.status, chunk.seconds = answer.status, self.clock() - began
        chunk.headers = tuple(answer.headers)
        if answer.status != 200:
            pause = retry.requested_pause(answer.headers, self.wall_clock())
            self._quiet.asked(pause, self.clock())
        return answer

    def may_ask(self, deadline: float) -> bool:
        """Return whether the endpoint may be asked again before ``deadline``."""
        now = self.clock()
        return now + self._quiet.left(now) < deadline

    def _heed(self, line: Line, deadline: float) -> None:
        """Wait as long as the endpoint has asked for, in any of its answers."""
        quiet = self._quiet.left(self.clock())
        if quiet and not self.may_ask(deadline):
            text = f"left alone for {quiet:.3g} s more, as it has asked"
            raise EndpointError(text, retry_after=quiet, final=True)
        if quiet and not self.wait(line, quiet):
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
        )
        rung = ladder.RUNGS[chunk.rung]
        body = prompt.request_body(self._endpoint.model, rung, messages, self._extra)
        # ASCII, because a used name may hold a lone surrogate, which UTF-8 refuses.
        return json.dumps(body).encode("ascii")

    def _status_error(self, answer: Answer) -> EndpointError:
        said = self._reader.error_text(answer.body)
        if "x-location" in answer.headers:
            said = f"to {self._reader.quote(answer.headers['x-location'])}"
        return retry.status_error(answer.status, answer.headers, said, self.wall_clock())
