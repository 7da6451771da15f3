"""The short form of the storm; the long one is ``python -m tests.stress.storm``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stress.storm import run


@pytest.mark.parametrize("seconds", [0.3, pytest.param(3.0, marks=pytest.mark.proof)])
def test_a_storm_leaves_no_request_unanswered_and_no_name_lost_or_held_twice(
    seconds: float,
) -> None:
    storm = run(seconds, threads=16)

    assert storm.faults == []
    assert storm.counts["checkout"] > 0
    assert storm.counts["strikes"] > 0
    assert storm.counts["rounds of reset and restart"] > 0


@pytest.mark.proof
def test_the_storm_finds_that_a_guard_is_missing() -> None:
    # The other one too, ``--without mending``, but where all threads hang that takes half a minute.
    storm = subprocess.run(
        [sys.executable, "-m", "tests.stress.storm", "--threads", "4", "--without", "way-out"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert storm.returncode == 1, storm.stdout + storm.stderr
    assert "FAULT" in storm.stdout
