"""The checks of options, with any class of error; see ``tests/core/test_options.py`` for more."""

from __future__ import annotations

from typing import Any

import pytest

from namepool.actors.checks import Checks


class Wrong(ValueError):
    """The error of these checks."""


CHECKS = Checks(Wrong)


def refusal(check: Any, *args: object) -> str:
    with pytest.raises(Wrong) as refused:
        check("it", *args)
    return str(refused.value)


@pytest.mark.parametrize("value", ["c", "", "A", None, 1, ["a"], b"a"])
def test_a_value_that_is_none_of_the_allowed_strings_is_refused(value: object) -> None:
    expected = f"it must be one of ('a', 'b'), not {value!r}"
    assert refusal(CHECKS.one_of, value, ("a", "b")) == expected


def test_an_allowed_string_is_accepted() -> None:
    CHECKS.one_of("it", "b", ("a", "b"))


@pytest.mark.parametrize("value", [[], (), "text", b"text", 3, None])
def test_an_object_without_items_and_a_text_are_no_list(value: object) -> None:
    assert refusal(CHECKS.items, value, "a list of things") == (
        f"it must be a list of things, not {value!r}"
    )


@pytest.mark.parametrize("kind", [list, tuple, iter, dict.fromkeys])
def test_the_items_of_any_iterable_are_a_list(kind: Any) -> None:
    assert CHECKS.items("it", kind(["a", 1]), "a list of things") == ["a", 1]


def test_a_wrong_value_is_shown_on_one_line() -> None:
    class Tall:
        def __repr__(self) -> str:
            return "one\ntwo"

    assert refusal(CHECKS.flag, Tall()) == r"it must be True or False, not one\ntwo"
