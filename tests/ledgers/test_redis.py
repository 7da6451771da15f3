"""A ledger in Redis: what may happen to a server, and on the way to it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import namepool
from namepool.errors import InvalidOption, LedgerError, NamesUnavailable
from namepool.ledgers import RedisLedger, open_ledger
from namepool.ledgers.server import Server
from tests.frames import assert_hidden
from tests.ledgers.fleet import run_fleet
from tests.ledgers.proxy import CuttingProxy
from tests.ledgers.redis_server import RedisServer, certify, free_port
from tests.support import PATIENCE
from tests.test_fork import in_a_child

pytestmark = pytest.mark.proof

NAMES = ["Ada", "Bob", "Cleo"]

Start = Callable[..., RedisServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that are stopped at the end of the test."""
    servers: list[RedisServer] = []

    def run(*options: str) -> RedisServer:
        server = RedisServer(tmp_path / f"server{len(servers)}", *options)
        servers.append(server)
        return server

    yield run
    for server in servers:
        server.stop()


@pytest.fixture
def server(start: Start) -> RedisServer:
    return start()


@pytest.fixture
def open_at() -> Iterator[Callable[..., RedisLedger]]:
    """Opens ledgers that are closed at the end of the test, whether they can be or not."""
    ledgers: list[RedisLedger] = []

    def run(url: str, namespace: str = "default", **options: Any) -> RedisLedger:
        ledger = RedisLedger(url, namespace, **{"timeout": PATIENCE, **options})
        ledgers.append(ledger)
        return ledger

    yield run
    for ledger in ledgers:
        ledger._closed = True
        ledger._disconnect()


Open = Callable[..., RedisLedger]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came about"


def held(server: RedisServer) -> int:
    return int(server.do("HLEN", "namepool:{default}:claims"))


# -- many processes -----------------------------------------------------------------------------


def test_eight_processes_of_which_half_are_killed_never_share_a_name(
    server: RedisServer, open_at: Open
) -> None:
    run_fleet(f"{server.url}?timeout=60", open_at(server.url))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_a_session_of_its_own(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url)
    ledger.claim(["Ada"], "t")
    answer = in_a_child(lambda: (ledger.session, ledger.claim(["Ada", "Bob"], "t")))

    assert ledger.session not in answer
    assert answer.endswith("['Bob'])")
    assert ledger.claim(NAMES, "t") == ["Ada", "Cleo"]
    assert ledger.stats().silent == 1


def test_no_key_ever_expires(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url, "fleet")
    ledger.claim(NAMES, "t")
    ledger.take("Dora", "planner")
    ledger.advance("walk", 5)
    ledger._do(lambda: ledger._renew(30.0))
    ended = open_at(server.url, "fleet")
    ended.take("Emil", "tester")
    ended.close(spare={"walk": [1, 2]})
    open_at(server.url, "fleet")._do(lambda: ledger._free([ended.session], -1.0, False))
    keys = server.do("KEYS", "*")

    assert {key.rpartition(":{fleet}:")[2].partition(":")[0] for key in keys} == {
        *("claims", "sessions", "seen", "pruned", "identities", "walks", "spares", "turn"),
        *("of", "ids"),
    }
    assert {server.do("TTL", key) for key in keys} == {-1}
    assert all(key.startswith("namepool:{fleet}:") for key in keys)


def test_a_clients_clock_means_nothing(
    server: RedisServer, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_at(server.url), open_at(server.url)
    first.claim(NAMES, "t")
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 4e9)
        second.renew()
        (session, *_) = second._look(lambda: list(second._sessions()))
    assert session is not None

    assert session.silent < PATIENCE
    assert abs(session.started - time.time()) < PATIENCE


def test_a_session_that_wakes_up_while_it_is_pruned_does_not_go_on(
    server: RedisServer, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, pruner = open_at(server.url), open_at(server.url)
    sleeper.claim(NAMES, "t")
    before = sleeper.session
    monkeypatch.setattr("namepool.ledgers.redis._BATCH", 1)
    steps = []
    for _ in NAMES:
        steps.append(pruner._do(lambda: pruner._free([before], 0.0, False)))
        sleeper.renew()

    assert steps == [(1, [before]), (1, [before]), (1, [])]  # to the end, once it has begun
    assert sleeper.session != before
    assert (held(server), pruner.stats().living) == (0, 1)


# -- the line -----------------------------------------------------------------------------------


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(server.port)
    yield proxy
    proxy.close()


def test_a_claim_whose_answer_is_lost_is_asked_for_again_and_nothing_leaks(
    server: RedisServer, proxy: CuttingProxy, open_at: Open
) -> None:
    ledger = open_at(f"redis://127.0.0.1:{proxy.port}")
    ledger.claim(["Ada"], "t1")  # the script is known, the session registered
    proxy.cut, proxy.times = b"EVALSHA", 2

    assert ledger.claim(NAMES, "t2") == ["Bob", "Cleo"]

    assert proxy.lost == 2
    assert held(server) == 3


def test_the_first_answer_of_all_may_be_lost(
    server: RedisServer, proxy: CuttingProxy, open_at: Open
) -> None:
    ledger = open_at(f"redis://127.0.0.1:{proxy.port}")
    proxy.cut, proxy.times = b"\r\nEVAL\r\n", 1

    assert ledger.claim(NAMES, "t2") == NAMES

    assert proxy.lost == 1
    assert (held(server), ledger.stats().living) == (3, 1)


def test_an_end_whose_answer_is_lost_is_an_end(
    server: RedisServer, proxy: CuttingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = RedisLedger(f"redis://127.0.0.1:{proxy.port}", timeout=PATIENCE)
    ledger.advance("walk", 1)
    proxy.cut, proxy.times = b"EVALSHA", 1
    ledger.close()

    assert server.do("HLEN", "namepool:{default}:sessions") == 0
    assert caplog.text == ""


def test_a_line_that_stays_cut_is_an_error_in_bounded_time_and_a_pool_recovers(
    server: RedisServer, proxy: CuttingProxy
) -> None:
    url = f"redis://127.0.0.1:{proxy.port}?timeout=0.3s"
    source = namepool.NumberedNames()
    with namepool.open_pool(source=source, ledger=url, chunk_size=4, low_water_mark=0) as pool:
        pool.checkout_name()
        proxy.cut, proxy.times = b"EVALSHA", 10**6
        with pytest.raises(NamesUnavailable, match="cannot be reached"):  # noqa: PT012
            while True:  # until the stock is used up
                pool.checkout_name()
        proxy.times = 0
        kept = pool.pool_stats().all_used_count
        pool.reset()  # it forgets the pause, too
        assert pool.checkout_name()
        # What was lost on the way is taken back.
        wait_until(lambda: held(server) == kept + pool.pool_stats().all_used_count)


# -- the server ---------------------------------------------------------------------------------


def test_a_server_that_hangs_for_a_while_is_waited_for(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url, timeout=0.5)
    ledger.claim(["Ada"], "t")
    server.pause()
    with pytest.raises(LedgerError, match="cannot be reached"):
        ledger.claim(NAMES, "u")
    server.resume()

    assert ledger.claim(NAMES, "u") == ["Bob", "Cleo"]
    assert held(server) == 3


def test_a_server_that_is_not_there_is_an_error_and_then_found(
    server: RedisServer, open_at: Open
) -> None:
    ledger = open_at(server.url, timeout=0.3)
    server.kill()
    with pytest.raises(LedgerError, match=f"at {server.url} cannot be reached: .*refused"):
        ledger.claim(NAMES, "t")
    assert server.start()

    assert ledger.claim(NAMES, "t") == NAMES


def test_what_was_claimed_survives_a_restart_where_redis_keeps_it(
    start: Start, open_at: Open
) -> None:
    server = start("--appendonly", "yes", "--appendfsync", "always")
    first, second = open_at(server.url), open_at(server.url)
    first.claim(["Ada", "Bob"], "t")
    session = first.session
    server.kill()
    assert server.start()

    assert second.claim(NAMES, "t") == ["Cleo"]
    assert first.claim(NAMES, "t") == ["Ada", "Bob"]
    assert first.session == session


def test_where_redis_keeps_nothing_a_restart_is_noticed_and_names_are_claimed_anew(
    server: RedisServer, open_at: Open
) -> None:
    source = namepool.NumberedNames()
    options: dict[str, Any] = {"chunk_size": 4, "low_water_mark": 0}
    with namepool.open_pool(source=source, ledger=f"{server.url}?timeout=1", **options) as pool:
        names = [pool.checkout_name() for _ in range(4)]
        server.kill()
        assert server.start()
        pool.checkout_name()

        wait_until(lambda: held(server) == 8)
        assert set(names) <= {holder.name for holder in open_at(server.url).holders()}
        assert pool.pool_stats().conflict_count == 0


def test_a_full_server_refuses_and_what_it_had_stays(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url)
    ledger.claim(["Ada"], "t")
    server.do("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(LedgerError, match="out of memory and takes no writes"):
        ledger.claim(NAMES, "u")
    server.do("CONFIG", "SET", "maxmemory", 0)

    assert ledger.claim(NAMES, "u") == ["Bob", "Cleo"]


def test_a_full_server_takes_what_frees_memory(
    server: RedisServer, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, dead, ending = (open_at(server.url) for _ in range(3))
    monkeypatch.setattr("namepool.ledgers.redis._BATCH", 2)
    ledger.claim(NAMES, "t")
    dead.claim(["Dora", "Emil", "Fay"], "t")
    ending.claim(["Gus"], "t")
    before = ledger._look(lambda: list(ledger._sessions()))
    server.do("CONFIG", "SET", "maxmemory", 1)

    ledger.release(["Ada"])
    ledger.renew()
    freed = [ledger._do(lambda: ledger._free([dead.session], -1.0, False)) for _ in range(2)]
    assert freed == [(2, [dead.session]), (1, [])]
    ending.close()
    for refused in (ledger, open_at(server.url)):
        with pytest.raises(LedgerError, match="out of memory and takes no writes"):
            refused.claim(["Hal"], "u")
        with pytest.raises(LedgerError, match="out of memory and takes no writes"):
            refused.take("Ivy")

    assert {holder.name for holder in ledger.holders()} == {"Bob", "Cleo", "Gus"}
    assert ledger.stats()[2:] == (1, 0, 1)
    after = ledger._look(lambda: list(ledger._sessions()))
    seen, now_seen = ({one.id: one.seen for one in all_ if one} for all_ in (before, after))
    assert now_seen[ledger.session] > seen[ledger.session]


def test_a_server_that_may_throw_claims_away_is_refused(start: Start, open_at: Open) -> None:
    server = start("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    ledger = open_at(server.url)
    with pytest.raises(LedgerError, match=r"may throw claims away \(maxmemory-policy allkeys-lru"):
        ledger.claim(NAMES, "t")
    server.do("CONFIG", "SET", "maxmemory-policy", "noeviction")

    assert ledger.claim(NAMES, "t") == NAMES


KEYS: dict[str, Callable[[RedisLedger], Any]] = {
    "claims": lambda ledger: ledger.claim(NAMES, "t"),
    "sessions": lambda ledger: ledger.renew(),
    "seen": lambda ledger: ledger.claim(NAMES, "t"),
    "pruned": lambda ledger: ledger.prune(8 * 86400.0, identities=True),
    "identities": lambda ledger: ledger.take("Ada", "planner"),
    "walks": lambda ledger: ledger.advance("walk", 1),
    "spares:walk": lambda ledger: ledger.draw("walk", 1, "Npc {}".format, "t"),
    "turn": lambda ledger: ledger._call(lambda: ledger._renew(30.0)),
    "of:{id}": lambda ledger: ledger.claim(NAMES, "t"),
    "ids:{id}": lambda ledger: ledger.take("Ada", "planner"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_a_wrong_type_is_named(name: str, server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url)
    key = f"namepool:{{default}}:{name.format(id=ledger.session)}"
    server.do("XADD", key, "*", "a", "b")
    with pytest.raises(LedgerError, match=f"WRONGTYPE .*at the key {re.escape(key)}"):
        KEYS[name](ledger)
    server.do("DEL", key)


@pytest.mark.parametrize("key", ["claims", "sessions"])
def test_a_key_of_a_wrong_type_is_named_to_people(
    key: str, server: RedisServer, open_at: Open
) -> None:
    server.do("SET", f"namepool:{{default}}:{key}", "x")
    for look in (lambda ledger: ledger.stats(), lambda ledger: list(ledger.holders())):
        if key == "claims" or "stats" in look.__code__.co_names:
            with pytest.raises(LedgerError, match=f"WRONGTYPE .*at the key .*{key}"):
                look(open_at(server.url))


BAD = ["x", "-1", "1.5", "1e3", str(2**63 - 1), str(2**63), "9" * 400, "", " 5", "x" * 10**6]


@pytest.mark.parametrize("position", BAD, ids=range(len(BAD)))
def test_a_position_of_a_walk_that_is_none_is_told_and_stays(
    position: str, server: RedisServer, open_at: Open
) -> None:
    ledger, key = open_at(server.url), "namepool:{default}:walks"
    server.do("HSET", key, "a walk", position)
    for call in (
        lambda: ledger.advance("a walk", 3),
        lambda: ledger.draw("a walk", 3, "Npc {}".format, "t"),
    ):
        with pytest.raises(LedgerError, match="the walk 'a walk' is lost: position must be"):
            call()

    assert server.do("HGET", key, "a walk") == position
    assert ledger.advance("another walk", 3) == 0


def test_a_spare_position_that_is_none_is_left_out(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url)
    ledger.advance("a walk", 10)
    spares = ("x" * 10**6, "-5", "1.5", "9" * 20, 7)
    server.do("SADD", "namepool:{default}:spares:a walk", *spares)

    drawn = ledger.draw("a walk", 6, "Npc {}".format, "t")
    assert sorted(drawn.values()) == [7, 10, 11, 12, 13, 14]


@pytest.mark.parametrize("kind", ["claims", "sessions"])
@pytest.mark.parametrize("field", range(6))
def test_a_text_of_ten_megabytes_reaches_no_message(
    field: int, kind: str, server: RedisServer, open_at: Open, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = open_at(server.url), open_at(server.url)
    first.take("Ada", "planner")
    second.claim(["Bob"], "t")
    row = f"namepool:{{default}}:{kind}", "ada" if kind == "claims" else first.session
    parts = server.do("HGET", *row).split("\x1f")
    parts[field] = "x" * 10**7
    server.do("HSET", *row, "\x1f".join(parts))
    sent = server.do("INFO", "stats")["total_net_output_bytes"]

    assert "Bob" in {holder.name for holder in second.holders()} <= {"Ada", "Bob"}
    assert second.stats().claimed == 2
    held = second.take("Ada", "tester")
    assert held is not None
    assert held.name == "Ada"
    assert len(caplog.text) < 2000
    assert len(repr(held)) < 2000
    assert server.do("INFO", "stats")["total_net_output_bytes"] - sent < 10**6  # it is cut there


def test_a_namespace_that_this_user_may_not_list_is_none(
    server: RedisServer, open_at: Open
) -> None:
    server.do("ACL", "SETUSER", "worker", "on", ">s3cret", "~namepool:*", "+@all", "-scan")
    ledger = open_at(server.url.replace("://", "://worker:s3cret@"))
    ledger.claim(NAMES, "t")

    assert ledger.namespaces() == []


def test_scripts_that_were_flushed_are_sent_again(server: RedisServer, open_at: Open) -> None:
    ledger = open_at(server.url)
    ledger.claim(["Ada"], "t")
    server.do("SCRIPT", "FLUSH")

    assert ledger.claim(NAMES, "t") == NAMES


def test_an_old_server_is_refused(
    server: RedisServer, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_at(server.url)
    monkeypatch.setattr(ledger._server, "_plain", lambda *_: "redis_version:6.0.16\r\n")

    with pytest.raises(LedgerError, match=r"is Redis 6\.0\.16, and 6\.2 is needed"):
        ledger.claim(NAMES, "t")


def test_who_may_not_ask_for_the_servers_state_may_claim(
    server: RedisServer, open_at: Open
) -> None:
    server.do("ACL", "SETUSER", "worker", "on", ">s3cret", "~namepool:*", "+@all", "-info")
    ledger = open_at(server.url.replace("://", "://worker:s3cret@"))

    assert ledger.claim(NAMES, "t") == NAMES


# -- replicas -----------------------------------------------------------------------------------


def is_up(replica: RedisServer) -> bool:
    info = replica.do("INFO", "replication")
    return bool(info["master_link_status"] == "up")


@pytest.fixture
def replica(start: Start, server: RedisServer, proxy: CuttingProxy) -> RedisServer:
    """A replica that hears of the server through the proxy."""
    server.do("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    replica = start("--replicaof", "127.0.0.1", str(proxy.port))
    wait_until(lambda: is_up(replica))
    # The server may count the replica a little later.
    wait_until(lambda: server.do("INFO", "replication")["slave0"]["state"] == "online")
    return replica


def test_failing_over_to_a_replica_that_lags_loses_what_it_had_not_got(
    server: RedisServer, replica: RedisServer, proxy: CuttingProxy, open_at: Open
) -> None:
    ledger = open_at(server.url, replicas=1)
    ledger.claim(["Ada"], "t")
    proxy.close()
    assert open_at(server.url).claim(NAMES, "t") == ["Bob", "Cleo"]  # and this is answered
    server.kill()
    replica.do("REPLICAOF", "NO", "ONE")

    assert open_at(replica.url).claim(NAMES, "t") == ["Bob", "Cleo"]  # so that two have them


def test_with_replicas_asked_for_a_claim_that_they_have_not_got_does_not_count(
    server: RedisServer, replica: RedisServer, open_at: Open
) -> None:
    ledger = open_at(server.url, replicas=1, timeout=12.0)  # a sixth of it for the replica
    assert ledger.claim(["Ada"], "t") == ["Ada"]
    replica.pause()
    with pytest.raises(LedgerError, match="0 replicas have the claim, and 1 must have it"):
        ledger.claim(NAMES, "u")
    replica.resume()

    assert ledger.claim(NAMES, "u") == ["Bob", "Cleo"]
    server.do("WAIT", 1, int(PATIENCE * 1000))
    server.kill()
    replica.do("REPLICAOF", "NO", "ONE")
    assert open_at(replica.url).claim([*NAMES, "Dora"], "t") == ["Dora"]


def test_a_replica_takes_no_claims(replica: RedisServer, open_at: Open) -> None:
    ledger = open_at(replica.url, timeout=0.3)
    with pytest.raises(LedgerError, match="read only replica"):
        ledger.claim(NAMES, "t")
    replica.do("REPLICAOF", "NO", "ONE")

    assert ledger.claim(NAMES, "t") == NAMES


def test_a_session_that_a_failover_lost_claims_its_names_anew(
    server: RedisServer,
    replica: RedisServer,
    proxy: CuttingProxy,
    open_at: Open,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.close()
    ledger = open_at(server.url)
    ledger.claim(NAMES, "t")
    before = ledger.session
    server.kill()
    replica.do("REPLICAOF", "NO", "ONE")
    ledger._server._url = replica.url  # as where a name or a proxy leads to the new one
    ledger._server.close()

    assert ledger.claim(["Dora"], "t") == ["Dora"]
    assert ledger.session != before
    assert f"the ledger has forgotten session {before}" in caplog.text


# -- clusters, passwords and certificates -------------------------------------------------------


def test_a_cluster_keeps_a_namespace_on_one_node(start: Start, open_at: Open) -> None:
    server = start("--cluster-enabled", "yes")
    server.do("CLUSTER", "ADDSLOTS", *range(16384))
    wait_until(lambda: "cluster_state:ok" in str(server.do("CLUSTER", "INFO")))

    for cluster in (False, True):  # a single client learns at once of keys on several nodes
        namespace = f"fleet }} {cluster}"
        ledger, other = (open_at(server.url, namespace, cluster=cluster) for _ in range(2))
        assert ledger.claim(NAMES, "t") == NAMES
        assert ledger.take("Dora", "planner") is None
        ledger.release(["Ada"])
        assert ledger.advance("walk", 3) == 0
        other.renew()
        assert sorted(h.name for h in other.holders()) == ["Bob", "Cleo", "Dora"]
        assert (other.stats().claimed, other.stats().living) == (3, 2)
        assert other.namespaces() == [namespace]
        assert other._do(
            lambda led=ledger, o=other: o._free([led.session], -1.0, True)  # type: ignore[misc]
        ) == (3, [])
        ledger.close()


def test_a_cluster_is_asked_for_its_replicas(start: Start, open_at: Open) -> None:
    server = start("--cluster-enabled", "yes")
    server.do("CLUSTER", "ADDSLOTS", *range(16384))
    wait_until(lambda: "cluster_state:ok" in str(server.do("CLUSTER", "INFO")))
    with pytest.raises(LedgerError, match="0 replicas have the claim, and 1 must have it"):
        open_at(server.url, cluster=True, replicas=1, timeout=1.0).claim(NAMES, "t")


def test_a_password_is_never_shown(start: Start, open_at: Open, caplog: Any) -> None:
    server = start("--requirepass", "s3cret")
    url = server.url.replace("://", "://:s3cret@")
    right, wrong = open_at(url), open_at(url.replace("s3cret", "s3creet"))

    assert right.claim(NAMES, "t") == NAMES
    with pytest.raises(LedgerError, match="does not let this user in") as caught:
        wrong.claim(NAMES, "t")
    with pytest.raises(LedgerError) as none:
        open_at(server.url).claim(NAMES, "t")
    with pytest.raises(InvalidOption) as option:
        open_ledger(f"{url}?no_such_option=1")
    server.kill()
    with pytest.raises(LedgerError) as unreached:
        open_at(url, timeout=0.1).claim(NAMES, "t")

    said = [repr(right), str(right), *(str(c.value) for c in (caught, none, option, unreached))]
    assert repr(right) == f"RedisLedger({server.url!r}, namespace='default')"
    assert not [text for text in (*said, caplog.text) if "s3cre" in text]


@pytest.mark.parametrize("cluster", [False, True])
@pytest.mark.parametrize("fault", ["a wrong password", "a killed server", "a cut line", "no TLS"])
def test_no_frame_of_an_error_shows_the_password(
    fault: str, cluster: bool, start: Start, open_at: Open
) -> None:
    server = start("--requirepass", "right", "--cluster-enabled", "yes" if cluster else "no")
    word = "s3cret" if fault == "a wrong password" else "right"
    url = server.url.replace("://", f"://ada:{word}@" if word == "s3cret" else f"://:{word}@")
    ledger = open_at(url, timeout=0.3, cluster=cluster)
    if fault == "a killed server":
        server.kill()
    elif fault == "no TLS":
        ledger = open_at(url.replace("redis:", "rediss:"), timeout=0.3, cluster=cluster)
    elif fault == "a cut line":
        server.pause()
    with pytest.raises(LedgerError) as caught:
        ledger.claim(NAMES, "t")

    assert caught.value.__cause__ is not None
    assert_hidden(caught.value, f"{word}@", f"'{word}'")


def test_a_url_may_ask_for_tls(start: Start, open_at: Open, tmp_path: Path) -> None:
    port = free_port()
    start(*certify(tmp_path), "--tls-port", str(port))
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.crt"

    assert open_at(url).claim(NAMES, "t") == NAMES
    with pytest.raises(LedgerError, match="certificate verify failed"):
        open_at(f"rediss://127.0.0.1:{port}/0", timeout=0.3).claim(NAMES, "t")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pass@host:6380/2?namespace=x", "redis://host:6380/2"),
        ("rediss://[::1]:6380?socket_keepalive=yes", "rediss://[::1]:6380"),
        ("unix://:pass@/run/redis.sock?db=3", "unix:///run/redis.sock"),
        ("redis://:12%2Fs%23c%40t@host/0", "redis://host/0"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert f"RedisLedger({shown!r}, namespace=" in repr(open_ledger(url))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:12/s3cret",
        "redis://:12/s3cret@host:6379/0",
        "redis://:12#s3cret@host:6379/0",
        "redis://:12/3#s3cret@host:6379/0",
        "redis://u:12?timeout=s3cret@host/0",
        "unix://u:12/s3cret@/run/redis.sock",
        "redis:u:s3cret@host",
        "redis://u:s3/cret@host",
        "redis://u:s3cret/2@host",
    ],
)
def test_a_password_that_is_not_quoted_is_refused_and_not_shown(url: str) -> None:
    for make in (open_ledger, RedisLedger):
        with pytest.raises(InvalidOption) as caught:
            make(url)
        assert "s3" not in "".join(traceback.format_exception_only(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
@pytest.mark.parametrize("user", ["", "bob"])
@pytest.mark.parametrize(
    "raw", ["s3/cret", "s3#cret", "s3?cret", "1/s3?#", "/s3", "s3/", "?s3", "#s3"]
)
@pytest.mark.parametrize("behind", ["", ":6379/0", "/0?namespace=x"])
def test_a_password_that_is_not_quoted_gets_the_hint_to_quote_it(
    scheme: str, user: str, raw: str, behind: str
) -> None:
    for make in (open_ledger, RedisLedger):
        with pytest.raises(InvalidOption, match="'/' as %2F and '[?]' as %3F") as caught:
            make(f"{scheme}://{user}:{raw}@host{behind}")
        assert "s3" not in str(caught.value)


@pytest.mark.parametrize("path", ["abc", "0x1", "1/2", "-1", "1a", "%31", "０"])
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_database_that_is_no_number_is_refused(scheme: str, path: str) -> None:
    for make in (open_ledger, RedisLedger):
        with pytest.raises(InvalidOption, match="must be the number of a database") as caught:
            make(f"{scheme}://bob:s3cret@host/{path}?socket_timeout=5")
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "database"), [("", 0), ("/", 0), ("/0", 0), ("/7", 7), ("/7/", 7)]
)
def test_a_database_is_a_number(path: str, database: int, start: Start, open_at: Open) -> None:
    server = start()
    open_at(f"{server.url}{path}").claim(["Ada"], "t")
    assert f"db{database}" in server.do("INFO", "keyspace")


@pytest.mark.parametrize("login", ["", ":s3cret@"])
def test_a_server_may_listen_on_a_unix_socket(start: Start, tmp_path: Path, login: str) -> None:
    path = Path(tempfile.mkdtemp()) / "redis.sock"  # a short path: there is a limit
    options = ("--requirepass", "s3cret") if login else ()
    start("--unixsocket", str(path), *options)
    ledger = open_ledger(f"unix://{login}{path}?namespace=crew&db=1")

    assert ledger.claim(NAMES, "t") == NAMES
    assert repr(ledger) == f"RedisLedger('unix://{path}', namespace='crew')"
    ledger.close()
    shutil.rmtree(path.parent)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://host:99999", "must be a URL"),
        ("unix:/run/redis.sock", "'unix:///run/redis.sock'"),
        ("redis://host?db=abc", "must be a URL"),
        ("redis://host?replicas=few", "replicas must be a number"),
        ("redis://host?cluster=maybe", "cluster must be true or false"),
    ],
)
def test_a_url_that_is_wrong_is_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        open_ledger(url)


def test_without_redis_py_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "import namepool\n"
        "try:\n"
        "    namepool.open_pool(ledger='redis://localhost')\n"
        "except namepool.LedgerError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "a Redis ledger needs redis-py: install namepool with the extra 'redis'\n"


def test_a_server_says_which_it_is() -> None:
    server = Server("redis://user:pass@localhost/1", 1.0, cluster=False)

    assert str(server) == "the ledger at redis://localhost/1"
