"""The Redis user that ``SECURITY.md`` advises may do all that a ledger does, in one namespace."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from namepool.errors import LedgerError
from namepool.ledgers import RedisLedger, open_ledger
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


def further_rights(option: str) -> list[str]:
    """Return the rights that ``SECURITY.md`` names for an option."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    found = re.search(rf"^- {option}: `(.+?)`", text, re.MULTILINE)
    assert found is not None, f"SECURITY.md does not say what {option} needs"
    return found[1].split()


def uses(url: str) -> None:
    ledger = open_ledger(url)
    try:
        ledger.claim(["Ada"], "t")
        assert len(list(ledger.holders())) == 1
    finally:
        ledger.close()


OPTIONS = {
    "a database other than 0": "/1?namespace=crew",
    "`client_name`": "?namespace=crew&client_name=crew",
    "`health_check_interval`": "?namespace=crew&health_check_interval=-1",  # always over
    "`cluster=true`": "?namespace=crew&cluster=true",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_needs_the_further_rights_that_are_named(option: str, tmp_path: Path) -> None:
    is_cluster = "cluster" in option
    server = RedisServer(tmp_path / "server", *["--cluster-enabled", "yes"] * is_cluster)
    if is_cluster:
        server.do("CLUSTER", "ADDSLOTS", *range(16384))
        deadline = time.monotonic() + PATIENCE
        while "cluster_state:ok" not in str(server.do("CLUSTER", "INFO")):
            assert time.monotonic() < deadline, "the cluster does not start"
    server.do(*shlex.split(advised_line()))
    url = server.url.replace("://", "://crew:PASSWORD@") + f"{OPTIONS[option]}&timeout=2s"
    try:
        with pytest.raises(LedgerError):
            uses(url)

        server.do("ACL", "SETUSER", "crew", *further_rights(option))
        uses(url)
    finally:
        server.stop()


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
