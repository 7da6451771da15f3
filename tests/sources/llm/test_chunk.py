"""Which of the names that came are kept, and which are asked for again."""

from __future__ import annotations

import pytest

from namepool.sources.llm.chunk import Chunk, Given
from namepool.sources.llm.reply import Reading
from namepool.sources.llm.subjects import EXAMPLES
from tests.sources.llm.asker import Asker
from tests.sources.llm.scripted import Endpoint, named


def _taken(*names: str, count: int = 10) -> Chunk:
    chunk = Chunk(count, (), Given(), 0)
    chunk.take(Reading(list(names), {}))
    return chunk


def test_of_two_names_with_one_given_name_the_second_is_refused() -> None:
    chunk = _taken("Ada the Baker", "Bob the Baker", "Ada Overcast", "Captain ADA Reef")
    assert chunk.names == ["Ada the Baker", "Bob the Baker"]
    assert chunk.rejected == {
        "Ada Overcast": "has the given name of another one",
        "Captain ADA Reef": "has the given name of another one",
    }
    assert chunk.missing == 8


@pytest.mark.parametrize("rank", ["Sheriff", "Corporal", "Private", "Señor", "Frau", "Earl", "Don"])
def test_two_of_one_rank_have_two_given_names(rank: str) -> None:
    names = [f"{rank} Ada Bell", f"{rank} Bob Bell", f"{rank} of the Reef"]
    chunk = _taken(*names, f"{rank} the Baker")
    assert chunk.names == names
    assert chunk.rejected == {f"{rank} the Baker": "has the given name of another one"}


def test_a_name_that_was_refused_for_its_given_name_may_come_in_another_chunk() -> None:
    given = Given()
    for offered, kept in ((["Ada One", "Ada Two"], ["Ada One"]), (["Ada Two"], ["Ada Two"])):
        chunk = Chunk(2, (), given, 0)
        chunk.take(Reading(offered, {}))
        assert chunk.names == kept


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_name_that_parrots_an_example_is_refused(name: str) -> None:
    chunk = _taken(name, name.upper(), "Bruno the Own")
    assert chunk.names == ["Bruno the Own"]
    assert set(chunk.rejected.values()) == {"is the example's"}


@pytest.mark.parametrize(
    "name",
    [
        *("Mr. Otto Mated", "Captain Chet Electron", "Otto Mated Jr.", "Aunt Anna Log"),
        *(
            "Old Dr. Anna Log III",
            "Anna Log, Ph.D.",
            "Backspace",
            "von Backspace",
            "The Baron von Backspace",
        ),
    ],
)
def test_a_parrot_with_a_title_is_a_parrot(name: str) -> None:
    assert _taken(name).rejected == {name: "is the example's"}


def test_a_name_that_shares_a_word_with_an_example_is_none() -> None:
    names = ["Otto the Baker", "Captain Mated", "Sharp Bea", "Baron"]
    assert _taken(*names).names == names


def test_what_is_refused_is_asked_for_again_with_the_reason(ask: Asker) -> None:
    first = named("Ada Overcast", "Ada Underfoot", EXAMPLES[0])
    with Endpoint(first, named("Bob Baker", "Cy Cook")) as endpoint:
        assert ask(endpoint).fetch(3, ()) == ["Ada Overcast", "Bob Baker", "Cy Cook"]
    again = endpoint.seen[1]
    assert again.wanted == 2
    assert '"Ada Underfoot" has the given name of another one' in again.prompt
    assert f'"{EXAMPLES[0]}" is the example\'s' in again.prompt


def test_two_examples_are_shown_and_not_always_the_same(ask: Asker) -> None:
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint)
        for _ in range(20):
            nomenclater.fetch(1, ())
    shown = [frozenset(name for name in EXAMPLES if name in seen.prompt) for seen in endpoint.seen]
    assert {len(names) for names in shown} == {2}
    assert len(set(shown)) > 1  # 36 ** -19
