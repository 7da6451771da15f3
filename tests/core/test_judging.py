"""Whether a pool may issue a name: it is reserved for nobody, and a source may issue it."""

from __future__ import annotations

import pytest

from namepool.core.guard import why_unissuable
from namepool.core.judging import judge, reserved_keys, why_refused
from namepool.core.names import DEFAULT_NAME


class Text(str):
    """A string that lies about itself."""

    def __str__(self) -> str:
        return "root"


KEYS = reserved_keys(["Acme", "Ada Lovelace", "Jean-Luc", "7 Dwarfs", "Дом"])


@pytest.mark.parametrize(
    "name",
    [
        *("Acme", "ACME", "Acme Ada", "Ada Acme-Bot", "Dr. Acme, the Great", "Аcme", "Àcmé Bo"),
        *("A-c-m-e", "Ada Lovelace", "ada-lovelace", "Countess Ada Lovelace III", "Ada Love Lace"),
        *("Old Ada, Lovelace", "Jean Luc Picard", "Captain Jean-Luc", "The 7 Dwarfs", "Старый Дом"),
        *("Captain AdaLovelace", "Adalovelace the Great"),
    ],
)
def test_a_name_that_reads_like_an_entry_or_has_its_words_in_a_row_is_reserved(name: str) -> None:
    assert why_refused(name, KEYS) == "is reserved"
    assert why_refused(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("Acmena", "Ada Acmes", "Lovelace Ada", "Ada King Lovelace", "Ada", "Lovelace"),
        *("Jeanluca", "Luc Jean", "Dwarfs 7", "77 Dwarfs", "Домна", "Acme's"),
    ],
)
def test_a_name_with_other_words_is_not(name: str) -> None:
    assert why_refused(name, KEYS) is None


@pytest.mark.parametrize("name", [DEFAULT_NAME, "nemo nobody", "Nemo, Nobody"])
def test_the_default_name_is_always_reserved(name: str) -> None:
    assert why_refused(name) == why_refused(name, KEYS) == "is reserved"


@pytest.mark.parametrize("candidate", [None, 7, "", "a\nb", "root", "Acme <b>"])
def test_an_invalid_candidate_is_refused_for_the_rule_that_it_breaks(candidate: object) -> None:
    assert why_refused(candidate, KEYS) == why_unissuable(candidate) is not None


# -- many candidates ----------------------------------------------------------------------------


def test_candidates_are_judged_one_by_one_and_stay_in_their_order() -> None:
    judged = judge(["Bo", "Acme", None, Text("Ada"), "Bo"], KEYS)

    assert judged == ["Bo", "Ada", "Bo"]
    assert judged.names == ("Bo", "Ada", "Bo")
    assert [type(name) for name in judged.names] == [str] * 3
    assert judged.refused == (
        ("Acme", "is reserved"),
        (None, "must be a string, not NoneType"),
    )


def test_what_was_judged_holds_until_it_is_changed_or_other_names_are_reserved() -> None:
    judged = judge(["Bo"], KEYS)
    assert judged.holds(frozenset([*KEYS]))
    assert not judged.holds(frozenset())
    assert not judged.holds(KEYS | reserved_keys(["Bo"]))

    judged.append("root")

    assert not judged.holds(KEYS)
    assert judged.names == ("Bo",)
