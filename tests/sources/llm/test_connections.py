"""Connections: kept, dropped, dribbling, forked."""

from __future__ import annotations

import gc
import gzip
import json
import logging
import os
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from namepool import Nomenclater
from namepool.sources.llm.connections import new_session, shut_down, working_for
from namepool.sources.llm.unpacking import unpacking
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import (
    Connection,
    Endpoint,
    Names,
    Seen,
    Told,
    named,
    raw_endpoint,
)
from tests.support import PATIENCE, run_together


def _threads_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "namepool-request":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _answer(*names: str) -> bytes:
    body = named(*names).body
    assert isinstance(body, str)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


# -- kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_kept_connection_that_ends_as_the_request_arrives_costs_no_attempt(
    end: str, ask: Asker
) -> None:
    served = iter(range(100))
    came: list[bytes] = []

    def serve(connection: Connection) -> None:
        connection.send(_answer(f"Agent{next(served)}"))
        came.append(connection.read_request())
        if end == "reset":
            connection.reset()

    with raw_endpoint(serve) as (url, connections):
        nomenclater = ask(url, max_attempts=1)
        assert nomenclater.fetch(1, ()) == ["Agent0"]
        assert nomenclater.fetch(1, ()) == ["Agent1"]
        nomenclater.close()
    assert ask.pauses == []
    assert len(connections) == 2
    assert came[1:] == [b""]  # the second was closed at once, and not when garbage was collected


def test_a_new_connection_that_ends_costs_an_attempt(ask: Asker) -> None:
    with raw_endpoint(lambda _: None) as (url, connections):
        failure(ask(url, max_attempts=2))
    assert len(connections) == 2


def test_connections_are_kept(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.keep_alive()
        nomenclater = ask(endpoint)
        for _ in range(3):
            nomenclater.fetch(1, ())
    assert len({seen.peer for seen in endpoint.seen}) == 1


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
        nomenclater = Nomenclater("m", endpoint.url)
        nomenclater.fetch(1, ())
        held = nomenclater._lock.acquire()  # by a thread that does not exist in the child
        reader, writer = os.pipe()
        child = threading_free_fork(nomenclater, writer)
        nomenclater._lock.release()
        os.close(writer)
        with os.fdopen(reader) as told:
            assert told.read() == "Agent 2"
        os.waitpid(child, 0)
        assert nomenclater.fetch(1, ()) == ["Agent 3"]
        nomenclater.close()
        peers = [seen.peer for seen in endpoint.seen]
    assert held
    assert peers[0] == peers[2] != peers[1]


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


# -- slow beginnings ------------------------------------------------------------------------------


def _dribbles(url: str, connections: list[Connection], ask: Asker, ends: str) -> None:
    """Fetch from what dribbles; see that it ends at the deadline, or when it is closed."""
    nomenclater = ask(url, timeout=0.6 if ends == "deadline" else 20.0, max_attempts=1)

    def close() -> None:
        if ends == "close":
            while not connections:
                nomenclater._asker.clock()
            nomenclater.close()

    run_together([lambda: failure(nomenclater), close])
    assert connections[0].gone.wait(PATIENCE)  # the socket is shut, not only left
    _threads_end()


@pytest.mark.parametrize("ends", ["deadline", "close"])
def test_a_proxy_that_dribbles_its_tunnel_ends(
    ends: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 Connection established\r\nX-Slow: ")
        connection.drip(b"z", 0.02)

    with raw_endpoint(serve) as (url, connections):
        monkeypatch.setenv("https_proxy", url.removesuffix("/v1"))
        _dribbles("https://names.invalid/v1", connections, ask, ends)


@pytest.mark.parametrize("ends", ["deadline", "close"])
def test_a_handshake_that_dribbles_ends(ends: str, ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"\x16\x03\x03\x3f\xff")  # a record of 16 kB is about to come
        connection.drip(b"z", 0.02)

    with raw_endpoint(serve, reads=False) as (url, connections):
        _dribbles(url.replace("http:", "https:"), connections, ask, ends)


def test_a_silent_handshake_ends_when_it_is_closed(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.drip_nothing()

    with raw_endpoint(serve, reads=False) as (url, connections):
        _dribbles(url.replace("http:", "https:"), connections, ask, "close")


class _Resets:
    """A worker whose connections are reset before their handshake."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def holds(self, connection: Any, *, own: bool = False) -> None:
        if not own:
            return
        shut_down(connection)
        connection.close()
        other, _ = self._listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        other.close()

    def is_left(self) -> bool:
        return True

    def found_dead(self) -> None:
        pass


def test_a_connection_that_is_reset_before_its_handshake_is_closed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        new_session() as session,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with working_for(_Resets(listener)), pytest.raises(requests.ConnectionError):
            session.post(url)
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_tls_works_with_a_connection_that_is_kept(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        endpoint.keep_alive()
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        nomenclater.fetch(1, ())
        nomenclater.close()
    assert len({seen.peer for seen in endpoint.seen}) == 1


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


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_members_may_begin_anywhere_in_a_piece(size: int) -> None:
    packed, unpack = _members(b"Ada ", b"the ", b"Yak"), unpacking("gzip")
    assert unpack is not None
    pieces = [packed[n : n + size] for n in range(0, len(packed), size)]
    assert b"".join(unpack(piece, 1000) for piece in pieces) == b"Ada the Yak"


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
