"""Connections: of one request each, stuck, forked."""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from namepool import Nomenclater
from namepool.sources.llm import endpoint as llm
from namepool.sources.llm.connections import Call, new_session
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.transport import Line
from tests.sources.llm.asker import Asker, failure, free_port
from tests.sources.llm.scripted import (
    Connection,
    Endpoint,
    Names,
    Seen,
    Told,
    named,
    raw_endpoint,
)
from tests.support import PATIENCE, on_thread, run_together


def _answer(*names: str) -> bytes:
    body = named(*names).body
    assert isinstance(body, str)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


# -- one each -------------------------------------------------------------------------------------


def test_a_connection_is_closed_behind_its_request(ask: Asker) -> None:
    served = iter(range(100))
    came: list[bytes] = []

    def serve(connection: Connection) -> None:
        connection.send(_answer(f"Agent{next(served)}"))  # and keep the connection
        came.append(connection.read_request())

    with raw_endpoint(serve) as (url, connections):
        nomenclater = ask(url, max_attempts=1)
        assert nomenclater.fetch(1, ()) == ["Agent0"]
        assert nomenclater.fetch(1, ()) == ["Agent1"]
        assert nomenclater._line is not None
        assert nomenclater._line._calls == set()
    assert len(connections) == 2
    assert came == [b"", b""]  # closed at once, and not when garbage was collected


def test_a_new_connection_that_ends_costs_an_attempt(ask: Asker) -> None:
    with raw_endpoint(lambda _: None) as (url, connections):
        failure(ask(url, max_attempts=2))
    assert len(connections) == 2


def test_a_request_to_an_address_needs_no_thread(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "elsewhere", lambda *_: pytest.fail("it was made elsewhere"))
    with Endpoint() as endpoint:
        assert ask(endpoint).fetch(1, ()) == ["Agent 1"]


def test_a_request_to_a_host_is_made_on_the_callers_thread(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[threading.Thread] = []
    request = requests.Session.request

    def noted(*args: Any, **options: Any) -> Any:
        makers.append(threading.current_thread())
        return request(*args, **options)

    monkeypatch.setattr(requests.Session, "request", noted)
    with Endpoint() as endpoint:
        url = _resolve(monkeypatch, endpoint.port)
        assert ask(url).fetch(1, ()) == ["Agent 1"]
    assert makers == [threading.current_thread()]


def test_a_lookup_without_a_thread_is_told(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert "can't start new thread" in str(failure(ask("http://names.invalid/v1")))


def test_cookies_are_not_kept(ask: Asker) -> None:
    names = Names()

    def with_cookie(seen: Seen) -> Told:
        told = names(seen)
        return told._replace(headers=(*told.headers, ("Set-Cookie", "who=you; Path=/")))

    with Endpoint(with_cookie) as endpoint:
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        nomenclater.fetch(1, ())
    assert all("cookie" not in seen.headers for seen in endpoint.seen)


def test_parallel_requests_make_no_warning(ask: Asker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with Endpoint() as endpoint, warnings.catch_warnings():
        warnings.simplefilter("error")
        endpoint.keep_alive()
        endpoint.gate.clear()
        nomenclater = ask(endpoint)

        def open_when_all_have_asked() -> None:
            for _ in range(24):
                endpoint.wait_asked()
            endpoint.gate.set()

        run_together([lambda: nomenclater.fetch(1, ())] * 24 + [open_when_all_have_asked])
        nomenclater.close()
    assert [r.getMessage() for r in caplog.records if r.name.startswith("urllib3")] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_connections_of_its_own() -> None:
    with Endpoint() as endpoint:
        endpoint.keep_alive()
        endpoint.gate.clear()
        nomenclater = Nomenclater("m", endpoint.url)
        mine: list[str] = []
        fetch = threading.Thread(target=lambda: mine.extend(nomenclater.fetch(1, ())))
        fetch.start()
        endpoint.wait_asked()
        held = nomenclater._lock.acquire()  # by a thread that does not exist in the child
        reader, writer = os.pipe()
        child = threading_free_fork(nomenclater, writer)
        nomenclater._lock.release()
        os.close(writer)
        endpoint.wait_asked()
        endpoint.gate.set()
        with os.fdopen(reader) as told:
            its = told.read()
        os.waitpid(child, 0)
        fetch.join()
        assert {*mine, its} == {"Agent 1", "Agent 2"}
        assert nomenclater.fetch(1, ()) == ["Agent 3"]
        nomenclater.close()
        assert len({seen.peer for seen in endpoint.seen}) == 3
    assert held


def threading_free_fork(nomenclater: Nomenclater, writer: int) -> int:
    """Fork; the child fetches a name, writes it and ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads; that is the point
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, nomenclater.fetch(1, ())[0].encode())
        finally:
            os._exit(0)
    return child


# -- stuck ----------------------------------------------------------------------------------------

WAITS = "namepool-waits"
"""The thread of what nothing can interrupt: a lookup, or a request on a user's session."""

TUNNEL = b"HTTP/1.1 200 Connection established\r\n"
RECORD = b"\x16\x03\x03\x3f\xff"
"""The head of a TLS record of 16 kB."""
HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Slow(NamedTuple):
    """What a server says at once, and what it then says again and again."""

    scheme: str
    said: bytes
    drips: bytes
    by_proxy: str = ""
    tls: bool = False
    answered: bytes = b""
    """What it says when the client has spoken again."""
    every: float = 0.02


SLOW = {
    "handshake": Slow("https", b"", b""),
    "handshake that drips": Slow("https", RECORD, b"z"),
    "tunnel": Slow("https", b"", b"", "http"),
    "tunnel that drips": Slow("https", TUNNEL + b"X-Slow: ", b"z", "http"),
    "handshake in a tunnel": Slow("https", TUNNEL + b"\r\n", b"", "http"),
    "tunnel over TLS that drips": Slow("https", TUNNEL + b"X-Slow: ", b"z", "https", True),
    "TLS in TLS that drips": Slow("https", TUNNEL + b"\r\n", b"z", "https", True, RECORD),
    "headers": Slow("http", b"", b""),
    "headers that drip": Slow("http", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"z"),
    "headers over TLS that drip": Slow("https", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"z", "", True),
    "hints that drip": Slow("http", HINT * 3, HINT, every=0.2),
    "body": Slow("http", SIZED, b""),
    "body that drips": Slow("http", SIZED, b" "),
    "body over TLS that drips": Slow("https", SIZED, b" ", "", True),
    "chunks that drip": Slow("http", CHUNKED, b"1\r\n \r\n"),
    "body without an end": Slow("http", b"HTTP/1.0 200 OK\r\n\r\n", b" "),
}


class Stuck:
    """Makes the URLs of endpoints that hold up a request, in each of its phases."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]) -> None:
        self._monkeypatch, self._certificate = monkeypatch, certificate
        self.there = threading.Event()
        """Is set when a request is held up."""
        self.connections: list[Connection] = []

    def at(self, phase: str) -> contextlib.AbstractContextManager[str]:
        """Hold requests to the URL up in this phase."""
        if phase == "lookup":
            return self._at_lookup()
        return self._at_connection() if phase == "connection" else self._at(SLOW[phase])

    @contextlib.contextmanager
    def _at_lookup(self) -> Iterator[str]:
        over = threading.Event()

        def getaddrinfo(*_: object) -> Any:
            self.there.set()
            assert over.wait(PATIENCE)
            raise socket.gaierror("nobody there")

        self._monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield "http://names.invalid/v1"
        over.set()
        for thread in threading.enumerate():
            if thread.name == WAITS:
                assert thread.daemon  # it keeps no program from ending
                thread.join(PATIENCE)

    @contextlib.contextmanager
    def _at_connection(self) -> Iterator[str]:
        connect = socket.socket.connect_ex

        def noted(sock: socket.socket, address: Any) -> int:
            self.there.set()  # the end may come before or after the next line
            return connect(sock, address)

        with full() as port:
            self._monkeypatch.setattr(socket.socket, "connect_ex", noted)
            yield f"http://127.0.0.1:{port}/v1"

    @contextlib.contextmanager
    def _at(self, slow: Slow) -> Iterator[str]:
        def serve(connection: Connection) -> None:
            if slow.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self._certificate)
                raw = context.wrap_socket(connection._raw, server_side=True)
                with raw:
                    raw.recv(65536)
                    stick(Connection(raw, connection.over))
            else:
                stick(connection)

        def stick(connection: Connection) -> None:
            self.connections.append(connection)
            connection.send(slow.said)
            if slow.answered:
                connection.read_request()
                connection.send(slow.answered)
            self.there.set()
            if slow.drips:
                connection.drip(slow.drips, slow.every)
            else:
                connection.drip_nothing()

        self._monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self._certificate[0]))
        reads = not slow.tls and (slow.scheme == "http" or bool(slow.by_proxy))
        with raw_endpoint(serve, reads=reads) as (url, _):
            if slow.by_proxy:
                proxy = url.replace("http:", f"{slow.by_proxy}:").removesuffix("/v1")
                self._monkeypatch.setenv("https_proxy", proxy)
                url = "http://127.0.0.2/v1"
            yield url.replace("http:", f"{slow.scheme}:")


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]) -> Stuck:
    return Stuck(monkeypatch, certificate)


@contextlib.contextmanager
def full() -> Iterator[int]:
    """Yield a port of loopback that leaves each attempt to connect without an answer."""
    if sys.platform != "linux":
        pytest.skip("elsewhere a full queue refuses")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Hit(BaseException):
    pass


def _hit(*_: object) -> None:
    raise Hit


def _open_files() -> int:
    gc.collect()
    return len(os.listdir("/dev/fd"))


PHASES = ["lookup", "connection", *SLOW]


@pytest.mark.parametrize("phase", PHASES)
def test_a_stuck_request_ends_at_its_deadline(phase: str, stuck: Stuck, ask: Asker) -> None:
    with stuck.at(phase) as url:
        began = time.monotonic()
        error = on_thread(lambda: failure(ask(url, timeout=0.5, max_attempts=1)))
        assert time.monotonic() - began < 0.5 + 2
        what = "connection" if phase in ("lookup", "connection") else "answer"
        assert f"no {what} within" in str(error)
        assert error.late
        assert all(connection.gone.wait(PATIENCE) for connection in stuck.connections)


@pytest.mark.parametrize("phase", PHASES)
def test_a_stuck_request_ends_when_it_is_closed(phase: str, stuck: Stuck, ask: Asker) -> None:
    with stuck.at(phase) as url:
        nomenclater = ask(url, timeout=PATIENCE, max_attempts=1)

        def close() -> None:
            assert stuck.there.wait(PATIENCE)
            nomenclater.close()

        began = time.monotonic()
        run_together([lambda: _is_closed(nomenclater), close])
        assert time.monotonic() - began < PATIENCE / 2
        assert all(connection.gone.wait(PATIENCE) for connection in stuck.connections)


def _is_closed(nomenclater: Nomenclater) -> None:
    error = failure(nomenclater)
    assert "the source was closed" in str(error)
    assert error.final


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize("phase", PHASES)
def test_a_caller_that_an_exception_hits_leaves_no_socket_open(
    phase: str, stuck: Stuck, ask: Asker
) -> None:
    before, main = _open_files(), threading.get_ident()

    def hit() -> None:
        assert stuck.there.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGUSR1)

    handler = signal.signal(signal.SIGUSR1, _hit)
    hitter = threading.Thread(target=hit)
    try:
        with stuck.at(phase) as url:
            hitter.start()
            with pytest.raises(Hit):
                ask(url, timeout=PATIENCE).fetch(1, ())
            assert all(connection.gone.wait(PATIENCE) for connection in stuck.connections)
    finally:
        signal.signal(signal.SIGUSR1, handler)
        hitter.join()
    # Not before the traceback is gone: an exception may hit a response that nobody has yet.
    assert _open_files() == before


@pytest.mark.parametrize("phase", ["headers", "headers that drip", "body", "body that drips"])
@pytest.mark.parametrize("ends", ["deadline", "close"])
def test_a_stuck_request_on_a_users_session_ends(
    phase: str, ends: str, stuck: Stuck, ask: Asker
) -> None:
    with requests.Session() as session, stuck.at(phase) as url:
        timeout = 0.4 if ends == "deadline" else PATIENCE
        nomenclater = ask(url, timeout=timeout, max_attempts=1, session=session)

        def close() -> None:
            assert stuck.there.wait(PATIENCE)
            nomenclater.close()

        began = time.monotonic()
        if ends == "close":
            run_together([lambda: _is_closed(nomenclater), close])
        else:
            assert "no answer within" in str(on_thread(lambda: failure(nomenclater)))
        assert time.monotonic() - began < 0.4 + 2
    for thread in threading.enumerate():
        if thread.name == WAITS:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize("own", [True, False])
def test_a_line_that_was_closed_makes_no_request(own: bool) -> None:
    with Endpoint() as endpoint, requests.Session() as its:
        session = None if own else its
        line = Line(llm.Endpoint("m", endpoint.url, None, None, None, session))
        line.close()
        with pytest.raises(EndpointError, match="the source was closed") as caught:
            line.post(b"{}", PATIENCE)
    assert caught.value.final
    assert endpoint.seen == []


def _resolve(monkeypatch: pytest.MonkeyPatch, *ports: int) -> str:
    """Return the URL of a host that has an address for each of these ports."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    found = [(*kind, ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    return "http://names.invalid/v1"


def test_unreachable_addresses_share_the_time(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as port:
        url = _resolve(monkeypatch, *[port] * 6)
        began = time.monotonic()
        assert "no connection within" in str(failure(ask(url, timeout=0.8, max_attempts=1)))
        assert time.monotonic() - began < 0.8 + 2


def test_an_address_after_unreachable_ones_is_reached(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint() as endpoint, full() as port:
        url = _resolve(monkeypatch, port, port, endpoint.port)
        assert ask(url, timeout=2.0, max_attempts=1).fetch(1, ()) == ["Agent 1"]


def test_the_error_of_the_last_address_is_told(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as port:
        url = _resolve(monkeypatch, port, free_port())
        text = str(failure(ask(url, timeout=2.0, max_attempts=1)))
    assert "ConnectionRefusedError" in text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_that_is_read_slowly_ends_at_the_deadline(
    scheme: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: Connection) -> None:
        raw = connection._raw
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            raw = context.wrap_socket(raw, server_side=True)
        with raw:
            while raw.recv(16384) and not connection.over.wait(0.02):
                pass

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with raw_endpoint(serve, reads=False) as (url, _):
        url = url.replace("http:", f"{scheme}:")
        line = Line(llm.Endpoint("m", url, None, None, None, None))
        began = time.monotonic()
        with pytest.raises(EndpointError, match="no answer within") as caught:
            line.post(bytes(20_000_000), 0.5)  # more than the buffers take
        assert time.monotonic() - began < 0.5 + 2
    assert caught.value.late


def test_a_handshake_has_the_time_that_is_left() -> None:
    call = Call(50.0)
    with socket.create_server(("127.0.0.1", 0)) as listener, call.closing:
        sock = call.reach("127.0.0.1", listener.getsockname()[1])
        sock.settimeout(1000.0)
        context = ssl.create_default_context()
        tls = context.wrap_socket(sock, server_hostname="h", do_handshake_on_connect=False)
        with tls:
            assert 40.0 < (tls.gettimeout() or 0.0) <= 50.0
    call.end()


class _Resets(Call):
    """A call whose connections are reset before their handshake."""

    listener: socket.socket

    def reach(self, host: str, port: int) -> Any:
        sock = super().reach(host, port)
        other, _ = self.listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        other.close()
        return sock


def test_a_connection_that_is_reset_before_its_handshake_is_closed() -> None:
    call = _Resets(PATIENCE)
    with (
        socket.create_server(("127.0.0.1", 0)) as call.listener,
        new_session(call) as session,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        url = f"https://127.0.0.1:{call.listener.getsockname()[1]}"
        with call.closing, pytest.raises(requests.ConnectionError):
            session.post(url)
        call.end()
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_tls_works(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        endpoint.keep_alive()
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        nomenclater.fetch(1, ())
    assert len({seen.peer for seen in endpoint.seen}) == 2


# -- odd answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hints", [1, 3])
def test_an_answer_after_early_hints_is_read(hints: int, ask: Asker) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    with raw_endpoint(lambda c: c.answer(hint * hints + _answer("Ada"))) as (url, _):
        assert ask(url, max_attempts=1).fetch(1, ()) == ["Ada"]


def test_hints_without_end_are_an_error(ask: Asker) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with raw_endpoint(lambda c: c.answer(hint * 1000)) as (url, _):
        assert "interim answers" in str(failure(ask(url, max_attempts=1)))


def _members(*texts: bytes) -> bytes:
    return b"".join(map(gzip.compress, texts))


@pytest.mark.parametrize(
    "pack",
    [
        lambda text: _members(text[:20], text[20:]),
        lambda text: _members(*(text[n : n + 1] for n in range(len(text)))),
        lambda text: _members(text) + bytes(100),
    ],
)
def test_a_body_of_several_members_is_unpacked(pack: Callable[[bytes], bytes], ask: Asker) -> None:
    body = named("Ada").body
    assert isinstance(body, str)
    packed = Told(200, pack(body.encode()), (("Content-Encoding", "gzip"),))
    with Endpoint(packed) as endpoint:
        assert ask(endpoint).fetch(1, ()) == ["Ada"]


def test_members_that_hold_nothing_end_at_the_limit(ask: Asker) -> None:
    nothing = Told(200, _members(b"") * 60_000, (("Content-Encoding", "gzip"),))
    with Endpoint(nothing) as endpoint:
        assert "a body of more than" in str(failure(ask(endpoint)))


# -- left alone -----------------------------------------------------------------------------------

BUSY = Told(429, json.dumps({"error": {"message": "slowly"}}), (("Retry-After", "60"),))


def test_a_wait_that_came_with_some_names_is_heeded_by_the_next_fetch(ask: Asker) -> None:
    with Endpoint(named("Ada"), BUSY) as endpoint:
        nomenclater = ask(endpoint)
        assert nomenclater.fetch(2, ()) == ["Ada"]
        for _ in range(20):
            error = failure(nomenclater)
            assert error.retry_after == pytest.approx(60, abs=5)
    assert "as it has asked" in str(error)
    assert len(endpoint.seen) == 2


def test_a_wait_is_heeded_by_all_fetchers(ask: Asker) -> None:
    with Endpoint(BUSY) as endpoint:
        nomenclater = ask(endpoint)
        failure(nomenclater)
        run_together([lambda: failure(nomenclater)] * 8)
    assert len(endpoint.seen) == 1


def test_a_wait_that_is_over_is_over(ask: Asker) -> None:
    with Endpoint(BUSY, Names()) as endpoint:
        nomenclater = ask(endpoint)
        now = nomenclater._asker.clock()
        nomenclater._asker.clock = lambda: now
        failure(nomenclater)
        nomenclater._asker.clock = lambda: now + 60.1
        assert nomenclater.fetch(1, ())
    assert len(endpoint.seen) == 2


def test_a_short_wait_is_waited_for_by_another_fetch(ask: Asker) -> None:
    short = BUSY._replace(headers=(("Retry-After", "2"),))
    with Endpoint(named("Ada"), short, Names()) as endpoint:
        nomenclater = ask(endpoint, max_attempts=2)
        nomenclater.fetch(2, ())
        assert ask.pauses == []
        nomenclater.fetch(1, ())
    assert ask.pauses == [pytest.approx(2, abs=1)]
