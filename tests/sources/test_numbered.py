"""The source of predictable names."""

from __future__ import annotations

import pytest

from namepool.core.names import why_invalid
from namepool.errors import InvalidOption
from namepool.sources.base import NameSource
from namepool.sources.numbered import NumberedNames
from tests.support import run_together, switching_often


def test_it_is_a_name_source() -> None:
    assert isinstance(NumberedNames(), NameSource)


def test_the_first_names_are_numbered_from_one() -> None:
    assert NumberedNames().fetch(3, []) == ["NPC #1", "NPC #2", "NPC #3"]


def test_a_second_refill_repeats_no_name() -> None:
    source = NumberedNames()
    assert [source.fetch(2, []), source.fetch(1, []), source.fetch(2, ["NPC #1"])] == [
        ["NPC #1", "NPC #2"],
        ["NPC #3"],
        ["NPC #4", "NPC #5"],
    ]


def test_each_source_counts_for_itself() -> None:
    NumberedNames().fetch(5, [])
    assert NumberedNames().fetch(1, []) == ["NPC #1"]


def test_the_prefix_can_be_chosen() -> None:
    assert NumberedNames("Agent ").fetch(2, []) == ["Agent 1", "Agent 2"]


def test_the_longest_prefix_leaves_room_for_the_number() -> None:
    source = NumberedNames("x" * 40)
    assert [why_invalid(name) for name in source.fetch(20, [])] == [None] * 20


@pytest.mark.parametrize("prefix", ["", "x" * 41, "a\nb", "\x1b[1m", "\ud800", None, 3, b"NPC"])
def test_a_bad_prefix_is_refused(prefix: object) -> None:
    with pytest.raises(InvalidOption, match=r"^prefix must be a string of 1 to 40 printable"):
        NumberedNames(prefix)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", [" NPC", " ", "NPC\u3164"])
def test_a_prefix_that_no_name_may_have_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidOption, match="^prefix must be "):
        NumberedNames(prefix)


def test_threads_that_fetch_at_once_get_different_names() -> None:
    source = NumberedNames()
    fetched: list[str] = []
    with switching_often():
        run_together([lambda: fetched.extend(source.fetch(500, []))] * 4)
    assert sorted(fetched) == sorted(f"NPC #{n}" for n in range(1, 2001))


@pytest.mark.parametrize("prefix", ["npc_", "-", "Ada 🦊 ", "one two three four five six "])
def test_a_prefix_that_a_source_may_not_issue_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidOption, match="^prefix must be the beginning of a name that a pool"):
        NumberedNames(prefix)


def test_a_prefix_of_what_no_source_may_issue_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidOption, match=r"\(it must not contain '/' \(U\+002F\)\), not 'a/'"):
        NumberedNames("a/")
