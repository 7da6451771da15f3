"""One HTTP request, within a deadline that holds whatever the other side does.

The timeouts of ``requests`` are per read: a server that sends a byte now and then is never late. So
each request runs on a thread of its own that can be left behind: when time is up, or when the
source is closed, its socket is shut down, which ends the thread, and nobody waits for that.
"""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from namepool.names import one_line
from namepool.sources.llm.endpoint import Endpoint

MAX_BODY = 1_000_000
"""Bytes of a body, unpacked, that are read: a chunk of names has a few thousand."""

PIECE = 8192


class Answer(NamedTuple):
    """What an endpoint answered, without our secrets; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Failed(Exception):
    """There is no answer; the text says why and holds no secret."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Line:
    """A connection to an endpoint that several threads may use at once, until it is closed."""

    def __init__(self, endpoint: Endpoint, session: requests.Session | None = None) -> None:
        self._endpoint = endpoint
        self._own = session is None
        self._session = _session() if session is None else session
        self._lock = threading.Lock()
        self._calls: set[_Call] = set()
        self._closed = threading.Event()

    def post(self, body: bytes, seconds: float) -> Answer:
        """Return what the endpoint answers to ``body``; blocks for at most ``seconds``.

        Raises:
            Failed: it did not answer in time, or at all, or the line was closed
        """
        call = _Call(self._session, self._endpoint, body, seconds)
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
        """Wait; return ``False`` at once when the line is closed."""
        return not self._closed.wait(seconds)

    def close(self) -> None:
        """End the requests under way, and a session of our own. Waits for nothing."""
        with self._lock:
            self._closed.set()
            calls = list(self._calls)
        for call in calls:
            call.abandon(Failed("the source was closed", final=True))
        if self._own:
            self._session.close()


class _Call:
    """A request under way. The caller's thread waits for it, its own thread makes it."""

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

    def result(self, seconds: float) -> Answer:
        # A daemon: a name server that does not answer must not keep the program from ending.
        thread = threading.Thread(target=self._run, name="namepool-request", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # there are no more threads to be had
            raise Failed(one_line(error)) from None
        if not self._done.wait(seconds):
            self.abandon(Failed(f"no answer within {seconds:.3g} s", final=True))
        outcome = self._outcome
        assert outcome is not None  # noqa: S101  whoever sets _done has set it
        if isinstance(outcome, Failed):
            raise outcome
        return outcome

    def abandon(self, failure: Failed) -> None:
        """Answer the caller with ``failure`` and end the thread, unless there is an answer."""
        self._finish(failure)
        with self._lock:
            self._abandoned = True
            connection = self._socket
        _shut_down(connection)

    def _finish(self, outcome: Answer | Failed) -> None:
        with self._lock:
            if self._outcome is None:
                self._outcome = outcome
                self._done.set()

    def _run(self) -> None:
        _here.call = self
        try:
            self._finish(self._exchange())
        except Failed as failure:
            self._finish(failure)
        except BaseException as error:  # whatever happens, somebody waits for the outcome
            # Told, not chained: the frames and requests of an HTTP library hold the key.
            cause = _innermost(error)
            text = self._endpoint.scrub(f"{type(cause).__name__}: {cause}")
            # ValueErrors are about what we asked, the others about how it went.
            self._finish(Failed(one_line(text), final=isinstance(error, ValueError)))
        finally:
            del _here.call

    def _exchange(self) -> Answer:
        with self._session.request(
            "POST",
            self._endpoint.url,
            data=self._body,
            auth=self._authorise if self._session.auth is None else None,
            headers=self._endpoint.headers,
            # With the session's own: requests would leave those out.
            hooks={"response": [_stay_here, *self._session.hooks["response"]]},
            timeout=self._seconds,
            allow_redirects=False,
            stream=True,
        ) as response:
            self.holds(getattr(getattr(response.raw, "connection", None), "sock", None))
            # Before anything looks at it: endpoints quote keys in their answers.
            scrub = self._endpoint.scrub
            headers = {name.lower(): scrub(value) for name, value in response.headers.items()}
            body = self._read(response.raw, headers.get("content-encoding", "identity"))
        # latin-1 maps every byte to a character and back; keys are ASCII.
        body = scrub(body.decode("latin-1")).encode("latin-1")
        return Answer(response.status_code, headers, body)

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Without a callable, a .netrc entry for the host would replace our Authorization header.
        return request

    def holds(self, connection: Any) -> None:
        """Note the socket to shut down when this call is abandoned; at once if it was."""
        if connection is None:
            return
        with self._lock:
            self._socket = connection
            abandoned = self._abandoned
        if abandoned:
            _shut_down(connection)

    def _read(self, raw: Any, coding: str) -> bytes:
        """Return the body, unpacked.

        Packed pieces are unpacked here, to a limit: urllib3 lets a small piece grow without one.
        """
        packed = coding.strip().lower() in ("gzip", "x-gzip", "deflate")
        if not packed and coding.strip().lower() not in ("", "identity"):
            raise Failed(f"the body is packed with {one_line(coding, 40)}, which is not understood")
        unpack = zlib.decompressobj(47) if packed else None  # gzip and zlib, told by their headers
        read = getattr(raw, "read1", raw.read)  # read1 comes back with what is there
        body = bytearray()
        while piece := read(PIECE, decode_content=False):
            if self._abandoned:
                raise Failed("abandoned")
            body += piece if unpack is None else unpack.decompress(piece, MAX_BODY + 1)
            if len(body) > MAX_BODY:
                _shut_down(self._socket)  # rather than read the rest, to use the connection again
                raise Failed(f"a body of more than {MAX_BODY} bytes", final=True)
        return bytes(body)


def _innermost(error: BaseException) -> BaseException:
    """Return what is at the bottom of an error: "connection refused" rather than five wrappers."""
    for _ in range(20):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


_here = threading.local()


def _stay_here(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Keep a session from preparing to follow a redirect: it would read the whole body for it."""
    location = response.headers.pop("Location", None)
    if location is not None:
        response.headers["X-Location"] = location
    return response


def _shut_down(connection: Any) -> None:
    """Wake whoever reads from the socket; closing it would not."""
    try:
        # Of the plain socket: an SSLSocket's own shutdown drops what its reader is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except (OSError, TypeError, ValueError):
        pass  # closed already, or none


class _WatchedHTTP(HTTPConnection):
    def getresponse(self, *args: Any, **options: Any) -> Any:
        _note(self.sock)
        return super().getresponse(*args, **options)


class _WatchedHTTPS(HTTPSConnection):
    def getresponse(self, *args: Any, **options: Any) -> Any:
        _note(self.sock)
        return super().getresponse(*args, **options)


def _note(connection: Any) -> None:
    """Tell the call that this thread makes which socket it is about to read headers from."""
    call = getattr(_here, "call", None)
    if call is not None:
        call.holds(connection)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # those have pools of their own kind
            _watch(manager)
        return manager


def _watch(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter())
    return session
