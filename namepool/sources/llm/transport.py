"""One HTTP request with a deadline that no server can exceed.

The timeouts of ``requests`` are per read, so a server that sends a byte now and then is never late.
So each request runs on a thread of its own, which the caller can leave behind. When the time is
over or the source is closed, the caller shuts down the socket. That ends the thread, and the caller
does not wait for its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import LocationValueError

from namepool.core.names import one_line
from namepool.sources.llm.connections import new_session, proxy_of, shut_down, working_for
from namepool.sources.llm.endpoint import Endpoint
from namepool.sources.llm.logs import struck
from namepool.sources.llm.unpacking import Unpack, unpacking

MAX_BODY = 1_000_000
"""The most bytes of a body, both packed and unpacked. A chunk of names has a few thousand."""

PIECE = 8192

GRACE = 0.5
"""Seconds. The timeout that ``requests`` gets is this much longer than the time of the call.

So the call ends at its own deadline first. The timeout of ``requests`` ends only a read that goes
on after that.
"""


class Answer(NamedTuple):
    """The unread answer of an endpoint. Its ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Failed(Exception):
    """There is no answer. The text names the reason and holds no secret.

    ``final`` means that an immediate retry is useless. ``late`` means that the time was over.
    """

    def __init__(self, text: str, *, final: bool = False, late: bool = False) -> None:
        super().__init__(text)
        self.final = final
        self.late = late


class Line:
    """A connection to an endpoint. Several threads may use it at once, until it is closed."""

    def __init__(self, endpoint: Endpoint, session: requests.Session | None = None) -> None:
        self._endpoint = endpoint
        self._own = session is None
        self._session = new_session() if session is None else session
        self._lock = threading.RLock()
        self._calls: set[_Call] = set()
        self._closed = threading.Event()

    def post(self, body: bytes, seconds: float) -> Answer:
        """Return the endpoint's answer to ``body``. Block for at most ``seconds``.

        If a kept connection had already ended, the call takes the next one.

        Raises:
            Failed: the endpoint did not answer, or not in time, or the line was closed
        """
        deadline = time.monotonic() + seconds
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            call = _Call(self._session, self._endpoint, body, left)
            try:
                return self._made(call, left)
            except Failed:
                if not call.was_dead:
                    raise

    def _made(self, call: _Call, seconds: float) -> Answer:
        with self._lock:
            if self._closed.is_set():
                raise Failed("the source was closed", final=True)
            self._calls.add(call)
        try:
            return call.result(seconds)
        finally:
            with self._lock:
                self._calls.discard(call)

    def wait(self, seconds: float) -> bool:
        """Wait for ``seconds``. When the line is closed, return ``False`` at once."""
        return not self._closed.wait(seconds)

    def close(self) -> None:
        """End the requests under way, and close the session if it is our own. Do not wait."""
        with self._lock:
            self._closed.set()
            calls = list(self._calls)
        for call in calls:
            call.abandon(Failed("the source was closed", final=True))
        if self._own:
            self._session.close()


class _Call:
    """A request under way. A thread of its own makes it, and the caller's thread waits for it."""

    def __init__(
        self, session: requests.Session, endpoint: Endpoint, body: bytes, seconds: float
    ) -> None:
        self._session, self._endpoint = session, endpoint
        self._body, self._seconds = body, seconds
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._outcome: Answer | Failed | None = None
        self._abandoned = False
        self._socket: Any = None
        self._double: Any = None
        self._proxy: str | None = None
        self.was_dead = False

    def result(self, seconds: float) -> Answer:
        # A daemon, because a name server without an answer must not keep the program from ending.
        thread = threading.Thread(target=self._run, name="namepool-request", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            raise Failed(one_line(error)) from None
        if not self._done.wait(seconds):
            what, by = ("connection", self._by_proxy()) if self._socket is None else ("answer", "")
            text = f"no {what} within {seconds:.3g} s{by}"
            self.abandon(Failed(text, final=True, late=True))
        outcome = self._outcome
        assert outcome is not None  # noqa: S101  _finish sets it before _done
        if isinstance(outcome, Failed):
            raise outcome
        return outcome

    def abandon(self, failure: Failed) -> None:
        """Give ``failure`` to the caller, unless there is an answer, and end the thread."""
        self._finish(failure)
        with self._lock:
            self._abandoned = True
            connection = self._socket
        shut_down(connection)

    def _finish(self, outcome: Answer | Failed) -> None:
        with self._lock:
            if self._outcome is None:
                self._outcome = outcome
                self._done.set()

    def _run(self) -> None:
        try:
            with working_for(self), struck(self._endpoint.strike):
                self._finish(self._exchange())
        except Failed as failure:
            self._finish(failure)
        except BaseException as error:  # the caller waits for an outcome in any case
            self._finish(self._failure(error))
        finally:
            self._keep(None)

    def _failure(self, error: BaseException) -> Failed:
        # The cause is not chained: the frames and requests of an HTTP library hold the key.
        *_, cause = _chain(error)  # "connection refused" rather than five wrappers
        text = one_line(self._endpoint.strike(f"{type(cause).__name__}: {cause}"))
        if self._proxy is not None and any(map(_is_of_proxy, _chain(error))):
            text = f"the proxy {self._proxy} cannot be used: {text}"
            if not self._proxy:  # the text of the error may quote its password
                text = "the proxy cannot be used: its URL is wrong (in a password write '/' as %2F)"
        late = isinstance(error, requests.Timeout)
        # A ValueError is about our request, and the other errors are about its transport.
        return Failed(text, final=isinstance(error, ValueError), late=late)

    def _by_proxy(self) -> str:
        return "" if self._proxy is None else f" by the proxy {self._proxy}".rstrip()

    def _exchange(self) -> Answer:
        self._proxy = proxy_of(self._session, self._endpoint.url)
        with self._session.request(
            "POST",
            self._endpoint.url,
            data=self._body,
            auth=self._authorise,
            headers=self._endpoint.headers,
            # They include the session's own hooks, because requests would leave those out.
            hooks={"response": [_stay_here, *self._session.hooks["response"]]},
            # It is per read, and later than the deadline, so that the error is in our own words.
            timeout=self._seconds + GRACE,
            allow_redirects=False,
            stream=True,
        ) as response:
            self.holds(getattr(getattr(response.raw, "connection", None), "sock", None))
            headers = {name.lower(): value for name, value in response.headers.items()}
            coding = headers.get("content-encoding", "")
            unpack = unpacking(coding)
            if unpack is None:
                told = one_line(self._endpoint.strike(coding), 40)
                raise Failed(f"the body is packed with {told}, which is not understood")
            return Answer(response.status_code, headers, self._read(response.raw, unpack))

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # If auth is no callable, a .netrc entry for the host replaces our Authorization header.
        auth: Any = self._session.auth
        if auth:
            login = isinstance(auth, tuple) and len(auth) == 2
            request = (requests.auth.HTTPBasicAuth(*auth) if login else auth)(request)
        self._endpoint.sends(request.url, request.headers)
        return request

    def holds(self, connection: Any, *, own: bool = False) -> None:
        """Note the socket. It is shut down when this call is abandoned, or now if it was."""
        if connection is None:
            return
        if own:
            self._keep(connection)
        with self._lock:
            self._socket = connection
            abandoned = self._abandoned
        if abandoned:
            shut_down(connection)

    def is_left(self) -> bool:
        """Return whether nobody waits for this call any more."""
        return self._abandoned

    def found_dead(self) -> None:
        """Note that this call took a kept connection that had already ended."""
        self.was_dead = True

    def _keep(self, double: Any) -> None:
        with self._lock:
            old, self._double = self._double, double
        if old is not None:
            old.close()

    def _read(self, raw: Any, unpack: Unpack) -> bytes:
        """Return the body, unpacked."""
        read = getattr(raw, "read1", raw.read)  # read1 does not wait for a full piece
        body, came = bytearray(), 0
        while piece := read(PIECE, decode_content=False):
            if self._abandoned:
                raise Failed("abandoned")
            came += len(piece)
            body += unpack(piece, MAX_BODY + 1 - len(body))
            if max(len(body), came) > MAX_BODY:
                shut_down(self._socket)  # else the rest is read, to keep the connection
                raise Failed(f"a body of more than {MAX_BODY} bytes", final=True)
        return bytes(body)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    found: BaseException | None = error
    for _ in range(20):
        if found is None:
            break
        yield found
        found = found.__cause__ or found.__context__


def _is_of_proxy(error: BaseException) -> bool:
    """Return whether an error is about a proxy. The endpoint's own URL was checked before."""
    kinds = (requests.exceptions.ProxyError, requests.exceptions.InvalidURL, LocationValueError)
    is_socks = type(error).__module__ == "socks" or "SOCKS" in str(error)
    return isinstance(error, kinds) or is_socks


def _stay_here(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Hide a redirect from the session. To prepare for it, requests would read the whole body."""
    location = response.headers.pop("Location", None)
    if location is not None:
        response.headers["X-Location"] = location
    return response
