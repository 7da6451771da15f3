"""The Redis user that ``SECURITY.md`` advises may do all that a ledger does, in one namespace."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from namepool.errors import LedgerError
from namepool.ledgers import RedisLedger
from tests.docs.pages import ROOT
from tests.ledgers.redis_server import RedisServer
from tests.support import PATIENCE

pytestmark = pytest.mark.proof

MARKER = "<!-- The test tests/ledgers/test_security.py runs the next line as it stands. -->"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with the advised user, and a default user that needs a password."""
    server = RedisServer(tmp_path_factory.mktemp("acl") / "server")
    server.do(*shlex.split(advised_line()))
    server.do("CONFIG", "SET", "requirepass", "of the administrator")
    yield server
    server.stop()


@pytest.fixture
def url(server: RedisServer) -> str:
    return server.url.replace("://", "://crew:PASSWORD@") + "/0"


def advised_line() -> str:
    """Return the one line behind the marker in ``SECURITY.md``."""
    _, behind = (ROOT / "SECURITY.md").read_text(encoding="utf-8").split(MARKER)
    found = re.match(r"\n\n```text\n(.+)\n```\n", behind)
    assert found is not None, "the line that creates the user does not stand behind its marker"
    return found[1]


def command(url: str, *arguments: str) -> str:
    """Run ``namepool ledger`` on the namespace of the user; return its output."""
    run = subprocess.run(
        [sys.executable, "-m", "namepool", "ledger", *arguments],
        env={"NAMEPOOL_LEDGER": f"{url}?namespace=crew", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_advised_redis_user_may_do_all_that_a_ledger_does(url: str) -> None:
    ledger = RedisLedger(url, "crew", retire_after=86400.0, timeout=PATIENCE)

    assert ledger.claim(["Ada", "Bob"], "t") == ["Ada", "Bob"]
    assert ledger.take("Cleo", identity="planner") is None
    ledger.release(["Bob"])
    ledger.renew()
    assert ledger.advance("walk", 12) == 0
    assert sorted(holder.name for holder in ledger.holders()) == ["Ada", "Cleo"]
    assert ledger.stats().claimed == 2
    assert ledger.prune(86400.0) == 0
    ledger.close()

    assert "Ada" in command(url, "ls")
    assert "claimed" in command(url, "stats")
    assert "names freed" in command(url, "prune", "--older-than", "7d")


def test_the_advised_redis_user_may_free_the_names_of_a_dead_session(
    url: str, server: RedisServer
) -> None:
    ledger = RedisLedger(url, "crew", timeout=PATIENCE)
    ledger.claim(["Dora"], "t")
    ledger.close()
    age_sessions(server)

    assert int(command(url, "prune", "--older-than", "7d").split()[0]) >= 1
    assert "Dora" not in command(url, "ls")


def test_the_advised_redis_user_may_wait_for_replicas(url: str) -> None:
    ledger = RedisLedger(url, "crew", replicas=1, timeout=1.0)

    with pytest.raises(LedgerError, match="0 replicas have the claim"):
        ledger.claim(["Eve"], "t")

    ledger.close()


def age_sessions(server: RedisServer) -> None:
    """Let all sessions of the namespace be silent for a month, by the hand of the administrator."""
    server.do("AUTH", "of the administrator")
    for session in server.do("ZRANGE", "namepool:{crew}:seen", 0, -1):
        server.do("ZINCRBY", "namepool:{crew}:seen", -30 * 86400, session)


CALLS: list[Callable[[RedisLedger], object]] = [
    lambda ledger: ledger.claim(["Ada"], "t"),
    lambda ledger: ledger.take("Ada", identity="planner"),
    lambda ledger: ledger.advance("walk", 1),
    lambda ledger: list(ledger.holders()),
    lambda ledger: ledger.stats(),
]


@pytest.mark.parametrize("call", CALLS)
def test_the_advised_redis_user_is_refused_in_another_namespace(
    url: str, call: Callable[[RedisLedger], object]
) -> None:
    ledger = RedisLedger(url, "other", timeout=PATIENCE)

    with pytest.raises(LedgerError):
        call(ledger)
