"""Replies made to be slow to read; as a command: what each costs a byte, at three sizes.

python -m tests.sources.llm.hostile
"""

from __future__ import annotations

import contextlib
import gc
import json
import time

from namepool.errors import SourceError
from namepool.sources.llm.reply import Reader

PIECES = {
    "spaces": " ",
    "line breaks": "\n",
    "tabs and line breaks": "\t\n",
    "opening brackets": "[",
    "closing brackets": "]",
    "opening braces": "{",
    "brackets in turn": "[]",
    "braces in turn": "{}",
    "brackets and braces": "[{",
    "double quotes": '"',
    "single quotes": "'",
    "escaped quotes": '\\"',
    "backslashes": "\\",
    "unicode escapes": "\\u0073",
    "broken escapes": "\\u00",
    "fences": "```",
    "fences with JSON": "```json\n[\n",
    "dashes": "-",
    "spaced dashes": " - ",
    "long dashes": " — ",
    "digits": "1",
    "digits and dots": "1.",
    "numbered lines": "1. \n",
    "bullets": "* ",
    "bulleted lines": "- \n",
    "stars": "*",
    "colons": ":",
    "commas": ",",
    "reasoning begun": "<think>",
    "reasoning ended": "</think>",
    "reasoning nested": "<think><reasoning></think>",
    "tags begun": "<",
    "lists begun": '["a",',
    "names begun": '{"names":[',
    "name keys": '"name":"',
    "objects in objects": '{"a":',
    "strings in a list": '["a"]',
    "strings broken off": '["a" b',
    "single-quoted lists": "['a', ",
    "apostrophes in a list": "['a'b",
    "bold": "**",
    "parentheses": " (",
    "words": "name ",
    "letters": "a",
    "non-breaking spaces": "\u00a0",
    "numbers in a list": "[1,",
    "rows of a table": "[1,2],",
    "labels": "Ada: ",
}
FRAMES = {
    "{}": "{}",
    "1. Ada{}x": "1. Ada{}x",
    '["Ada", "{}': '["Ada", "{}',
    "['{}": "['{}",
}


def shapes() -> dict[str, tuple[str, str, str]]:
    """Return the shapes: what stands before, what is repeated, and what stands behind."""
    return {
        f"{kind} in {frame}": (*frame.split("{}"), piece)  # type: ignore[misc]
        for kind, piece in PIECES.items()
        for frame in FRAMES
    }


def reply(shape: tuple[str, str, str], size: int) -> bytes:
    """Return a chat completion with about ``size`` bytes of this shape in it."""
    before, behind, piece = shape
    content = before + piece * (size // len(json.dumps(piece)[1:-1])) + behind
    message = {"message": {"content": content}}
    return json.dumps({"choices": [message]}).encode()


def nanoseconds(body: bytes, repeats: int = 3) -> float:
    """Return what reading ``body`` costs a byte on this thread: the least of some attempts."""
    reader = Reader()
    best = float("inf")
    gc.disable()  # it would look through whatever the other tests have left
    try:
        for _ in range(repeats):
            began = time.thread_time_ns()
            with contextlib.suppress(SourceError):
                reader.read_answer({}, body)
            best = min(best, time.thread_time_ns() - began)
    finally:
        gc.enable()
    return best / len(body)
