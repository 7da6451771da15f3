"""The offline source: its data, its walk, and what it promises about any stretch of names."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from better_profanity import profanity
from hypothesis import given, settings
from hypothesis import strategies as st
from metaphone import doublemetaphone

from namepool.core.display import given_name
from namepool.core.guard import why_unissuable
from namepool.core.names import MAX_NAME_LENGTH, is_default_name, name_key
from namepool.core.offence import is_offensive
from namepool.errors import InvalidOption, UnknownTheme
from namepool.sources._alike import sound, within_edits
from namepool.sources._theme import WALK, built_in, read_theme
from namepool.sources._walk import coprime
from namepool.sources.base import NameSource
from namepool.sources.offline import OfflineNames, available_themes

WINDOW = 200
MOST_OF_ONE_INITIAL = WINDOW * 12 // 100
THEMES = {theme: built_in(theme) for theme in available_themes()}
THEME_OF = {first: theme for theme in THEMES.values() for first in theme.first}
ROUNDS = min(theme.rounds for theme in THEMES.values())
ALL = len(THEME_OF) * len(WALK) * ROUNDS
PATTERNS_OF_PEOPLE = {"surname", "title", "byname", "place"}


def _names(source: OfflineNames, start: int, stop: int) -> Iterator[str]:
    return (source._name_at(position) for position in range(start, stop))


def _position_of(source: OfflineNames, *, words: int) -> int:
    """Return the first position of a name of so many words."""
    return next(at for at in range(ALL) if len(source._name_at(at).split()) == words)


def _first(name: str) -> str:
    """Return the given name in a name, which a title may come before."""
    return next(word for word in name.replace(",", "").split(" ") if word in THEME_OF)


def _pattern(name: str) -> str:
    """Return the pattern of a name, as whoever reads it would tell it."""
    first, (before, after) = _first(name), name.split(_first(name), 1)
    surnames = THEME_OF[first].words["last"]
    if before:
        return "title"
    for start, pattern in ((", ", "deed"), (" the ", "epithet"), (" of the ", "phrase")):
        if after.startswith(start):
            return pattern
    if after.startswith(" of "):
        return "place"
    return "surname" if after[1:] in surnames else "byname"


def _ending(name: str) -> tuple[str, str]:
    return (THEME_OF[_first(name)].id, name.replace(_first(name), "", 1))


def _tail(name: str) -> str:
    """Return what follows the first name."""
    return name.split(_first(name), 1)[1]


def _assert_no_tail_twice(names: Sequence[str]) -> None:
    last_at: dict[str, int] = {}
    for at, name in enumerate(names):
        assert at - last_at.get(_tail(name), -WINDOW) >= WINDOW, name
        last_at[_tail(name)] = at


def _assert_initials_varied(firsts: Sequence[str]) -> None:
    """No ``WINDOW`` names in a row have more than ``MOST_OF_ONE_INITIAL`` of one initial."""
    places: dict[str, list[int]] = {}
    for at, first in enumerate(firsts):
        places.setdefault(first[0], []).append(at)
    for ats in places.values():
        one_too_many = zip(ats, ats[MOST_OF_ONE_INITIAL:], strict=False)
        assert all(last - at >= WINDOW for at, last in one_too_many)


def _assert_varied(names: Sequence[str]) -> None:
    firsts = [_first(name) for name in names]
    for start in range(len(firsts) - WINDOW + 1):
        assert len(set(firsts[start : start + WINDOW])) == WINDOW
    _assert_initials_varied(firsts)


def _codes(first: str) -> set[str]:
    return set(doublemetaphone(first)) - {""}


CODES = {first: _codes(first) for first in THEME_OF}


def _mixed_up(one: str, other: str) -> bool:
    """Tell whether two first names sound alike or are within two letters of each other."""
    return not CODES[one].isdisjoint(CODES[other]) or within_edits(one.lower(), other.lower())


def _assert_apart(names: Sequence[str], size: int = 24) -> None:
    """No two of any ``size`` names in a row have first names that can be mixed up."""
    firsts = [_first(name) for name in names]
    for at, first in enumerate(firsts):
        near = firsts[max(0, at - size + 1) : at]
        assert [other for other in near if _mixed_up(first, other)] == [], first


# The data


def test_there_are_at_least_sixteen_themes_and_each_has_a_file() -> None:
    folder = files("namepool").joinpath("sources").joinpath("themes")
    stored = sorted(entry.name for entry in folder.iterdir())
    assert stored == [f"{theme}.toml" for theme in available_themes()]
    assert len(stored) >= 16
    where_users_live = {"build", "sea", "laboratory", "theatre", "railway", "fables", "deep"}
    assert where_users_live | {"bakery", "kitchen"} <= set(available_themes())


@pytest.mark.parametrize("theme", available_themes())
def test_a_theme_of_the_package_passes_the_checks_for_ones_own(theme: str) -> None:
    path = files("namepool").joinpath("sources").joinpath("themes").joinpath(f"{theme}.toml")
    assert read_theme(str(path)) == THEMES[theme]
    assert [slot.pattern for slot in THEMES[theme].walk] == list(WALK)
    words = THEMES[theme].words
    assert min(len(words[key]) for key in ("trades", "phrases", "deeds")) >= 24
    assert len(words["epithets"]) + len(words["trades"]) >= 40  # which one pattern has
    assert all(len(listed) >= 3 for listed in words.values())


@pytest.mark.parametrize("theme", available_themes())
def test_every_word_of_a_theme_is_plain_ascii_and_capitalised(theme: str) -> None:
    for word in (word for words in THEMES[theme].words.values() for word in words):
        assert word.isascii()
        assert word.replace(" ", "").replace("-", "").replace("'", "").isalpha(), word
        assert word[0].isupper()


def test_all_themes_together_have_so_many_given_names_that_two_samples_of_100_share_few() -> None:
    firsts = [first for theme in THEMES.values() for first in theme.first]
    assert len({name_key(first) for first in firsts}) == len(firsts) == len(THEME_OF) >= 3_340
    assert all(first.isalpha() for first in firsts)
    nicknames = sum(len(theme.words["nicknames"]) for theme in THEMES.values())
    assert nicknames < len(firsts) // 6


def test_given_names_begin_with_many_initials_and_none_dominates() -> None:
    initials = Counter(first[0] for first in THEME_OF)
    assert len(initials) >= 20
    assert max(initials.values()) <= 0.08 * len(THEME_OF)


@pytest.mark.parametrize(
    ("one", "other"), [("Bram", "Brom"), ("Stella", "Bella"), ("Izar", "Mizar"), ("ada", "ada")]
)
def test_names_within_two_letters_are_found(one: str, other: str) -> None:
    assert within_edits(one, other)


@pytest.mark.parametrize(("one", "other"), [("bram", "brokks"), ("ada", "bei"), ("abcd", "dcbax")])
def test_names_three_letters_apart_are_not(one: str, other: str) -> None:
    assert not within_edits(one, other)


@settings(deadline=None)
@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_letters_apart_are_counted_as_levenshtein_does(one: str, other: str) -> None:
    row = list(range(len(other) + 1))
    for at, left in enumerate(one, 1):
        above, row = row, [at]
        for n, right in enumerate(other):
            row.append(min(above[n] + (left != right), above[n + 1] + 1, row[n] + 1))
    assert within_edits(one, other) == (row[-1] <= 2)


def test_no_two_given_names_are_one_letter_apart_and_sound_alike() -> None:
    by_rest: dict[tuple[str, str], set[str]] = {}
    for first in THEME_OF:
        lower = first.lower()
        for at in range(len(lower) + 1):
            for rest in (lower[:at] + "*" + lower[at + 1 :], lower[:at] + "*" + lower[at:]):
                by_rest.setdefault((rest, sound(first)), set()).add(first)
    assert [names for names in by_rest.values() if len(names) > 1] == []


def test_first_names_that_double_metaphone_likens_have_one_sound_here() -> None:
    by_code: dict[str, set[str]] = {}
    for first, codes in CODES.items():
        for code in codes:
            by_code.setdefault(code, set()).add(sound(first))
    assert {code: sounds for code, sounds in by_code.items() if len(sounds) > 1} == {}


def test_no_given_name_is_also_a_surname() -> None:
    assert [t.id for t in THEMES.values() if set(THEME_OF) & set(t.words["last"])] == []


# What the names are


def test_the_names_that_set_the_tone_can_be_told() -> None:
    told = set(THEMES["computing"].names_of("Ada"))
    assert {"Ada the Yak Shaver", "Ada of the Seven Bogons", "Ada Electron"} <= told
    surnames = THEMES["computing"].words["last"]
    assert "Electron" in surnames
    assert any(f"Ada {last}" in told for last in surnames)
    assert any(f"Professor Ada {last}" in told for last in surnames)
    assert {"Ada", "Grumbold", "Chet"} <= set(THEMES["computing"].first)


def test_there_are_more_than_200_000_names_before_the_ordinals() -> None:
    assert ALL > 200_000


@pytest.mark.parametrize("count", [10_000, pytest.param(ALL, marks=pytest.mark.proof)])
def test_all_names_before_the_ordinals_are_distinct_and_valid(count: int) -> None:
    source = OfflineNames(seed="all of them")
    keys = set()
    for name in _names(source, 0, count):
        keys.add(name_key(name))
        assert name.isascii()
        # Room for " the Twentieth", and for thirteen digits of the numerals after it.
        assert len(name) <= MAX_NAME_LENGTH - 20
        assert not is_default_name(name)
        assert why_unissuable(name) is None
    assert len(keys) == count


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("theme", available_themes())
def test_a_source_may_issue_every_combination(theme: str, every: int) -> None:
    """Whether two words offend together depends on the words beside each other: so all pairs."""
    words = THEMES[theme].words
    for first in words["first"][::every]:
        assert why_unissuable(first) is None
        for last in (*words["last"], *words["bynames"], *words["deeds"]):
            assert not is_offensive(f"{first} {last}"), (first, last)
        assert not any(is_offensive(f"{title} {first}") for title in words["titles"])
    for name in THEMES[theme].names_of("Ada"):
        assert why_unissuable(name) is None, name


def test_no_word_of_a_theme_is_on_a_kept_list_of_offensive_words() -> None:
    listed = {str(word) for word in profanity.CENSOR_WORDSET}
    harmless = {"Revue"}
    words = {
        w for t in THEMES.values() for of in t.words.values() for word in of for w in word.split()
    }
    assert {word for word in words if word.lower() in listed} <= harmless


def test_names_keep_within_their_theme() -> None:
    for name in OfflineNames(seed=5).fetch(600, []):
        assert name in set(THEME_OF[_first(name)].names_of(_first(name)))


def test_there_are_seven_patterns_no_two_neighbours_are_of_one_and_the_best_loved_lead() -> None:
    patterns = [_pattern(name) for name in OfflineNames(seed=6).fetch(9_000, [])]
    assert [pair for pair in pairwise(patterns) if pair[0] == pair[1]] == []
    shares = Counter(patterns)
    assert len(shares) == 7
    assert {kind for kind, _ in shares.most_common(3)} == {"epithet", "deed", "phrase"}
    assert min(shares.values()) >= 9_000 // len(WALK) * 3 // 4


def test_after_the_last_combination_names_come_back_as_the_second() -> None:
    source = OfflineNames(seed=8)
    at = _position_of(source, words=4)
    assert source._name_at(ALL + at) == source._name_at(at) + " the Second"
    assert source._name_at(2 * ALL + at) == source._name_at(at) + " the Third"


def test_a_name_of_five_words_comes_back_with_a_number_a_source_may_issue_six() -> None:
    source = OfflineNames(seed=8)
    at = _position_of(source, words=5)
    assert source._name_at(ALL + at) == source._name_at(at) + " #2"
    assert why_unissuable(source._name_at(10**15 + at)) is None


@pytest.mark.parametrize(
    ("bearer", "ordinal"),
    [
        (20, "the Twentieth"),
        (21, "the 21st"),
        (22, "the 22nd"),
        (23, "the 23rd"),
        (24, "the 24th"),
        (111, "the 111th"),
        (112, "the 112th"),
        (113, "the 113th"),
        (1204, "the 1204th"),
    ],
)
def test_ordinals_read_as_people_write_them(bearer: int, ordinal: str) -> None:
    source = OfflineNames(seed=8)
    at = _position_of(source, words=4)
    assert source._name_at((bearer - 1) * ALL + at) == f"{source._name_at(at)} {ordinal}"


@settings(deadline=None, max_examples=20)
@given(seed=st.integers() | st.text(), position=st.integers(0, 10**18))
def test_a_name_is_valid_at_any_position(seed: int | str, position: int) -> None:
    assert why_unissuable(OfflineNames(seed=seed)._name_at(position)) is None


# Any names in a row


@pytest.mark.parametrize("seed", [0, *[pytest.param(n, marks=pytest.mark.proof) for n in (1, 2)]])
def test_any_200_names_in_a_row_differ_in_given_name_and_vary_in_initial(seed: int) -> None:
    _assert_varied(OfflineNames(seed=seed).fetch(len(THEME_OF) + 2 * WINDOW, []))


def test_no_first_name_of_a_theme_is_read_as_a_title() -> None:
    assert [first for first in THEME_OF if given_name(f"{first} Custard") != first] == []


@pytest.mark.parametrize(
    "seed", [0, 1, *[pytest.param(seed, marks=pytest.mark.proof) for seed in range(2, 12)]]
)
def test_no_two_of_any_24_names_in_a_row_can_be_mixed_up(seed: int) -> None:
    _assert_apart(OfflineNames(seed=seed).fetch(len(THEME_OF) + 24, []))


@pytest.mark.parametrize("lap", [1, 17, 50, 51])
def test_the_names_stay_varied_and_apart_on_later_laps(lap: int) -> None:
    around = lap * len(THEME_OF)
    names = list(_names(OfflineNames(seed=2), around - WINDOW, around + WINDOW))
    _assert_varied(names)
    _assert_apart(names)
    patterns = [_pattern(name) for name in names]
    assert not [pair for pair in pairwise(patterns) if pair[0] == pair[1]]


def test_the_first_thousand_names_have_a_thousand_given_names() -> None:
    assert len({_first(name) for name in OfflineNames().fetch(1_000, [])}) == 1_000


def test_unseeded_sources_share_at_most_three_given_names_of_a_hundred_on_average() -> None:
    samples = [{_first(n) for n in OfflineNames().fetch(100, [])} for _ in range(60)]
    shared = [len(one & other) for one, other in combinations(samples, 2)]
    assert sum(shared) / len(shared) <= 3 * 1.05  # 100 * 100 / 3,390, and what chance adds


def test_a_nickname_has_no_surname_no_title_and_no_place() -> None:
    nicknames = {word for theme in THEMES.values() for word in theme.words["nicknames"]}
    names = list(_names(OfflineNames(seed=6), 0, 2 * len(THEME_OF)))
    patterns = {_pattern(name) for name in names if _first(name) in nicknames}
    assert patterns == {"epithet", "phrase", "deed"}
    people = {_pattern(name) for name in names if _first(name) not in nicknames}
    assert people == patterns | PATTERNS_OF_PEOPLE


def test_no_tail_is_in_two_themes() -> None:
    tails: dict[str, set[str]] = {}
    for theme in THEMES.values():
        for name in theme.names_of("Ada"):
            tails.setdefault(name.removeprefix("Ada"), set()).add(theme.id)
    assert {tail for tail, of in tails.items() if len(of) > 1 and "Ada" not in tail} == set()


@pytest.mark.parametrize("seed", [0, *[pytest.param(n, marks=pytest.mark.proof) for n in (1, 2)]])
def test_no_tail_comes_twice_in_200_names(seed: int) -> None:
    _assert_no_tail_twice(OfflineNames(seed=seed).fetch(2 * len(THEME_OF), []))


@pytest.mark.parametrize(
    "lap", [2, 17, *[pytest.param(n, marks=pytest.mark.proof) for n in (16, 18, 33, 34, 51)]]
)
def test_no_tail_comes_twice_in_200_names_on_later_laps(lap: int) -> None:
    around = lap * len(THEME_OF)
    _assert_no_tail_twice(list(_names(OfflineNames(seed=2), around - WINDOW, around + 600)))


MOST_VISITS = 4
"""The most names of a theme, in any 200 names in a row, that have their words from one list."""


@pytest.mark.parametrize(
    "seed", [37, *range(5), *[pytest.param(n, marks=pytest.mark.proof) for n in range(5, 100)]]
)
def test_in_any_200_names_few_of_a_theme_have_their_words_from_one_list(seed: int) -> None:
    """The list gives its words in turn. So, as each list is longer, no word comes twice."""
    source, size = OfflineNames(seed=seed), len(THEME_OF)
    visits: dict[tuple[str, int], deque[int]] = {}
    for position in range(2 * size + WINDOW):  # with two seams between the laps
        lap, place = divmod(position, size)
        key = source._of[source._circle[place]].id, source._slot(place, lap)
        before = visits.setdefault(key, deque(maxlen=MOST_VISITS))
        assert len(before) < MOST_VISITS or position - before[0] >= WINDOW
        before.append(position)


def test_each_list_is_longer_than_the_names_of_its_theme_in_200_names() -> None:
    for theme in THEMES.values():
        for slot in {*theme.walk, *theme.nicknames_walk}:
            skipped = coprime(len(theme.first), len(slot)) - len(theme.first)  # between two rounds
            assert len(slot.endings) >= MOST_VISITS + skipped, (theme.id, slot.pattern)


def test_a_tail_that_came_twice_in_200_names_does_so_no_more() -> None:
    _assert_no_tail_twice(OfflineNames(seed=37).fetch(1_200, []))


@pytest.mark.parametrize("theme", available_themes())
def test_no_tail_comes_twice_in_60_names_of_one_theme(theme: str) -> None:
    tails = [_tail(name) for name in OfflineNames(seed=4, themes=[theme]).fetch(300, [])]
    assert all(len(set(tails[at : at + 60])) == 60 for at in range(len(tails) - 60))


def test_hardly_two_of_a_crew_of_one_theme_have_one_ending() -> None:
    source = OfflineNames(seed=3)
    for theme in available_themes():
        crew = source.fetch(12, [], theme=theme)
        assert len({_ending(name) for name in crew}) >= 10, theme


@pytest.mark.parametrize("theme", available_themes())
def test_in_a_single_theme_a_given_name_returns_only_after_all_the_others(theme: str) -> None:
    size = len(THEMES[theme].first)
    firsts = [_first(name) for name in OfflineNames(seed=4, themes=[theme]).fetch(4 * size, [])]
    assert set(firsts) == set(THEMES[theme].first)
    assert firsts == firsts[:size] * 4


@pytest.mark.proof
@pytest.mark.parametrize("theme", available_themes())
def test_a_single_theme_keeps_its_initials_varied_and_its_first_names_apart(theme: str) -> None:
    names = OfflineNames(seed=4, themes=[theme]).fetch(3 * WINDOW, [])
    _assert_initials_varied([_first(name) for name in names])
    _assert_apart(names[: len(THEMES[theme].first) * 3 // 4], size=12)


def test_a_single_theme_tells_all_its_combinations_before_the_ordinals() -> None:
    source = OfflineNames(seed=4, themes=["computing"])
    size = len(THEMES["computing"].first) * len(WALK) * THEMES["computing"].rounds
    assert len(set(_names(source, 0, size))) == size
    first = source._name_at(0)
    assert source._name_at(size) in (f"{first} the Second", f"{first} #2")


# The names of one theme


def test_names_of_one_theme_are_of_that_theme_and_not_told_again_as_names_of_all() -> None:
    source = OfflineNames(seed=1, themes=["kitchen", "maps"])
    size = 2 * len(THEMES["kitchen"].first)
    kitchen = source.fetch(size, [], theme="kitchen")
    assert {THEME_OF[_first(name)].id for name in kitchen} == {"kitchen"}
    everything = source.fetch(8 * size, [])
    more = source.fetch(8 * size, [], theme="kitchen")
    told = [*kitchen, *everything, *more]
    assert len(set(map(name_key, told))) == len(told)
    assert {THEME_OF[_first(name)].id for name in everything} == {"kitchen", "maps"}


def test_crews_of_two_themes_from_one_source_keep_apart_and_do_not_depend_on_each_other() -> None:
    one, other = OfflineNames(seed=1), OfflineNames(seed=1)
    maps = [name for _ in range(4) for name in one.fetch(12, [], theme="maps")]
    other.fetch(40, [], theme="kitchen")
    assert other.fetch(48, [], theme="maps") == maps
    _assert_apart(maps)


def test_the_walk_of_all_goes_on_as_if_nothing_was_told_but_for_what_was() -> None:
    plain, asked = OfflineNames(seed=1), OfflineNames(seed=1)
    told = set(asked.fetch(30, [], theme="sea"))
    expected = [name for name in plain.fetch(4_000, []) if name not in told]
    assert asked.fetch(len(expected), []) == expected


@pytest.mark.parametrize("theme", ["stars", "", 3, ["maps"]])
def test_a_theme_that_was_not_chosen_is_refused(theme: Any) -> None:
    source = OfflineNames(themes=["maps", "kitchen"])
    with pytest.raises(UnknownTheme, match="^theme must be one of 'kitchen', 'maps', not "):
        source.fetch(3, [], theme=theme)


# The walk


def test_it_is_a_name_source() -> None:
    assert isinstance(OfflineNames(), NameSource)


def test_fetch_returns_as_many_names_as_asked_and_goes_on_from_there() -> None:
    source = OfflineNames(seed=1)
    chunks = [source.fetch(count, []) for count in (12, 1, 37)]
    assert [len(chunk) for chunk in chunks] == [12, 1, 37]
    assert [name for chunk in chunks for name in chunk] == OfflineNames(seed=1).fetch(50, [])


class _Unreadable(Sequence[str]):
    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("used was read")

    def __len__(self) -> int:
        raise AssertionError("used was measured")


def test_fetch_does_not_read_the_used_names() -> None:
    assert OfflineNames(seed=1).fetch(3, _Unreadable()) == OfflineNames(seed=1).fetch(3, [])


class _Recording(OfflineNames):
    positions: tuple[int, ...] = ()

    def _name_at(self, position: int) -> str:
        self.positions += (position,)
        return super()._name_at(position)


@pytest.mark.parametrize("position", [10**6, 10**9])
def test_a_far_name_is_computed_without_the_ones_before_it(position: int) -> None:
    source = _Recording(seed=1)
    source._position = position
    assert source.fetch(1, []) == [OfflineNames(seed=1)._name_at(position)]
    assert source.positions == (position,)


def test_threads_that_fetch_at_once_share_one_walk() -> None:
    source = OfflineNames(seed=9)
    start = threading.Barrier(8)
    fetched: list[list[str]] = []

    def fetch() -> None:
        start.wait()
        fetched.extend(source.fetch(12, []) for _ in range(50))

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = OfflineNames(seed=9).fetch(8 * 50 * 12, [])
    assert sorted(name for chunk in fetched for name in chunk) == sorted(expected)


# Seeds


@pytest.mark.parametrize("seed", [0, 7, -7, 2**127, "crew", "", "\ud800", "Zoë"])
def test_the_same_seed_gives_the_same_names(seed: int | str) -> None:
    assert OfflineNames(seed=seed).fetch(30, []) == OfflineNames(seed=seed).fetch(30, [])


def test_a_seed_too_long_to_print_will_do() -> None:
    assert OfflineNames(seed=10**5000).fetch(3, []) != OfflineNames(seed=10**5001).fetch(3, [])


def test_different_seeds_give_different_names() -> None:
    seeds: list[int | str] = [1, -1, "1", "-1", 2, "crew", "Crew"]
    assert len({tuple(OfflineNames(seed=seed).fetch(12, [])) for seed in seeds}) == len(seeds)


def test_without_a_seed_every_source_tells_other_names() -> None:
    assert OfflineNames().fetch(12, []) != OfflineNames().fetch(12, [])


# Changes with the data; until then it must not change with Python, platform or hash seed.
PINNED = [
    "Caoimhe the Delighted by Bubbles",
    "Twirl, Applauder of Everyone",
    "Gyutae Doublet",
    "Finial the Veranda Orator",
    "Locksley of the Thoughtful Fern",
    "Aleksy, Dancer on Jetties",
]


def _run(script: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_a_seed_gives_the_same_names_on_every_python() -> None:
    assert OfflineNames(seed="pinned").fetch(6, []) == PINNED


def test_a_seed_gives_the_same_names_in_every_process() -> None:
    script = (
        "from namepool.sources.offline import OfflineNames\n"
        "print(*OfflineNames(seed='pinned').fetch(6, []), sep='\\n')"
    )
    assert _run(script, PYTHONHASHSEED="12345") == PINNED


def test_the_data_are_read_when_the_first_name_is_wanted() -> None:
    script = (
        "import sys\n"
        "from namepool.sources.offline import OfflineNames\n"
        "print('tomllib' in sys.modules)\n"
        "source = OfflineNames()\n"
        "print('tomllib' in sys.modules)\n"
        "source.fetch(1, [])\n"
        "print('tomllib' in sys.modules)"
    )
    assert _run(script) == ["False", "False", "True"]


# Options


def test_themes_are_all_of_them_by_default() -> None:
    assert OfflineNames().themes == available_themes()


def test_themes_are_kept_once_each_in_alphabetical_order() -> None:
    assert OfflineNames(themes=iter(["stars", "maps", "stars"])).themes == ("maps", "stars")


def test_the_order_of_the_themes_does_not_change_the_names() -> None:
    one = OfflineNames(seed=1, themes=["stars", "maps"]).fetch(30, [])
    assert one == OfflineNames(seed=1, themes=("maps", "stars")).fetch(30, [])


def test_only_the_chosen_themes_give_names() -> None:
    names = OfflineNames(seed=1, themes=["stars", "maps"]).fetch(300, [])
    assert {THEME_OF[_first(name)].id for name in names} == {"maps", "stars"}


def test_themes_cannot_be_reassigned() -> None:
    with pytest.raises(AttributeError):
        OfflineNames().themes = ("maps",)  # type: ignore[misc]


@pytest.mark.parametrize(
    "unknown", ["startrek", "Stars", "", "../names", "a\nb", "\ud800", None, 3]
)
def test_an_unknown_theme_is_refused_with_the_list_of_known_ones(unknown: Any) -> None:
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(themes=["stars", unknown])
    message = str(refusal.value)
    assert message.startswith("themes")
    assert ascii(unknown) in message
    assert all(repr(theme) in message for theme in available_themes())
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.parametrize("themes", [[], (), iter(()), "stars", "", b"stars", 3, True])
def test_themes_that_are_no_list_of_themes_are_refused(themes: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^themes.*'stars'"):
        OfflineNames(themes=themes)


@pytest.mark.parametrize("seed", [True, False, 1.0, [1], b"crew", ("crew",), object()])
def test_a_seed_of_another_type_is_refused(seed: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^seed must be an int, a str or None, not "):
        OfflineNames(seed=seed)


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "12", None])
def test_a_count_that_is_no_positive_int_is_refused(count: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^count must be a positive int, not "):
        OfflineNames().fetch(count, [])


def test_a_refused_count_does_not_move_the_walk() -> None:
    source = OfflineNames(seed=1)
    with pytest.raises(InvalidOption):
        source.fetch(-5, [])
    assert source.fetch(3, []) == OfflineNames(seed=1).fetch(3, [])


def test_a_long_bad_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(themes=["x" * 10_000])
    assert len(str(refusal.value)) < 400


def test_a_bad_value_that_cannot_be_shown_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidOption, match="count must be a positive int, not <int that cannot"):
        OfflineNames().fetch(-(10**5000), [])


# Themes of one's own


OWN = """\
title = "The farm"
description = "Early up."
first = '''
Bessie, Clover, Daisy, Ethelred, Fergus, Gertie,
Horace, Iris, Jolene, Kit, Lottie, Mopsy,
'''
last = '''
Barnyard, Cowbell, Duckpond, Eggbox, Farmgate, Goosefoot, Haystack, Inkwell, Jamjar, Kettle,
Lambswool, Milkchurn, Nosebag, Oatfield, Pigpen, Quack, Rooster, Scarecrow, Turnip, Udderly
'''
deeds = ["Chaser of Hens", "Early Riser"]
"""


def _file(folder: Path, text: str = OWN, name: str = "farm.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_theme_of_ones_own_gives_its_names_alone_or_with_those_of_the_package(
    tmp_path: Path,
) -> None:
    alone = OfflineNames(seed=1, theme_files=[_file(tmp_path)])
    assert alone.themes == ("farm",)
    names = alone.fetch(12 * 17, [])
    assert len(set(map(name_key, names))) == len(names)
    assert {name.split(" ")[0].rstrip(",") for name in names} >= {"Bessie", "Mopsy"}
    assert any(name.endswith(", Chaser of Hens") for name in names)
    both = OfflineNames(seed=1, themes=["maps"], theme_files=[str(_file(tmp_path))])
    assert both.themes == ("farm", "maps")
    assert (
        both.fetch(1, [], theme="farm")[0].split(" ")[0].rstrip(",") in alone.described()[0].first
    )


def test_a_theme_without_patterns_goes_on_for_ever(tmp_path: Path) -> None:
    text = OWN[: OWN.index("deeds")]
    names = OfflineNames(seed=1, theme_files=[_file(tmp_path, text)]).fetch(1_000, [])
    assert len(set(map(name_key, names))) == 1_000
    assert [name for name in names if why_unissuable(name) is not None] == []


def test_a_theme_of_ones_own_may_have_nicknames(tmp_path: Path) -> None:
    more = 'nicknames = "Hay, Muck"\nepithets = """' + ", ".join(
        f"Hen{'ny' * n}" for n in range(1, 10)
    )
    more += ', Muddy, Wet, Late, Loud, Shy, Slow"""\n'
    path = _file(tmp_path, OWN + more)
    names = OfflineNames(seed=1, theme_files=[path]).fetch(14 * 17, [])
    assert len(set(map(name_key, names))) == len(names)
    muck = [name for name in names if "Muck" in name]
    assert len(muck) == 17
    assert all(name.startswith(("Muck the ", "Muck, ")) for name in muck)


def test_a_given_name_of_two_themes_is_told_in_one_of_them(tmp_path: Path) -> None:
    files = [_file(tmp_path), _file(tmp_path, OWN.replace("Cowbell", "Cowslip"), "meadow.toml")]
    names = OfflineNames(seed=1, theme_files=files).fetch(100, [])
    assert len(set(map(name_key, names))) == 100
    assert not any("Cowslip" in name for name in names)


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("last = ", "lats = ", "line 7: 'lats' is none of title, description, first, nicknames, "),
        ('title = "The farm"', "", "line 1: title is missing"),
        ('title = "The farm"', "title = 3", "line 1: title must be a string, not 3"),
        ("Horace,", "Ho race,", "line 5: first: 'Ho race' must have at most 1 word, not 2"),
        ("Kettle,", "Ket_tle,", "line 8: last: 'Ket_tle' must not contain '_' (U+005F)"),
        ("Kit,", "K1t, Kit,", "line 5: first: 'Kit' reads like 'K1t', which is there too"),
        ("Pigpen", "Shithouse", "line 9: last: 'Shithouse' must not be offensive"),
        ("Iris, Jolene,", "", "line 3: first must have at least 12 words, not 10"),
        ('"Early Riser"', "7", "line 11: deeds: 7 must be a string"),
        ("deeds = [", "deeds = 3 #", "line 11: deeds must be words between commas, or an array, "),
        ("deeds = [", "deeds [", "(at line 11, column 7)"),
        (
            "deeds = [",
            'nicknames = ["Kit"]\ndeeds = [',
            "line 11: nicknames: 'Kit' reads like 'Kit' in",
        ),
        (
            "deeds = [",
            'nicknames = ["Hay"]\ndeeds = [',
            "line 11: nicknames need at least 17 words in",
        ),
        ("Nosebag", "N" * 29, f"line 9: last: '{'N' * 29}' must have at most 28 characters"),
    ],
)
def test_what_is_wrong_in_a_theme_is_told_with_its_line(
    wrong: str, right: str, message: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, OWN.replace(wrong, right, 1))
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[path])
    assert str(refusal.value).startswith(str(path))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("latin-1", ", line 4: must be UTF-8, which 0xeb is not: save it as UTF-8"),
        ("utf-16", ", line 1: must be UTF-8, which 0xff is not: save it as UTF-8"),
    ],
)
def test_a_theme_that_is_not_utf_8_is_refused_with_its_file_and_line(
    encoding: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "farm.toml"
    path.write_bytes(OWN.replace("Daisy", "Zoë").encode(encoding))
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[path])
    assert str(refusal.value).replace("0xfe", "0xff") == str(path) + message  # of either byte order


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_theme_with_a_byte_order_mark_is_read_whatever_ends_its_lines(
    newline: str, tmp_path: Path
) -> None:
    path = tmp_path / "farm.toml"
    path.write_bytes(OWN.replace("\n", newline).encode("utf-8-sig"))
    plain = tmp_path / "plain"
    plain.mkdir()
    names = OfflineNames(seed=1, theme_files=[path]).fetch(40, [])
    assert names == OfflineNames(seed=1, theme_files=[_file(plain)]).fetch(40, [])


def test_a_theme_whose_names_would_be_too_long_is_refused_with_one(tmp_path: Path) -> None:
    long = OWN.replace("Bessie", "B" * 24).replace("Barnyard", "Y" * 24)
    with pytest.raises(InvalidOption, match="at most 44 characters, not 49 as 'BBB"):
        OfflineNames(theme_files=[_file(tmp_path, long)])


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"^theme_files: .*nowhere\.toml"):
        OfflineNames(theme_files=[tmp_path / "nowhere.toml"])


@pytest.mark.parametrize("paths", ["farm.toml", b"farm.toml", 3, None, [None], [3.5]])
def test_theme_files_that_are_no_list_of_paths_are_refused(paths: Any) -> None:
    with pytest.raises(InvalidOption, match="^theme_files"):
        OfflineNames(theme_files=paths)
