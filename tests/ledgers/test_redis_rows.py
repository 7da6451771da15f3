"""What another program has written into the Redis of a ledger costs that row, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from namepool.core.names import name_key
from namepool.ledgers import RedisLedger
from tests.ledgers.redis_server import RedisServer
from tests.support import PATIENCE

pytestmark = pytest.mark.proof

WEEK = 7 * 86400.0
KEY = "namepool:{default}:"
EVIL = "x\nCRITICAL forged\r\x1b[31m\u202e\u2066"

CLAIM = {"id": "forged", "token": "t", "at": "1e9", "kept": "0", "identity": "", "name": "Ada"}
SESSION = {"ended": "0", "at": "1e9", "host": "h", "pid": "5", "place": "", "parent": ""}

Forge = Callable[..., None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def server(place: RedisServer) -> RedisServer:
    place.do("FLUSHALL")
    return place


@pytest.fixture
def ledger(server: RedisServer) -> Iterator[RedisLedger]:
    """A ledger in which this process holds Bob."""
    ledger = RedisLedger(server.url, timeout=PATIENCE)
    ledger.claim(["Bob"], "t")
    yield ledger
    ledger.close()


@pytest.fixture
def forge(server: RedisServer) -> Forge:
    """Writes the row of Ada, and that of a session that holds it."""

    def run(seen: str = "1e9", **fields: str) -> None:
        claim = {n: fields.get(f"claim_{n}", text) for n, text in CLAIM.items()}
        session = {n: fields.get(f"session_{n}", text) for n, text in SESSION.items()}
        server.do("HSET", f"{KEY}claims", name_key("Ada"), "\x1f".join(claim.values()))
        server.do("HSET", f"{KEY}sessions", "forged", "\x1f".join(session.values()))
        server.do("ZADD", f"{KEY}seen", seen, "forged")
        server.do("SADD", f"{KEY}of:forged", name_key("Ada"))
        if claim["identity"]:
            server.do("HSET", f"{KEY}identities", claim["identity"], name_key("Ada"))

    return run


def names(ledger: RedisLedger) -> set[str]:
    return {holder.name for holder in ledger.holders()}


BAD_CLAIMS = {
    "claim_at": ["x", "", "-1", "nan", "inf", "9" * 400],
    "claim_kept": ["", "5", "x"],
    "claim_identity": ["x" * 257],
    "claim_name": ["", "Bob", "x" * 301, "Ada\n", "Ada\x1fAda", "\\xff"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, all_ in BAD_CLAIMS.items() for value in all_]
)
def test_a_bad_claim_costs_that_row_and_one_warning(
    field: str, value: str, ledger: RedisLedger, forge: Forge, caplog: pytest.LogCaptureFixture
) -> None:
    forge(**{field: value})
    for _ in range(2):
        assert names(ledger) == {"Bob"}

    (record,) = caplog.records
    assert "a row that no namepool wrote is left out" in record.getMessage()
    assert ledger.stats().claimed == 2
    holder = ledger.take("Ada", "planner")
    assert holder is not None
    assert (holder.name, holder.session.host) == ("Ada", "an unknown host")
    assert ledger.prune(WEEK) == 1


BAD_SESSIONS = {
    "session_ended": ["", "5", "x"],
    "session_at": ["x", "-1", "1e999"],
    "session_host": ["", "x" * 256],
    "session_pid": ["", "-5", "../../self", "1.5", "9" * 30],
    "session_place": ["x" * 256],
    "session_parent": ["x" * 5000, "a\x1fb"],
    "seen": ["inf", "-1", "1e300"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, all_ in BAD_SESSIONS.items() for value in all_]
)
def test_nobody_known_holds_the_names_of_a_bad_session(
    field: str, value: str, ledger: RedisLedger, forge: Forge, caplog: pytest.LogCaptureFixture
) -> None:
    forge(**{field: value})
    hosts = {holder.name: holder.session.host for holder in ledger.holders()}

    assert hosts["Ada"] == "an unknown host"
    assert (ledger.stats().living, ledger.stats().silent) == (1, 0)
    holder = ledger.take("Ada")
    assert holder is not None
    assert holder.session.host == "an unknown host"
    assert ledger.prune(WEEK) == 0
    assert len(caplog.records) == 1


def test_a_forged_text_is_one_line(ledger: RedisLedger, forge: Forge) -> None:
    forge(session_host=EVIL, session_parent=EVIL, claim_identity=EVIL)
    holder = ledger.holder("Ada")

    assert holder is not None
    texts = [holder.session.host, holder.session.parent, holder.identity]
    assert all(text and text.isprintable() and text.isascii() for text in texts)


@pytest.mark.parametrize("odd", ["", "\x1f", "a\x1fb", "\x1f" * 9, "Ada"])
def test_a_row_with_too_few_or_too_many_parts_is_left_out(
    odd: str, ledger: RedisLedger, server: RedisServer
) -> None:
    server.do("HSET", f"{KEY}claims", "x", odd)
    server.do("HSET", f"{KEY}sessions", "a", odd)

    assert names(ledger) == {"Bob"}
    assert ledger.stats()[1:3] == (2, 1)
    assert ledger.claim(["x"], "t2") == []


def test_bytes_that_are_not_utf_8_are_left_out(ledger: RedisLedger, server: RedisServer) -> None:
    server._client.hset(f"{KEY}claims", b"\xff\x1b", b"a\x1f\x1f1e9\x1f0\x1f\x1f\xff\x1b")
    server._client.hset(f"{KEY}sessions", b"\xff", b"0\x1f1\x1f\xff\x1f5\x1f\x1f")

    assert names(ledger) == {"Bob"}
    assert ledger.stats()[1:3] == (2, 1)


def test_an_index_that_leads_to_the_name_of_another_means_nothing(
    ledger: RedisLedger, server: RedisServer
) -> None:
    other = RedisLedger(server.url, timeout=PATIENCE)
    other.take("Cleo", "tester")
    for key in ("cleo", "bob", "nothing"):
        server.do("HSET", f"{KEY}identities", "planner", key)
        assert ledger.kept("planner") is None
    assert ledger.take("Ada", "planner") is None
    holder = ledger.kept("planner")
    assert holder is not None
    assert holder.name == "Ada"
    other.close()


def test_an_index_that_was_lost_is_written_again(ledger: RedisLedger, server: RedisServer) -> None:
    ledger.take("Ada", "planner")
    server.do("DEL", f"{KEY}identities")
    assert ledger.kept("planner") is None
    ledger.release(["Ada"])

    assert ledger.take("Ada", "planner") is None
    assert ledger.kept("planner") is not None


def test_a_session_that_lists_names_of_others_does_not_lose_them(
    ledger: RedisLedger, server: RedisServer, forge: Forge
) -> None:
    forge()
    server.do("SADD", f"{KEY}of:forged", name_key("Bob"), "x", "y")

    assert ledger.prune(WEEK) == 1
    assert names(ledger) == {"Bob"}


def test_bad_sessions_do_not_keep_others_from_being_pruned(
    ledger: RedisLedger, server: RedisServer, forge: Forge
) -> None:
    for number in range(250):
        server.do("ZADD", f"{KEY}seen", "1", f"{number}{'x' * 70}")
    forge()

    assert ledger.prune(WEEK) == 1


@pytest.mark.parametrize("end", ["ended", "pruned"])
def test_a_dead_session_is_forgotten_with_its_last_name(
    end: str, ledger: RedisLedger, server: RedisServer, forge: Forge
) -> None:
    forge(claim_identity="planner", session_ended="1" if end == "ended" else "0")
    server.do("SMOVE", f"{KEY}of:forged", f"{KEY}ids:forged", name_key("Ada"))
    if end == "pruned":
        assert ledger.prune(WEEK) == 0
    assert ledger.take("Ada", "planner") is None

    assert server.do("HKEYS", f"{KEY}sessions") == [ledger.session]
    assert server.do("ZRANGE", f"{KEY}seen", 0, -1) == [ledger.session]
    assert server.do("EXISTS", f"{KEY}pruned", f"{KEY}of:forged", f"{KEY}ids:forged") == 0
