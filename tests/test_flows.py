"""How long the way of a request is: so that no layer is put in unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


def shown(flow: str) -> str:
    """Return what the command prints; in a process that has imported no more than it needs."""
    command = [sys.executable, "-m", "tests.flows", flow]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_block_of_a_stocked_pool_makes_fifteen_calls_in_six_files_at_most() -> None:
    found = re.search(r"^  (\d+) calls in (\d+) files$", shown("block"), re.MULTILINE)

    assert found is not None
    assert int(found[1]) <= 15
    assert int(found[2]) <= 6


@pytest.mark.parametrize(
    ("flow", "functions"),
    [
        ("empty", ["PoolHandle.checkout_name", "ChunkFetcher._fetch", "Nomenclater.fetch"]),
        ("crash", ["ActorLoop._handle_failure", "PoolState.recover", "NamePool.on_start"]),
    ],
)
def test_a_flow_goes_from_thread_to_thread(flow: str, functions: list[str]) -> None:
    text = shown(flow)

    places = [text.index(f" {function}") for function in functions]
    assert text.count("\n  on ") > 2
    assert min(places) == places[0]
