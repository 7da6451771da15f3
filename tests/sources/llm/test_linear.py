"""Reading a reply takes as long as the reply, whatever it is."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from namepool.errors import SourceError
from namepool.sources.llm.reply import Reader
from namepool.sources.llm.texts import clean
from tests.sources.llm import hostile
from tests.support import untraced

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


WORST = ["commas in {}", "bulleted lines in {}", "braces in turn in {}", "spaces in 1. Ada{}x"]


@pytest.mark.parametrize(
    "kind",
    [
        *WORST,
        *(
            pytest.param(kind, marks=pytest.mark.proof)
            for kind in hostile.shapes()
            if kind not in WORST
        ),
    ],
)
def test_a_megabyte_is_read_while_others_wait_a_moment(kind: str) -> None:
    body = hostile.reply(hostile.shapes()[kind], 1_000_000)
    with untraced():
        seconds = hostile.nanoseconds(body) * len(body) / 1e9
    assert seconds < 0.2  # 0.04 where nothing else runs


STREAMS = {
    "events": b'data: {"choices":[{"delta":{"content":"a"}}]}\n' * 20_000,
    "events without a choice": b"data: {}\n" * 100_000,
    "lines that begin like JSON": b"{\n" * 500_000,
    "calls of tools": json.dumps(
        {
            "choices": [
                {
                    "message": {
                        "tool_calls": [
                            {"index": n, "function": {"name": "a", "arguments": "{}"}}
                            for n in range(14_000)
                        ]
                    }
                }
            ]
        }
    ).encode(),
    "choices": b'{"choices":[' + b"{}," * 330_000 + b"{}]}",
    "content in parts": b'{"choices":[{"message":{"content":[' + b"[]," * 330_000 + b"[]]}}]}",
    "an unknown answer": b'{"a":[' * 50 + b"{}," * 300_000,
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_megabyte_of_another_kind_is_read_as_fast(kind: str) -> None:
    reader = Reader()
    with untraced():
        began = time.thread_time()
        with contextlib.suppress(SourceError):
            reader.read_answer({}, STREAMS[kind])
        assert time.thread_time() - began < 0.4  # 0.08 where nothing else runs


def test_a_candidate_that_is_all_quotes_is_cleaned_at_once() -> None:
    assert len(clean("'" * 1_000_000)) <= 1
