"""Requests to servers that are slow, broken, absent or elsewhere."""

from __future__ import annotations

import gc
import gzip
import re
import socket
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from namepool import (
    FallbackSource,
    NamePool,
    NumberedNames,
    PoolHandle,
)
from namepool.sources.llm import transport
from namepool.sources.llm.connections import proxy_of
from tests.sources.llm.asker import Asker, failure, free_port
from tests.sources.llm.scripted import (
    Connection,
    Endpoint,
    Told,
    named,
    raw_endpoint,
)
from tests.support import PATIENCE, MovableClock, on_thread, run_together

KEY = "sk-oh-so-secret-0123456789"


# -- bodies that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Told(body=""), "the reply is empty"),
        (Told(body=" \n"), "the reply is empty"),
        (Told(body=b"\xff\xfe\xfd"), "not UTF-8: \\xff"),
        (Told(body="<html>Sign in</html>"), "not JSON: <html>Sign in</html>"),
        (Told(200, "<p>\nSign in", (("Content-Type", "text/html"),)), "text/html: <p>\\nSign in"),
        (Told(200, "{}", (("Content-Type", "text/event-stream"),)), "text/event-stream: {}"),
        (Told(502, "<html><h1>Bad gateway</h1>"), "HTTP 502: <html><h1>Bad gateway</h1>"),
        (Told(503, ""), "HTTP 503: an empty body"),
        (Told(500, b"\xff\x00"), "HTTP 500: \\xff\\x00"),
        (Told(body="{}"), "no chat completion"),
        (Told(body="x", headers=(("Content-Encoding", "br"),)), "packed with br"),
        (Told(body="xyz", headers=(("Content-Encoding", "gzip"),)), "incorrect header check"),
    ],
)
def test_what_came_is_told(told: Told, said: str, ask: Asker) -> None:
    with Endpoint(told) as endpoint:
        text = str(failure(ask(endpoint)))
    assert said in text
    assert text.startswith(f"m at 127.0.0.1:{endpoint.port}: ")


def test_of_a_long_error_two_hundred_characters_are_told(ask: Asker) -> None:
    with Endpoint(Told(500, "y" * 5000)) as endpoint:
        text = str(failure(ask(endpoint)))
    assert 190 < text.count("y") <= 200


def test_a_charset_and_a_json_type_of_a_vendor_are_fine(ask: Asker) -> None:
    for kind in ("application/json; charset=utf-8", "application/vnd.x+json", ""):
        told = named("Ada")._replace(headers=(("Content-Type", kind),) if kind else ())
        with Endpoint(told) as endpoint:
            assert ask(endpoint).fetch(1, ()) == ["Ada"]


def test_a_packed_reply_is_unpacked(ask: Asker) -> None:
    told = named("Ada")
    assert isinstance(told.body, str)
    packed = Told(200, gzip.compress(told.body.encode()), (("Content-Encoding", "gzip"),))
    with Endpoint(packed) as endpoint:
        assert ask(endpoint).fetch(1, ()) == ["Ada"]


def test_a_gzip_bomb_is_not_unpacked(ask: Asker) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    for status in (200, 500):
        with Endpoint(Told(status, bomb, (("Content-Encoding", "gzip"),))) as endpoint:
            nomenclater = ask(endpoint)
            gc.collect()
            tracemalloc.start()
            text = str(failure(nomenclater))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert f"more than {transport.MAX_BODY} bytes" in text
        assert peak < 10_000_000
        assert len(endpoint.seen) == 1


@pytest.mark.parametrize("head", ["200 OK", "404 Not Found", "302 Found\r\nLocation: http://x/"])
def test_fifty_megabytes_are_not_read(head: str, ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 {head}\r\nContent-Length: 50000000\r\n\r\n".encode())
        while connection.sent < 50_000_000 and connection.send(b"x" * 65536):
            pass

    with raw_endpoint(serve) as (url, connections):
        assert f"more than {transport.MAX_BODY} bytes" in str(failure(ask(url)))
    assert [c.sent < 25_000_000 for c in connections] == [True]  # what sockets buffer


# -- slow, broken and absent servers --------------------------------------------------------------


@pytest.mark.parametrize("session", [None, requests.Session])
def test_a_body_that_drips_ends_at_the_deadline(
    session: Callable[[], requests.Session] | None, ask: Asker
) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        connection.drip(b" ", 0.05)

    with raw_endpoint(serve) as (url, connections):
        began = time.monotonic()
        with (session or _nothing)() as own:
            assert "no answer within" in str(
                failure(ask(url, timeout=0.2, session=own, max_attempts=1))
            )
        assert time.monotonic() - began < 0.2 + 2
        assert connections[0].gone.wait(PATIENCE)  # the socket is closed, not only left
    assert len(connections) == 1


class _nothing:  # noqa: N801  a context manager
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_headers_that_drip_end_at_the_deadline(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        connection.drip(b"z", 0.05)

    with raw_endpoint(serve) as (url, connections):
        began = time.monotonic()
        assert "no answer within" in str(failure(ask(url, timeout=0.2)))
        assert time.monotonic() - began < 0.2 + 2
        assert connections[0].gone.wait(PATIENCE)


def test_a_chunked_body_that_drips_ends_at_the_deadline(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.drip(b"1\r\n \r\n", 0.05)

    with raw_endpoint(serve) as (url, connections):
        assert "no answer within" in str(failure(ask(url, timeout=0.2)))
        assert connections[0].gone.wait(PATIENCE)


def test_a_silent_server_ends_at_the_deadline(ask: Asker) -> None:
    with raw_endpoint(lambda connection: connection.drip(b"", 0.05)) as (url, _):
        assert failure(ask(url, timeout=0.3))


def test_a_chunked_reply_is_read(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        body = named("Ada").body
        assert isinstance(body, str)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body.encode()) + b"0\r\n\r\n")

    with raw_endpoint(serve) as (url, _):
        assert ask(url).fetch(1, ()) == ["Ada"]


def _reset_in_the_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    connection.reset()


def _end_in_the_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


def _reset_in_the_headers(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-")
    connection.reset()


def _no_http(connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.9\r\n")


FAULTS = [_reset_in_the_body, _end_in_the_body, _reset_in_the_headers, _no_http, Connection.reset]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_connection_is_retried_then_told(
    fault: Callable[[Connection], None], ask: Asker
) -> None:
    with raw_endpoint(fault) as (url, connections):
        error = failure(ask(url))
        assert len(connections) == 3
    assert error.status is None
    assert len(str(error)) > len("m at 127.0.0.1:65535: ")


def test_a_request_that_is_wrong_is_not_made_again(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def refuse(session: object, *_: object, **__: object) -> None:
        made.append(session)
        raise ValueError("no such thing")

    monkeypatch.setattr(requests.Session, "request", refuse)
    error = failure(ask("http://127.0.0.1:1/v1"))
    assert "ValueError: no such thing" in str(error)
    assert error.final
    assert len(made) == 1


def test_an_error_of_the_transport_holds_no_key(ask: Asker) -> None:
    with raw_endpoint(lambda connection: connection.answer(f"NO {KEY}\r\n".encode())) as (url, _):
        text = str(failure(ask(url, api_key=KEY, max_attempts=1)))
    assert "BadStatusLine: NO [secret]" in text


def test_a_server_that_comes_up_between_attempts_is_found(ask: Asker) -> None:
    port = free_port()
    up: list[Endpoint] = []
    nomenclater = ask(f"http://127.0.0.1:{port}/v1")

    def wait(*_: object) -> bool:
        up.append(Endpoint(port=port))
        return True

    nomenclater._asker.wait = wait
    try:
        assert len(nomenclater.fetch(3, ())) == 3
    finally:
        for endpoint in up:
            endpoint.close()


def test_a_server_that_is_down_is_told_after_three_attempts(ask: Asker) -> None:
    error = failure(ask(f"http://127.0.0.1:{free_port()}/v1"))
    assert "refused" in str(error)
    assert len(ask.pauses) == 2


def test_a_pool_falls_back_while_the_server_is_down_and_returns_to_it(ask: Asker) -> None:
    port, clock = free_port(), MovableClock()
    fallback = FallbackSource(ask(f"http://127.0.0.1:{port}/v1"), NumberedNames(), clock=clock)
    ref = NamePool.start(source=fallback, chunk_size=2, low_water_mark=0)
    pool = PoolHandle(ref)
    assert on_thread(pool.checkout_name) == "NPC #1"
    assert pool.pool_stats().last_source == "NumberedNames"
    with Endpoint(port=port):
        on_thread(pool.checkout_name)
        assert on_thread(pool.checkout_name) == "NPC #3"  # still paused
        on_thread(pool.checkout_name)
        clock.advance(1.0)
        assert on_thread(pool.checkout_name) == "Agent 1"
        assert str(pool.pool_stats().last_source).startswith("Nomenclater (m at 127.0.0.1:")
        ref.stop()


@pytest.mark.proof
def test_a_pool_that_waits_just_as_long_gets_the_answer_of_the_next_source(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        source = FallbackSource(ask(endpoint, timeout=2.0), NumberedNames())
        ref = NamePool.start(source=source, fetch_timeout=2.0)
        assert on_thread(PoolHandle(ref).checkout_name) == "NPC #1"
        ref.stop()


# -- where a request must not go ------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, ask: Asker) -> None:
    with Endpoint() as other:
        location = f"http://localhost:{other.port}/v1/chat/completions"
        with Endpoint(Told(status, "", (("Location", location),))) as endpoint:
            error = failure(ask(endpoint, api_key=KEY, headers={"X-Api-Key": KEY}))
    assert other.seen == []
    assert len(endpoint.seen) == 1
    assert "a redirect, which is not followed" in str(error)
    assert location in str(error)


def test_a_redirect_is_not_followed_on_the_users_session_either(ask: Asker) -> None:
    with Endpoint() as other, requests.Session() as session:
        moved = Told(307, "", (("Location", f"{other.url}/chat/completions"),))
        with Endpoint(moved) as endpoint:
            failure(ask(endpoint, session=session))
    assert other.seen == []


@pytest.mark.parametrize("key", [KEY, None])
def test_a_netrc_entry_for_the_host_changes_nothing(
    key: str | None, ask: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password of-mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Endpoint() as endpoint:
        assert requests.utils.get_netrc_auth(endpoint.url) == ("me", "of-mine")
        ask(endpoint, api_key=key).fetch(1, ())
    assert endpoint.seen[0].headers.get("authorization") == (f"Bearer {key}" if key else None)


def test_the_proxy_of_the_environment_is_used(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pass-of-proxy@127.0.0.1:{proxy.port}")
        assert ask("http://names.invalid/v1", api_key=KEY).fetch(1, ())
    assert proxy.seen[0].path == "http://names.invalid/v1/chat/completions"
    assert proxy.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" in proxy.seen[0].headers


def test_headers_that_drip_through_a_proxy_end_at_the_deadline(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        connection.drip(b"z", 0.05)

    with raw_endpoint(serve) as (url, connections):
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
        failure(ask("http://names.invalid/v1", timeout=0.2))
        assert connections[0].gone.wait(PATIENCE)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["{}_proxy", "all_proxy"])
@pytest.mark.parametrize("login", ["", "bob:pass-of-proxy@", "bob:pw@", "bob:p%2Fw@"])
def test_a_proxy_that_is_down_is_told_from_an_endpoint_that_is_down(
    scheme: str, variable: str, login: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv(variable.format(scheme), f"http://{login}127.0.0.1:{port}/")
    text = str(failure(ask(f"{scheme}://names.invalid/v1", max_attempts=1)))

    assert f"the proxy http://127.0.0.1:{port} cannot be used: ConnectionRefusedError" in text
    assert not any(secret in text for secret in ("bob", "pass-of-proxy", "pw", "p/w"))


def test_a_host_that_needs_no_proxy_is_not_the_proxys_fault(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "proxy" not in str(failure(ask(f"http://127.0.0.1:{free_port()}/v1", max_attempts=1)))


@pytest.mark.parametrize("password", ["12/s3cret", "s3/cret", "s3#cret", "s3?cret", "@s3/cret"])
def test_a_proxy_whose_password_is_not_quoted_is_not_shown(
    password: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://bob:{password}@127.0.0.1:{free_port()}")
    text = str(failure(ask("https://names.invalid/v1", max_attempts=1)))

    assert "the proxy cannot be used: its URL is wrong" in text
    assert not any(piece in text for piece in ("bob", "s3", "cret", "12"))


def test_a_proxy_that_does_not_answer_is_named(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: gate.wait(PATIENCE) and [])
    monkeypatch.setenv("https_proxy", "http://bob:pass-of-proxy@proxy.invalid:3128")
    text = str(failure(ask("https://names.invalid/v1", max_attempts=1, timeout=0.3)))
    gate.set()

    expected = r"no connection within [0-9.]+ s by the proxy http://proxy\.invalid:3128$"
    assert re.search(expected, text)


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("http://proxy.example", "http://proxy.example"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("https://bob:p@ss@proxy_1.example:3128/path", "https://proxy_1.example:3128"),
        ("bob:pw@[::1]:3128", "http://[::1]:3128"),
        ("socks5h://bob@proxy.example:1080", "socks5h://proxy.example:1080"),
        ("http://bob:12/s3cret@proxy.example", ""),
        ("http://proxy.example:port", ""),
        ("http://:pw@", ""),
        ("", None),
    ],
)
def test_a_proxy_is_shown_without_its_login(proxy: str, shown: str | None) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies["https"] = proxy
        assert proxy_of(session, "https://names.invalid/v1") == shown


def test_the_credentials_of_a_proxy_that_is_down_are_not_told(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:pass-of-proxy@127.0.0.1:{free_port()}")
    error = failure(ask("http://names.invalid/v1"))
    assert "pass-of-proxy" not in "".join(traceback.format_exception(error))


def test_a_certificate_that_nobody_vouches_for_is_refused(
    ask: Asker, certificate: tuple[Path, Path]
) -> None:
    with Endpoint(certificate=certificate) as endpoint:
        assert "certificate verify failed" in str(failure(ask(endpoint, api_key=KEY)))
    assert endpoint.seen == []


def test_a_certificate_that_the_environment_vouches_for_is_accepted(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        assert len(ask(endpoint, api_key=KEY).fetch(3, ())) == 3


def test_closing_ends_a_request_under_way_over_tls(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        endpoint.gate.clear()
        nomenclater = ask(endpoint)

        def close() -> None:
            endpoint.wait_asked()
            nomenclater.close()

        began = time.monotonic()
        run_together([lambda: failure(nomenclater), close])  # before the endpoint answers
        assert time.monotonic() - began < 10
