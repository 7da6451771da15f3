"""The offline source: its data, its walk, and what it promises about any stretch of names."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool.core.names import MAX_NAME_LENGTH, is_default_name, name_key, validate_name
from namepool.errors import InvalidOption
from namepool.sources.base import NameSource
from namepool.sources.offline import OfflineNames, available_themes

WINDOW = 200
MOST_OF_ONE_INITIAL = WINDOW * 12 // 100


def _data(theme: str) -> dict[str, Any]:
    folder = files("namepool").joinpath("sources").joinpath("themes")
    return tomllib.loads(folder.joinpath(f"{theme}.toml").read_text(encoding="utf-8"))


DATA = {theme: _data(theme) for theme in available_themes()}
THEME_OF = {first: theme for theme, data in DATA.items() for first in data["first"]}
LISTS = ("first", "last", "epithets", "moods", "phrases", "counts", "things")


def _endings(theme: str) -> list[str]:
    data = DATA[theme]
    return [
        *data["last"],
        *(f"the {epithet}" for epithet in data["epithets"]),
        *(f"the {mood} {epithet}" for mood in data["moods"] for epithet in data["epithets"]),
        *(f"of the {phrase}" for phrase in data["phrases"]),
        *(f"of the {count} {things}" for count in data["counts"] for things in data["things"]),
    ]


def _combinations(themes: Sequence[str]) -> int:
    return sum(len(DATA[theme]["first"]) * len(_endings(theme)) for theme in themes)


ALL = _combinations(available_themes())


def _names(source: OfflineNames, start: int, stop: int) -> Iterator[str]:
    return (source._name_at(position) for position in range(start, stop))


def _first(name: str) -> str:
    return name.split(" ", 1)[0]


def _assert_varied(names: Sequence[str]) -> None:
    firsts = [_first(name) for name in names]
    for start in range(len(firsts) - WINDOW + 1):
        window = firsts[start : start + WINDOW]
        assert len(set(window)) == WINDOW
        assert max(Counter(first[0] for first in window).values()) <= MOST_OF_ONE_INITIAL


# The data


def test_there_are_at_least_eight_themes() -> None:
    assert len(available_themes()) >= 8


@pytest.mark.parametrize("theme", available_themes())
def test_a_theme_has_a_title_a_description_and_lists_without_repetitions(theme: str) -> None:
    data = DATA[theme]
    assert set(data) == {"title", "description", *LISTS}
    assert data["title"].strip()
    assert data["description"].strip()
    for key in LISTS:
        assert data[key]
        assert len({name_key(word) for word in data[key]}) == len(data[key]), key


@pytest.mark.parametrize("theme", available_themes())
def test_every_word_of_a_theme_is_plain_ascii_and_capitalised(theme: str) -> None:
    for word in (word for key in LISTS for word in DATA[theme][key]):
        assert word.isascii()
        assert word == word.strip()
        assert word.replace(" ", "").replace("-", "").isalpha(), word
        assert word[0].isupper()


def test_all_themes_together_have_at_least_400_given_names_of_one_word() -> None:
    firsts = [first for data in DATA.values() for first in data["first"]]
    assert len({name_key(first) for first in firsts}) == len(firsts) >= 400
    assert all(first.isalpha() for first in firsts)


def test_given_names_begin_with_many_initials_and_none_dominates() -> None:
    initials = Counter(first[0] for first in THEME_OF)
    assert len(initials) >= 20
    assert max(initials.values()) <= 0.08 * len(THEME_OF)


def _within_one_edit(one: str, other: str) -> bool:
    shorter, longer = sorted((one.casefold(), other.casefold()), key=len)
    if len(longer) - len(shorter) > 1:
        return False
    pairs = enumerate(zip(shorter, longer, strict=False))
    head = next((at for at, (left, right) in pairs if left != right), len(shorter))
    rest = 1 if len(longer) == len(shorter) else 0
    return shorter[head + rest :] == longer[head + 1 :]


@pytest.mark.parametrize(
    ("one", "other"), [("Bram", "Brom"), ("Marlow", "Marlowe"), ("Izar", "Mizar"), ("Ada", "ada")]
)
def test_the_look_alike_check_finds_look_alikes(one: str, other: str) -> None:
    assert _within_one_edit(one, other)


def test_no_two_given_names_look_alike() -> None:
    assert [pair for pair in combinations(THEME_OF, 2) if _within_one_edit(*pair)] == []


def test_no_given_name_is_also_a_surname() -> None:
    assert [data for data in DATA.values() if set(data["first"]) & set(data["last"])] == []


def test_every_theme_has_equally_many_endings_so_all_ordinals_begin_together() -> None:
    assert len({len(_endings(theme)) for theme in DATA}) == 1


# What the names are


def test_the_names_that_set_the_tone_can_be_told() -> None:
    data = DATA["computing"]
    assert {"Ada", "Grumbold", "Chet"} <= set(data["first"])
    assert "Electron" in data["last"]
    assert {"the Yak Shaver", "of the Seven Bogons"} <= set(_endings("computing"))


def test_all_names_before_the_ordinals_are_distinct_valid_and_more_than_300_000() -> None:
    source = OfflineNames(seed="all of them")
    keys = set()
    for name in _names(source, 0, ALL):
        keys.add(name_key(name))
        assert name.isascii()
        # Room for " the Twentieth", and for thirteen digits of the numerals after it.
        assert len(name) <= MAX_NAME_LENGTH - 20
        assert not is_default_name(name)
    assert len(keys) == ALL > 300_000


def test_names_keep_within_their_theme() -> None:
    endings = {theme: set(_endings(theme)) for theme in DATA}
    for name in OfflineNames(seed=5).fetch(5_000, []):
        first, ending = name.split(" ", 1)
        assert ending in endings[THEME_OF[first]]


def test_the_first_thousand_names_mix_the_three_patterns() -> None:
    kinds = Counter(
        "phrase" if " of the " in name else "epithet" if " the " in name else "surname"
        for name in OfflineNames(seed=6).fetch(1_000, [])
    )
    assert set(kinds) == {"phrase", "epithet", "surname"}
    assert min(kinds.values()) >= 200


def test_after_the_last_combination_names_come_back_as_the_second() -> None:
    source = OfflineNames(seed=8)
    assert source._name_at(ALL) == source._name_at(0) + " the Second"
    assert source._name_at(2 * ALL - 1) == source._name_at(ALL - 1) + " the Second"
    assert source._name_at(2 * ALL) == source._name_at(0) + " the Third"


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
    assert source._name_at((bearer - 1) * ALL) == f"{source._name_at(0)} {ordinal}"


@settings(deadline=None)
@given(seed=st.integers() | st.text(), position=st.integers(0, 10**18))
def test_a_name_is_valid_at_any_position(seed: int | str, position: int) -> None:
    validate_name(OfflineNames(seed=seed)._name_at(position))


# Any 200 names in a row


@pytest.mark.parametrize("seed", range(10))
def test_any_200_names_in_a_row_differ_in_given_name_and_vary_in_initial(seed: int) -> None:
    _assert_varied(OfflineNames(seed=seed).fetch(2 * len(THEME_OF) + WINDOW, []))


def test_the_names_stay_varied_where_written_endings_give_way_to_composed_ones() -> None:
    written = sum(len(DATA["computing"][key]) for key in ("last", "epithets", "phrases"))
    change = written * len(THEME_OF)
    _assert_varied(list(_names(OfflineNames(seed=1), change - WINDOW, change + WINDOW)))


def test_the_names_stay_varied_where_the_ordinals_begin() -> None:
    _assert_varied(list(_names(OfflineNames(seed=2), ALL - WINDOW, ALL + WINDOW)))


def test_an_ending_does_not_come_twice_in_a_lap() -> None:
    lap = OfflineNames(seed=3).fetch(len(THEME_OF), [])
    endings = Counter((THEME_OF[_first(name)], name.split(" ", 1)[1]) for name in lap)
    assert max(endings.values()) == 1


@pytest.mark.parametrize("theme", available_themes())
def test_in_a_single_theme_a_given_name_returns_only_after_all_the_others(theme: str) -> None:
    size = len(DATA[theme]["first"])
    firsts = [_first(name) for name in OfflineNames(seed=4, themes=[theme]).fetch(4 * size, [])]
    assert set(firsts) == set(DATA[theme]["first"])
    assert firsts == firsts[:size] * 4


@pytest.mark.parametrize("theme", available_themes())
def test_a_single_theme_keeps_its_initials_varied(theme: str) -> None:
    names = OfflineNames(seed=4, themes=[theme]).fetch(3 * WINDOW, [])
    for start in range(len(names) - WINDOW + 1):
        initials = Counter(name[0] for name in names[start : start + WINDOW])
        assert max(initials.values()) <= MOST_OF_ONE_INITIAL


def test_a_single_theme_tells_all_its_combinations_before_the_ordinals() -> None:
    source = OfflineNames(seed=4, themes=["computing"])
    size = _combinations(["computing"])
    assert len(set(_names(source, 0, size))) == size
    assert source._name_at(size) == source._name_at(0) + " the Second"


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
    "Impromptu of the Little Overture",
    "Narcissa Buttercup",
    "Lyra the Ring Polisher",
    "Rosetta Bookplate",
    "Vela the Zenith Climber",
    "Zephyr of the Frosted Window",
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
    assert {THEME_OF[_first(name)] for name in names} == {"maps", "stars"}


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
