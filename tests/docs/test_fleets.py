"""What the guide on fleets tells people to copy is valid: manifests, and a server's settings."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.docs.pages import PAGES, Block, blocks
from tests.ledgers.redis_server import RedisServer

FOUND = [(page, block) for page in PAGES for block in blocks(page)]


def of(language: str) -> list[Block]:
    return [block for _, block in FOUND if block.language == language]


@pytest.mark.parametrize("version", ["1.28", "1.35"])
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(version: str) -> None:
    manifests = [one for block in of("yaml") for one in yaml.safe_load_all(block.text)]

    assert [manifest["kind"] for manifest in manifests] == ["StatefulSet", "CronJob"]
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_manifest_with_a_fault_is_not() -> None:
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
