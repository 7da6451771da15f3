"""The short form of the storm; the long one is ``python -m tests.stress.storm``."""

from __future__ import annotations

from tests.stress.storm import run


def test_a_storm_leaves_no_request_unanswered_and_no_name_lost_or_held_twice() -> None:
    storm = run(seconds=3.0, threads=32)

    assert storm.faults == []
    assert storm.counts["checkout"] > 0
    assert storm.counts["rounds of reset and restart"] > 1
