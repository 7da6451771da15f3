"""Reading a reply takes as long as the reply, whatever it is."""

from __future__ import annotations

import pytest

from namepool.sources.llm.texts import clean
from tests.sources.llm import hostile

MOST = 3.0
"""How much dearer a byte may be in a reply ten times as long."""


@pytest.mark.parametrize("size", [2_000, pytest.param(10_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize("kind", hostile.PIECES)
@pytest.mark.parametrize("frame", ["1. Ada{}x"])
def test_a_byte_of_a_longer_reply_costs_no_more(kind: str, frame: str, size: int) -> None:
    shape = hostile.shapes()[f"{kind} in {frame}"]
    ratios = []
    for _ in range(3):  # the machine may be busy; what grows, grows every time
        short, long = (hostile.nanoseconds(hostile.reply(shape, size * times)) for times in (1, 10))
        ratios.append(long / short)
        if min(ratios) <= MOST:
            return
    raise AssertionError(f"{min(ratios):.1f} times as dear")


def test_a_megabyte_of_spaces_is_read_while_others_wait_a_moment() -> None:
    body = hostile.reply(("1. Ada", "x", " "), 1_000_000)
    assert hostile.nanoseconds(body, 1) * len(body) < 2e9


def test_a_candidate_that_is_all_quotes_is_cleaned_at_once() -> None:
    assert len(clean("'" * 1_000_000)) <= 1
