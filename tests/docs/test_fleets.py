"""What the guide on fleets tells people to copy is valid: manifests, and a server's settings."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from namepool.cli import command as cli
from namepool.cli.claims import WORDS, Rows
from namepool.ledgers import MemoryLedger, SQLiteLedger
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.ledgers.redis_server import RedisServer

FOUND = [(page, block) for page in PAGES for block in blocks(page)]


def of(language: str) -> list[Block]:
    return [block for _, block in FOUND if block.language == language]


@pytest.mark.proof
@pytest.mark.parametrize("version", ["1.28", "1.35"])
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(version: str) -> None:
    import kubernetes_validate
    import yaml

    manifests = [one for block in of("yaml") for one in yaml.safe_load_all(block.text)]

    assert [manifest["kind"] for manifest in manifests] == ["StatefulSet", "CronJob"]
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.proof
def test_a_manifest_with_a_fault_is_not() -> None:
    import kubernetes_validate
    import yaml

    manifest = next(yaml.safe_load_all(of("yaml")[0].text))
    manifest["spec"]["replica"] = 3

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.35", strict=True)


@pytest.mark.proof
def test_a_server_takes_the_settings(tmp_path: Path) -> None:
    (block,) = of("redis")
    file = tmp_path / "redis.conf"
    file.write_text(block.text, encoding="utf-8")
    server = RedisServer(tmp_path / "server", "--include", str(file))
    try:
        for line in block.text.splitlines():
            if not line.startswith("#"):
                name, value = line.split()
                assert server.do("CONFIG", "GET", name) == {name: value}
    finally:
        server.stop()


GUIDE = (ROOT / "docs/guides/fleets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["ls", "stats", "prune"])
def test_the_guide_tells_of_every_option_of_the_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ledger", command, "--help"]) == 0
    options = set(re.findall("--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert [option for option in options if not re.search(f"`[^`\n]*{option}[ `]", GUIDE)] == []


def test_the_guide_tells_of_every_key_and_state_of_a_row() -> None:
    ledger = MemoryLedger()
    ledger.claim(["Ada"], "t")
    (row,) = map(Rows(ledger), ledger.holders())

    states = ("living", "silent", "ended", "kept")
    assert [word for word in (*row, *states) if f"`{word}`" not in GUIDE] == []
    assert [word for word in states if not re.search(rf"(is|are) {word}\b", WORDS)] == []


SERVES = """
import os, signal, sys
import namepool
{handler}
with namepool.open_pool(ledger=sys.argv[1]) as pool, pool.named():
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    print("serving", flush=True)
    os.read(told, 1)  # not ``signal.pause()``, which does not see a signal that has just come
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGTERM")
@pytest.mark.parametrize("is_handled", [False, True])
def test_the_lines_for_sigterm_close_the_pool_which_would_leave_its_stock_claimed(
    is_handled: bool, tmp_path: Path
) -> None:
    (lines,) = [block.text for block in of("python") if "SIGTERM" in block.text]
    url = f"sqlite:///{tmp_path}/names.db"
    program = SERVES.format(handler=lines if is_handled else "")
    with subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"serving\n"
        process.terminate()

    assert process.returncode == (128 + signal.SIGTERM if is_handled else -signal.SIGTERM)
    ledger = SQLiteLedger(tmp_path / "names.db")
    assert (ledger.stats().claimed == 0) == is_handled
    ledger.close()
