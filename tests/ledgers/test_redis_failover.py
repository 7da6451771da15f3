"""A Redis server that goes away, and comes back: what the threads of a ledger see of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from namepool.core.names import name_key
from namepool.errors import LedgerError
from namepool.ledgers import RedisLedger
from tests.ledgers.fake_redis import FakeRedis
from tests.ledgers.redis_server import RedisServer, certify, free_port
from tests.support import PATIENCE

THREADS = 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "server", "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.stop()


def pass_a_second() -> None:
    threading.Event().wait(1.0)


def killed(server: RedisServer) -> None:
    server.kill()
    pass_a_second()
    assert server.start()


def made_a_replica(server: RedisServer) -> None:
    server.do("REPLICAOF", "127.0.0.1", free_port())
    pass_a_second()
    server.do("REPLICAOF", "NO", "ONE")


def cut_off(server: RedisServer) -> None:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        server.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def stopped(server: RedisServer) -> None:
    server.pause()
    pass_a_second()
    server.resume()


@pytest.mark.proof
@pytest.mark.parametrize("failover", [killed, made_a_replica, cut_off, stopped])
def test_all_threads_of_a_ledger_survive_three_failovers_of_a_second(
    failover: Callable[[RedisServer], None], server: RedisServer
) -> None:
    ledger, is_over = RedisLedger(server.url, timeout=10.0), threading.Event()
    errors: list[BaseException] = []
    claimed: list[str] = []

    def work(number: int) -> None:
        try:
            for at in range(10**6):
                if is_over.is_set():
                    return
                claimed.extend(ledger.claim([f"Npc {number} {at}"], f"t{number} {at}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        failover(server)
        before = len(claimed)
        deadline = time.monotonic() + PATIENCE
        while len(claimed) < before + 100 and not errors:
            assert time.monotonic() < deadline
            is_over.wait(0.01)
    is_over.set()
    for thread in threads:
        thread.join()

    assert errors == []
    assert {holder.name for holder in ledger.holders()} == set(claimed)
    ledger.close()


def test_a_thread_that_is_told_to_look_elsewhere_cuts_no_line_of_another() -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    asked: list[str] = []
    refused: list[str] = []

    def answer(command: Sequence[str]) -> Any:
        if command[0] not in ("EVALSHA", "EVAL"):
            return None
        by = command[-3]
        asked.append(by)
        if by == "slow":
            is_asked.set()
            may_answer.wait(PATIENCE)
        elif not refused:
            refused.append(by)
            return Exception("READONLY You can't write against a read only replica.")
        return ["ok", command[-2]]

    fake = FakeRedis(answer)
    ledger = RedisLedger(fake.url, timeout=PATIENCE)
    got: list[list[str]] = []
    slow = threading.Thread(target=lambda: got.append(ledger.claim(["Ada"], "slow")))
    slow.start()
    assert is_asked.wait(PATIENCE)
    assert ledger.claim(["Bob"], "quick") == ["Bob"]
    may_answer.set()
    slow.join()

    assert got == [["Ada"]]
    assert asked == ["slow", "quick", "quick"]
    ledger._closed = True
    ledger._disconnect()
    fake.close()


def test_a_ledger_that_is_closed_under_calls_raises_errors_of_the_ledger() -> None:
    asked = threading.Semaphore(0)

    def answer(command: Sequence[str]) -> Any:
        if command[0] not in ("EVALSHA", "EVAL"):
            return None
        asked.release()
        return fake.slowly(b"")

    fake = FakeRedis(answer)
    ledger = RedisLedger(fake.url, timeout=1.0)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            ledger.claim([f"Npc {number}"], f"t{number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    assert all(asked.acquire(timeout=PATIENCE) for _ in threads)
    ledger.close()
    for thread in threads:
        thread.join()

    assert [type(error) for error in errors] == [LedgerError] * THREADS
    fake.close()


@pytest.mark.proof
@pytest.mark.parametrize("gone", ["stopped", "killed"])
@pytest.mark.parametrize("timeout", [0.3, 1.5])
def test_a_close_waits_no_longer_than_the_timeout(
    gone: str, timeout: float, server: RedisServer
) -> None:
    ledger = RedisLedger(server.url, timeout=timeout)
    ledger.claim(["Ada"], "t")
    server.pause() if gone == "stopped" else server.kill()
    began = time.monotonic()
    with pytest.raises(LedgerError, match="cannot be reached"):
        ledger.close()

    assert time.monotonic() - began < timeout + 0.3


@pytest.mark.proof
def test_a_close_of_a_cluster_or_by_tls_waits_no_longer(tmp_path: Path) -> None:
    port = free_port()
    tls = ("--tls-port", str(port), "--cluster-enabled", "yes")
    server = RedisServer(tmp_path, *certify(tmp_path), *tls)
    server.do("CLUSTER", "ADDSLOTS", *range(16384))
    deadline = time.monotonic() + PATIENCE
    while "cluster_state:ok" not in str(server.do("CLUSTER", "INFO")):
        assert time.monotonic() < deadline
    urls = server.url, f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/ca.crt"
    ledgers = [RedisLedger(urls[tls], timeout=1.0, cluster=not tls) for tls in (False, True)]
    for ledger in ledgers:
        ledger.renew()
    server.pause()
    for ledger in ledgers:
        began = time.monotonic()
        with pytest.raises(LedgerError, match="cannot be reached"):
            ledger.close()
        assert time.monotonic() - began < 1.3
    server.stop()


@pytest.fixture
def crowd(server: RedisServer) -> RedisServer:
    """A server with the names of two thousand sessions that were silent for a month."""
    moment = str(time.time() - 30 * 86400.0)
    for number in range(2000):
        id_, key = f"{number:032x}", name_key(f"Npc {number}")
        about = ["0", moment, "elsewhere", "5", "", ""]
        claim = [id_, "t", moment, "0", "", f"Npc {number}"]
        server.do("HSET", "namepool:{default}:sessions", id_, "\x1f".join(about))
        server.do("HSET", "namepool:{default}:claims", key, "\x1f".join(claim))
        server.do("ZADD", "namepool:{default}:seen", moment, id_)
        server.do("SADD", f"namepool:{{default}}:of:{id_}", key)
    return server


@pytest.mark.proof
def test_a_claim_beside_a_prune_never_waits_long(crowd: RedisServer) -> None:
    ledger, other = (RedisLedger(crowd.url, timeout=PATIENCE) for _ in range(2))
    freed: list[int] = []
    prune = threading.Thread(target=lambda: freed.append(ledger.prune(7 * 86400.0)))
    other.renew()
    prune.start()
    waits: list[float] = []
    while prune.is_alive():
        began = time.monotonic()
        other.claim([f"Own {len(waits)}"], f"t{len(waits)}")
        waits.append(time.monotonic() - began)
    prune.join()

    assert freed == [2000]
    assert len(waits) > 20
    assert max(waits) < 0.1
    for one in (ledger, other):
        one.close()


@pytest.mark.proof
def test_a_renewal_looks_at_no_other_session_unless_it_is_its_turn(crowd: RedisServer) -> None:
    ledger = RedisLedger(crowd.url, timeout=PATIENCE, retire_after=365 * 86400.0)
    ledger.renew()
    crowd.do("CONFIG", "RESETSTAT")
    for _ in range(5):
        ledger.renew()
    stats = crowd.do("INFO", "commandstats")
    calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}

    assert calls.pop("evalsha") == 5
    assert sum(calls.get(name, 0) for name in ("zrangebyscore", "hscan", "hgetall")) == 0
    ledger.close()
