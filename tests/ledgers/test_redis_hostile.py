"""A server that does not answer as Redis does: it holds no call, and breaks none."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
import time
import traceback
import tracemalloc
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from namepool.errors import LedgerError
from namepool.ledgers import RedisLedger, lua, timed
from namepool.ledgers.session import SessionLedger
from tests.ledgers.fake_redis import FakeRedis, encoded
from tests.ledgers.redis_server import certify

TIMEOUT = 0.4
OLD = 8 * 86400.0

Serve = Callable[..., FakeRedis]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that give one answer to each command of a ledger."""
    servers: list[FakeRedis] = []

    def run(answer: Any, **options: Any) -> FakeRedis:
        def to(command: Sequence[str]) -> Any:
            if command[0] in ("EVALSHA", "EVAL", "SCAN"):
                return answer(command) if callable(answer) else answer
            return None

        servers.append(FakeRedis(to, **options))
        return servers[-1]

    yield run
    for server in servers:
        server.close()


def opened(server: FakeRedis, timeout: float = TIMEOUT, **options: Any) -> RedisLedger:
    return RedisLedger(server.url, timeout=timeout, **options)


def digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def ended(ledger: RedisLedger) -> None:
    ledger._closed = True
    ledger._disconnect()


def in_time(ledger: RedisLedger, call: Callable[[SessionLedger], Any], timeout: float) -> str:
    """Do a call that fails within its timeout; return the text of its error."""
    began = time.monotonic()
    with pytest.raises(LedgerError) as caught:
        call(ledger)
    assert time.monotonic() - began < 2 * timeout
    ended(ledger)
    return str(caught.value)


CALLS: dict[str, Callable[[SessionLedger], Any]] = {
    "claim": lambda ledger: ledger.claim(["Ada", "Bob"], "t"),
    "draw": lambda ledger: ledger.draw("walk", 2, "Npc {}".format, "t"),
    "take": lambda ledger: ledger.take("Ada"),
    "take for an identity": lambda ledger: ledger.take("Ada", "planner"),
    "release": lambda ledger: ledger.release(["Ada"]),
    "renew": lambda ledger: ledger.renew(),
    "advance": lambda ledger: ledger.advance("walk", 2),
    "holders": lambda ledger: list(ledger.holders()),
    "holder": lambda ledger: ledger.holder("Ada"),
    "kept": lambda ledger: ledger.kept("planner"),
    "stats": lambda ledger: ledger.stats(),
    "namespaces": lambda ledger: ledger.namespaces(),
    "prune": lambda ledger: ledger.prune(OLD),
}

SHAPES: dict[str, Any] = {
    "None": b"$-1\r\n",
    "a number": 5,
    "a text": "lost",
    "an empty list": [],
    "a nested list": [["ok"], [["x"]], None],
    "a list that is too long": ["ok", *["x"] * 50],
    "lists to the end of the stack": b"*1\r\n" * 5000 + b":1\r\n",
    "an error": Exception("ERR something is wrong"),
    "an error in a list": ["ok", Exception("ERR something is wrong")],
    "a number with many digits": b":%s\r\n" % (b"9" * 5000),
    "a number that is none": b":one\r\n",
    "the largest number": ["ok", 2**63 - 1],
    "a negative number": ["ok", -1],
    "a list of negative length": b"*-5\r\n",
    "a text of negative length": b"$-5\r\n",
    "bytes that are not UTF-8": ["ok", "\udcff\udcfe"],
    "a held name": ["held", None, 5, [], {}, b"+OK\r\n"],
    "a held name with texts": ["held", "x", "y", "z", "u", "v"],
    "an owner": ["owner", ["x"]],
    "an owner without an end": ["owner", "x"],
    "a page of nothing": ["0", "x", "y", "z"],
    "a page of lists": ["0", "1e9", [["x"], None, 5], [["x"], 5]],
    "a page of numbers": ["0", "1e9", [1, 2, 3], [1, 2]],
    "an odd page": ["0", "1e9", ["x"], ["y"]],
    "no protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an unknown type": b"!5\r\nhello\r\n",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_of_any_shape_is_an_answer_or_an_error_of_the_ledger(
    shape: str, call: str, serve: Serve
) -> None:
    ledger = opened(serve(SHAPES[shape]))
    with contextlib.suppress(LedgerError):
        CALLS[call](ledger)
    ended(ledger)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("digits", ["", "5", "x" * 5000])
def test_an_answer_that_makes_no_sense_is_told_as_one(digits: str, call: str, serve: Serve) -> None:
    ledger = opened(serve(["nothing", digits, "x"]))
    with pytest.raises(LedgerError, match="does not answer as Redis does"):
        CALLS[call](ledger)
    ended(ledger)


UNREADABLE = (
    *("a number that is none", "a number with many digits", "a list of negative length"),
    "lists to the end of the stack",
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in UNREADABLE])
def test_no_error_blames_the_options_for_an_answer_that_redis_py_can_read(
    shape: str, call: str, serve: Serve
) -> None:
    ledger, told = opened(serve(SHAPES[shape])), ""
    try:
        CALLS[call](ledger)
    except LedgerError as error:
        told = str(error)
    assert "redis-py fails" not in told
    ended(ledger)


FREED: dict[str, Any] = {
    "a number": 5,
    "values of wrong types": [1, None],
    "more than was asked for": [10**18, []],
    "less than nothing": [-5, ["id"]],
    "a session that was not given": [1, ["other"]],
    "a session too often": [1, ["id", "id"]],
    "a session that is none": [1, [["id"]]],
}


@pytest.mark.parametrize("freed", FREED)
def test_what_a_prune_has_freed_is_checked(freed: str, serve: Serve) -> None:
    about = "\x1f".join(["1", "1e9", "host", "5", "", ""])

    def answer(command: Sequence[str]) -> Any:
        is_old = command[1] == digest(lua.OLD)
        return ["0", "2e9", ["id", about, "1e9"]] if is_old else FREED[freed]

    ledger = opened(serve(answer))
    assert "does not answer as Redis does" in in_time(ledger, CALLS["prune"], TIMEOUT)


@pytest.mark.parametrize("time", ["nan", "inf", "noon", "", None, []])
def test_a_time_of_the_server_that_is_none_is_refused(time: Any, serve: Serve) -> None:
    ledger = opened(serve(["0", time, ["id", "", "1e9"], []]))
    assert "must have the time of the server" in in_time(ledger, CALLS["holders"], TIMEOUT)


@pytest.mark.parametrize("call", ["holder", "kept"])
def test_the_stand_in_for_a_name_that_is_none_is_a_name(call: str, serve: Serve) -> None:
    ledger = opened(serve(["held", "\x1b[2J", "x", "1e9", "", "0"]))
    assert CALLS[call](ledger).name == "an unknown name"
    ended(ledger)


def test_a_claim_of_a_million_parts_needs_no_memory_for_each(serve: Serve) -> None:
    claim = "ab\x1f" * 10**6
    ledger = opened(serve(["held", "ada", claim, "1e9", "", "0"]), 20.0)
    tracemalloc.start()
    try:
        assert ledger.holder("Ada") is not None
        assert tracemalloc.get_traced_memory()[1] < 10 * len(claim)
    finally:
        tracemalloc.stop()
    ended(ledger)


@pytest.mark.parametrize("head", ["ERR", "WRONGTYPE", "READONLY", "OOM", "WRONGPASS"])
def test_an_error_of_a_megabyte_is_in_no_message_and_no_cause(head: str, serve: Serve) -> None:
    ledger = opened(serve(Exception(f"{head} {'x' * 10**6}")))
    with pytest.raises(LedgerError) as caught:
        ledger.claim(["Ada"], "t")

    assert len("".join(traceback.format_exception(caught.value))) < 10_000
    ended(ledger)


def test_a_close_ends_whatever_the_server_answers(serve: Serve) -> None:
    ledger = opened(serve(lambda _: [5, None]))
    ledger._registered = True
    with pytest.raises(LedgerError):
        ledger.close(unused=["Ada"], spare={"walk": [1, 2]})
    with pytest.raises(LedgerError, match="is closed"):
        ledger.renew()


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["digits", "a text", "a list", "nothing"])
@pytest.mark.parametrize("call", ["claim", "take", "draw", "stats", "holders", "prune"])
def test_a_server_that_sends_a_byte_now_and_then_holds_no_call(
    what: str, call: str, serve: Serve
) -> None:
    heads = {"digits": b":", "a text": b"$100000\r\n", "a list": b"*100000\r\n", "nothing": b""}
    bits = {"digits": b"1", "a text": b"x", "a list": b":1\r\n", "nothing": b""}

    def drip(_: object) -> Iterator[bytes]:
        yield heads[what]
        yield from server.slowly(bits[what])

    server = serve(drip)
    assert "cannot be reached" in in_time(opened(server), CALLS[call], TIMEOUT)


def test_a_server_that_drips_where_a_connection_begins_holds_no_call() -> None:
    def drip(_: object) -> Iterator[bytes]:
        yield b"+"
        yield from server.slowly(b"x")

    server = FakeRedis(drip)
    assert "cannot be reached" in in_time(opened(server), CALLS["claim"], TIMEOUT)
    server.close()


def test_a_unix_socket_that_drips_holds_no_call(serve: Serve, tmp_path: Path) -> None:
    def drip(_: object) -> Iterator[bytes]:
        yield from server.slowly(b":")

    path = f"/tmp/{uuid.uuid4().hex}.sock"  # noqa: S108 - there is a limit for its length
    server = serve(drip, path=path)
    assert "cannot be reached" in in_time(opened(server), CALLS["claim"], TIMEOUT)
    Path(path).unlink()


@pytest.mark.parametrize("where", ["an answer", "the answer to a connection", "a handshake"])
def test_a_server_of_tls_that_drips_or_hangs_holds_no_call(where: str, tmp_path: Path) -> None:
    certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def drip(command: Sequence[str]) -> Any:
        is_script = command[0] in ("EVALSHA", "EVAL")
        return None if where == "an answer" and not is_script else server.slowly(b":")

    server = FakeRedis(drip, context=context)
    silent = socket.create_server(("127.0.0.1", 0))  # its system accepts, and nobody answers
    port = silent.getsockname()[1] if where == "a handshake" else server.url.rpartition(":")[2]
    url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/ca.crt"
    for timeout in (TIMEOUT, 3 * TIMEOUT):
        ledger = RedisLedger(url, timeout=timeout)
        assert "cannot be reached" in in_time(ledger, CALLS["claim"], timeout)
    server.close()
    silent.close()


def test_a_handshake_of_tls_that_drips_holds_no_call() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def drip() -> None:
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                with client:
                    client.sendall(b"\x16\x03\x03\x40\x00")  # the head of a record of 16 kB
                    while not is_over.wait(0.02):
                        client.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    ledger = RedisLedger(f"rediss://127.0.0.1:{listener.getsockname()[1]}", timeout=TIMEOUT)
    assert "cannot be reached" in in_time(ledger, CALLS["claim"], TIMEOUT)
    is_over.set()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def test_an_answer_that_is_too_long_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "_LARGEST", 10**6)

    def flood(_: object) -> Iterator[bytes]:
        yield b"$1000000000\r\n"
        while True:
            yield b"x" * 100_000

    assert "does not answer as Redis does: its answer has more than" in in_time(
        opened(serve(flood), 20.0), CALLS["stats"], 20.0
    )


def test_several_answers_together_may_be_longer_than_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "_LARGEST", 10**6)
    ledger = opened(serve(["ok", *["x" * 1000] * 600]), 20.0)
    for _ in range(3):
        ledger.claim(["Ada"], "t")
    ended(ledger)


def test_the_facts_about_a_server_are_short_or_refused() -> None:
    facts = "".join(f"{number:06x}:1\n" for number in range(10**6))
    server = FakeRedis(lambda command: facts if command[0] == "INFO" else None)
    assert "does not answer as Redis does: its answer has more than 4 MB" in in_time(
        opened(server, 1.0), CALLS["renew"], 1.0
    )
    server.close()


@pytest.mark.parametrize("answer", [5, [], None, ["maxmemory:1"]])
def test_facts_about_a_server_that_are_no_text_are_refused(answer: Any) -> None:
    raw = encoded(answer)
    server = FakeRedis(lambda command: raw if command[0] == "INFO" else None)
    assert "is no answer to INFO" in in_time(opened(server), CALLS["renew"], TIMEOUT)
    server.close()


# -- nodes of a cluster -------------------------------------------------------------------------

NODE = ["127.0.0.1", 1, "id"]

SLOTS: dict[str, Any] = {
    "too many slots": [[0, 2 * 10**6, NODE]],
    "slots below zero": [[-(10**6), 16383, NODE]],
    "slots that come twice": [[0, 16383, NODE], [0, 16383, NODE]],
    "too many nodes": [[0, 16383, NODE, *(["127.0.0.1", port, "id"] for port in range(2000))]],
    "an impossible port": [[0, 16383, ["127.0.0.1", 10**6, "id"]]],
    "a port below zero": [[0, 16383, ["127.0.0.1", -1, "id"]]],
    "a number": 5,
    "slots without a node": [[0, 16383]],
    "slots that are texts": [["0", "16383", NODE]],
    "an empty entry": [[]],
}


@pytest.mark.parametrize("slots", SLOTS)
def test_slots_of_a_cluster_that_cannot_be_are_refused(slots: str) -> None:
    server = FakeRedis(lambda command: SLOTS[slots] if command[0] == "CLUSTER" else None)
    error = in_time(opened(server, cluster=True), CALLS["renew"], TIMEOUT)
    assert re.search("does not answer as Redis does: .*slots", error)
    server.close()


def test_a_cluster_may_have_many_nodes_with_some_slots_each() -> None:
    def answer(command: Sequence[str]) -> Any:
        if command[0] == "CLUSTER":
            port = int(server.url.rpartition(":")[2])
            return [[slot, slot, ["127.0.0.1", port, "i" * 40]] for slot in range(16384)]
        scripts = ("EVAL", "EVALSHA")
        return [] if command[0] == "COMMAND" else ["ok", 0] if command[0] in scripts else None

    server = FakeRedis(answer)
    ledger = opened(server, 20.0, cluster=True)
    ledger.renew()
    ended(ledger)
    server.close()


# -- scans without an end -----------------------------------------------------------------------


def pages(cursor: Callable[[int], Any], rows: Callable[[int], list[str]]) -> Callable[..., Any]:
    numbers = iter(range(10**9))

    def page(command: Sequence[str]) -> Any:
        number = next(numbers)
        if command[0] == "SCAN":
            return [cursor(number), rows(number)]
        is_claims = "HSCAN', CLAIMS" in command[1] or command[1] == digest(lua.PAGE)
        return [cursor(number), "1e9", *([[], rows(number)] if is_claims else [[]])]

    return page


@pytest.mark.parametrize("call", ["holders", "stats", "namespaces"])
def test_a_cursor_that_comes_again_is_an_error(call: str, serve: Serve) -> None:
    ledger = opened(serve(pages(lambda number: str(number % 3 + 1), lambda _: [])), 20.0)
    assert "does not answer as Redis does: its list has no end" in in_time(
        ledger, CALLS[call], 20.0
    )


@pytest.mark.parametrize("call", ["holders", "stats", "namespaces"])
@pytest.mark.parametrize("rows", [[], ["x", "y"]])
def test_pages_that_bring_nothing_are_an_error_at_last(
    call: str, rows: list[str], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("namepool.ledgers.scan._BARREN", 50)
    ledger = opened(serve(pages(lambda number: str(number + 1), lambda _: rows)), 20.0)
    assert "does not answer as Redis does: its list has no end" in in_time(
        ledger, CALLS[call], 20.0
    )


def test_sessions_without_an_end_are_an_error_of_a_prune(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("namepool.ledgers.session.MOST", 500)
    about = "\x1f".join(["1", "1e9", "host", "5", "", ""])
    ledger = opened(serve(["0", "2e9", ["id", about, "1e9"]]), 20.0)
    monkeypatch.setattr(ledger, "_free", lambda *_: (1, []))
    assert "without an end" in in_time(ledger, CALLS["prune"], 20.0)
