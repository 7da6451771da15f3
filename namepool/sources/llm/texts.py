"""Finds names in the text of a language model, from the strictest shape to the loosest. Pure.

Of a long text only both ends are read. Each function reads its text a fixed number of times, for
any text, and no pattern backtracks. So a reply of any length takes some hundredths of a second.
"""

from __future__ import annotations

import re
from itertools import islice

from namepool.sources.llm.fragments import fragments
from namepool.sources.llm.likely import CUT, undescribed
from namepool.sources.llm.lines import is_aside, is_final, is_heading, on_lines
from namepool.sources.llm.values import list_in

READ = 6000
"""The characters that are read at each end of a text. A chunk of names has a few thousand."""

MOST_CANDIDATES = 1000
"""The most candidates, and pieces of JSON, that are read. A chunk has a few dozen."""

LONGEST_CANDIDATE = 1000
"""The most characters of a candidate that are read. A longer text is no name anyway."""

_THOUGHT = r"(?:\w{1,9}:)?(?:think|thinking|reasoning|thought|reflection|scratchpad|analysis)[>\]]"
_REASONING = re.compile(rf"[<\[]{_THOUGHT}.*?(?:[<\[]/{_THOUGHT}|\Z)", re.I | re.S)
# Reasoning may have begun in the prompt: then it has an end only.
_ANSWER = re.compile(
    rf"[<\[]/{_THOUGHT}|<\|channel\|>final<\|message\|>|\bassistantfinal(?=\W)", re.I
)
_TOKEN = re.compile(r"<\|[\w-]{1,30}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<eos>")
_NEXT_TURN = re.compile(r"(?<=\S)[ \t\r]*+\n\s{0,9}(?:User|Human|Q): ")
_CLOSING = tuple('"”»」』`*)]}|>')
_REMARK = re.compile(r"^[ \t]*+//.*$", re.M)
_LONE_TAG = re.compile(r"</?\w{1,30}>")
_BROKEN = re.compile(r"\A[^\n,;]*+")
_FENCES = re.compile(r"```\w*+")


def clean(text: str) -> str:
    """Return ``text`` without numbering, quotes, a description, and superfluous white space."""
    return undescribed(text[:LONGEST_CANDIDATE])


def ends(text: str, most: int = READ) -> str:
    """Return both ends of a text, each of ``most`` characters; all of it if it is no longer.

    The items that are cut off at the seam are marked, or left out.
    """
    if len(text) <= 2 * most:
        return text
    return f"{text[:most]}{CUT}\n{_BROKEN.sub('', text[-most:])}"


def cut_off(text: str) -> str:
    """Mark the end of a text that was cut off, unless the text ends where a name may end."""
    is_whole = text.rstrip(",; \t\r\n").endswith(_CLOSING)
    return text if is_whole else text.rstrip() + CUT


def candidates(text: str) -> list[object]:
    """Return the candidates in a model's text. Most are strings, but JSON may hold any value."""
    text = _FENCES.sub("", text)
    found = list_in(text)
    if not found:
        text = _answer(text)
        found = _embedded(text) or [*on_lines(text)]
    return [*{repr(one): one for one in found[:MOST_CANDIDATES]}.values()]


def _answer(text: str) -> str:
    """Return ``text`` without the tokens of templates, further turns, and the model's reasoning."""
    *_, text = _ANSWER.split(_REASONING.sub("", text))
    return _NEXT_TURN.split(_TOKEN.sub("\n", text), maxsplit=1)[0]


def _embedded(text: str) -> list[object]:
    """Return the candidates in the JSON of a text.

    An object with "names" outranks other objects, and these outrank a list. The last values of the
    best rank count, because drafts come before the final answer. Values that follow each other, or
    that stand under headings, belong together. A value under a heading such as "themes" counts only
    if there is no other.
    """
    found: list[object] = []
    best = last = 0
    text = _REMARK.sub("", text)
    for value, start, end in islice(fragments(text), MOST_CANDIDATES):
        between = _LONE_TAG.sub("", text[last:start]).splitlines()
        lines = [bare for line in between if (bare := line.strip(" \t\r,"))]
        heading = lines[-1] if lines else ""
        names, rank = _ranked(value)
        if is_aside(heading):
            rank = min(rank, 1)
        goes_on = len(lines) < 2 and (not lines or is_heading(heading)) and not is_final(heading)
        if rank >= best:
            earlier = found if rank == best and goes_on else []
            found, best = [*earlier, *names], rank
        last = end
    return found


def _ranked(value: object) -> tuple[list[object], int]:
    """Return the candidates in a value, and their rank. The rank 0 means that there are none."""
    names = [name for name in list_in(value) if any(map(str.isalnum, str(name)))]
    if isinstance(value, dict):
        return names, (4 if "names" in value else 3) if names else 0
    names = [name for name in names if isinstance(name, str)]
    is_of_objects = isinstance(value, list) and any(isinstance(item, dict) for item in value)
    return names, (3 if is_of_objects else 2) if names else 0
