"""Short forms, slugs and colours."""

from __future__ import annotations

import math
import re
import unicodedata
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import namepool
from namepool import OfflineNames, color_of, name_key, short_name, slug
from namepool.core.display import COLORS, given_name, short_names
from namepool.core.names import why_invalid


def _readable(text: str) -> str:
    return "".join(c for c in text if why_invalid(f"a{c}a") is None).strip(" ")


NAMES = st.text(max_size=64).map(_readable).filter(lambda text: why_invalid(text) is None)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Ada the Yak Shaver", "Ada"),
        ("Captain Ada of the Reef", "Ada"),
        ("The Baker", "Baker"),
        ("Dr. Zoë Quark", "Zoë"),
        ("Old Sir Toby", "Toby"),
        ("Agent 7", "7"),
        ("Baron von Backspace", "Backspace"),
        ("O'Brien, Pat", "O'Brien"),
        ("Captain", "Captain"),
        ("Old Captain &", "Captain"),
        ("Agent X", "X"),
        ("MAX, the Yak", "MAX"),
        ("🦊 🐝", "🦊"),
        ("李 the Lamplighter", "李"),
    ],
)
def test_the_given_name_is_the_first_word_that_is_no_title(name: str, word: str) -> None:
    assert given_name(name) == word


RANKS = """
    Cadet Colonel Corporal Dame Dean Detective Don Doña Duke Earl Emperor Empress Frau Fräulein Herr
    Judge Kid King Lady Major Monsieur Prince Private Reverend Señor Señora Señorita Sergeant
    Sheriff Trooper Viscount
""".split()  # noqa: SIM905
DOTTED = ["Capt.", "Col.", "Cpl.", "Dr.", "Gen.", "Hr.", "Lt.", "Pvt.", "Sgt.", "Sr.", "Sra."]


def _spellings(text: str) -> set[str]:
    cases = {text, text.lower(), text.upper()}
    return {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}


@pytest.mark.parametrize("rank", RANKS + DOTTED)
def test_a_rank_before_a_given_name_is_a_title_however_it_is_written(rank: str) -> None:
    for name in _spellings(f"{rank} Ada the Baker"):
        assert short_name(name) == name.split()[1]
    for name in _spellings(f"Old {rank} Ada Bell"):
        assert given_name(name) == name.split()[2]


@pytest.mark.parametrize(
    "rest",
    [
        *("the Yak Shaver", "of the Jolly Whale", "in Charge", "from Below", "and Sons", "& Sons"),
        *(", Burier of Treasure", "II", "III of Tea", "the Second", "XIV", "2nd", "Third Baker"),
        *("(the Baker)", "Jr.", "– the Baker", ""),
    ],
)
def test_a_rank_before_no_given_name_is_the_name(rest: str) -> None:
    written = (f"{rank} {rest}".strip().replace(" ,", ",") for rank in RANKS)
    for name in set().union(*map(_spellings, written)):
        first = name.split()[0].rstrip(",")
        assert given_name(name) == first
        assert short_name(f"{name} at Sea") == first
        assert given_name(f"Old {name}") == given_name(f"The {name}") == first


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Duke Ellington the Baker", "Ellington"),
        ("Earl Grey of Tea", "Grey"),
        ("Captain Dean the Diver", "Dean"),
        ("Dean Dean the Diver", "Dean"),
        ("The Baron von Backspace", "Backspace"),
        ("First Mate Ada of the Reef", "Ada"),
        ("First Mate of the Reef", "Mate"),
        ("Captain A. Bell", "Bell"),
        ("Captain 7 of the Reef", "7"),
        ("Agent 007", "007"),
        ("Professor X of the Reef", "X"),
        ("Duke V of Tea", "Duke"),
        ("King 2 of Tea", "King"),
        ("Aunt Vi the Baker", "Vi"),
        ("AUNT VI THE BAKER", "AUNT"),
        ("Col Bell", "Col"),
        ("Hr. Ada", "Ada"),
        ("The Second Baker", "Second"),
        ("The", "The"),
        ("of the Jolly Whale", "of"),
        ("Donna the Baker", "Donna"),
        ("Van the Man", "Van"),
        ("Sheriff without a Horse", "Sheriff"),
    ],
)
def test_a_word_is_a_title_only_if_a_given_name_follows(name: str, word: str) -> None:
    assert given_name(name) == word


# Short forms


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Ada the Yak Shaver", "Ada"),
        ("Chet Electron", "Chet"),
        ("Grumbold, Breaker of Builds", "Grumbold"),
        ("Captain Ada Electron", "Ada"),
        ("Dr. Basil Teaspoon", "Basil"),
        ("J.R. Bell", "J.R."),
        ("Ada", "Ada"),
        ("The Old", "Old"),
        ("Old", "Old"),
        ("李小龙", "李小龙"),
        ("NPC #1", "NPC"),
        ("Ada 🦊", "Ada"),
        ("MAX, the Yak Shaver", "MAX"),
        ("🦊 🐝", "🦊 🐝"),
    ],
)
def test_alone_a_name_is_short_by_its_given_name(name: str, short: str) -> None:
    assert short_name(name) == short_name(name, [name, "Bea"]) == short


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_text_without_a_word_is_short_as_it_is(text: str) -> None:
    assert short_name(text) == short_name(text, ["Ada", text]) == text
    assert short_name("Ada Bell", [text]) == "Ada"
    assert short_names([text, "Ada Bell"]) == [text, "Ada"]


@pytest.mark.parametrize(
    ("name", "held", "short"),
    [
        ("Ada the Yak Shaver", ["Ada Electron"], "Ada the Yak"),
        ("Ada Electron", ["Ada the Yak Shaver"], "Ada Electron"),
        ("Ada of the Seven Bogons", ["ADA!"], "Ada of the Seven"),
        ("Zoë Bell", ["Zoe Diode"], "Zoë Bell"),
        ("Captain Ada Bell", ["Old Ada Bell"], "Captain Ada Bell"),
        ("NPC #1", ["NPC #10", "NPC #2"], "NPC #1"),
        ("Ada", ["Ada Electron"], "Ada"),
        ("Ada & Bea Bell", ["Ada Bell"], "Ada & Bea"),
        ("Duke of the Jolly Whale", ["Duke Ellington the Baker"], "Duke of the Jolly"),
        ("Duke Ellington the Baker", ["Duke of the Jolly Whale"], "Ellington"),
        ("Sheriff the Yak Shaver", ["Sheriff of Tea"], "Sheriff the Yak"),
        ("Captain of Tea", ["Old Captain Ada"], "Captain"),
    ],
)
def test_among_names_that_begin_alike_it_takes_more(name: str, held: list[str], short: str) -> None:
    assert short_name(name, held) == short


@settings(deadline=None)
@given(st.lists(NAMES, max_size=8, unique_by=name_key))
def test_short_forms_of_names_that_differ_differ_and_are_the_same_one_by_one(
    names: list[str],
) -> None:
    shorts = [short_name(name, names) for name in names]
    assert len(set(map(name_key, shorts))) == len(names)
    assert short_names(names) == shorts


WORDS = ["Duke", "Dean", "Old", "The", "of", "the", "Ada", "Bell", "II", "X", "Earl,", "&"]
TITLED = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join).filter(name_key)


@settings(deadline=None)
@given(st.lists(TITLED, max_size=6, unique_by=name_key))
def test_no_short_form_is_how_another_name_begins_titles_or_not(names: list[str]) -> None:
    shorts = short_names(names)
    assert shorts == [short_name(name, names) for name in names]
    assert len(set(map(name_key, shorts))) == len(names)
    for name, short in zip(names, shorts, strict=True):
        assert short in name
        for other in names:
            if name != other and name != short:
                words = other.split()
                begun = [" ".join(words[: n + 1]) for n in range(len(words))]
                whole = {name_key(b) for b in begun if b.split()[-1].lower() not in ("of", "the")}
                assert name_key(short) not in whole


def test_a_thousand_names_of_the_default_source_are_short_by_one_word_each() -> None:
    names = OfflineNames(seed=1).fetch(1_000, [])
    assert max(len(short.split()) for short in short_names(names)) == 1


# Slugs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada the Yak Shaver", "ada-the-yak-shaver"),
        ("Grumbold, Breaker of Builds", "grumbold-breaker-of-builds"),
        ("Miles O\u2019Brien", "miles-obrien"),
        ("Zoë & Sons", "zoe-sons"),
        ("Łukasz", "lukasz"),
        ("\u0410da", "ada"),
        ("NPC #1", "npc-1"),
        ("../etc/passwd", "etc-passwd"),
        ("A", "a"),
        ("Agent X", "agent-x"),
    ],
)
def test_a_slug_is_what_one_would_type(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["李小龙", "nul", "COM1", "אדה", "w" * 64, "Ада", "🦊"])
def test_what_cannot_be_typed_has_a_slug_of_its_own_all_the_same(name: str) -> None:
    assert re.search("-[0-9a-f]{12}$", slug(name))
    assert slug(name) == slug(name)


def test_a_name_as_long_as_a_slug_may_be_is_its_own_slug() -> None:
    assert slug("A" * 63) == "a" * 63


def test_a_longer_name_fills_its_slug_as_far_as_the_digits_of_its_key_leave_room() -> None:
    assert re.fullmatch("a{50}-[0-9a-f]{12}", slug("A" * 64))


def test_a_slug_that_is_cut_between_two_words_has_one_hyphen_there() -> None:
    assert re.fullmatch("a{49}-[0-9a-f]{12}", slug("A" * 49 + " " + "b" * 14))


@settings(deadline=None)
@given(NAMES)
def test_a_slug_is_safe_for_branches_files_and_hosts(name: str) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug(name))
    assert len(slug(name)) <= 63


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_has_a_slug_and_a_colour_surrogates_too(text: str) -> None:
    assert re.fullmatch("[a-z0-9-]{1,63}", slug(text))
    assert color_of(text) in COLORS


@settings(deadline=None)
@given(NAMES, NAMES)
def test_slugs_differ_where_keys_do(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) or slug(one) != slug(other)


# Colours


def _luminance(color: str) -> float:
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("color", COLORS)
def test_a_colour_can_be_read_on_black_and_on_white(color: str) -> None:
    assert re.fullmatch("#[0-9a-f]{6}", color)
    assert (_luminance(color) + 0.05) / 0.05 >= 4.5
    assert 1.05 / (_luminance(color) + 0.05) >= 4.5


def _distance(one: str, other: str) -> float:
    pairs = [(int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5)]
    return math.dist(*zip(*pairs, strict=True))


def test_colours_are_far_apart_and_neighbours_farthest() -> None:
    assert len(COLORS) >= 16
    assert min(_distance(*pair) for pair in combinations(COLORS, 2)) > 35
    assert min(_distance(*pair) for pair in pairwise((*COLORS, COLORS[0]))) > 150


def test_a_name_keeps_its_colour_however_it_is_spelled() -> None:
    assert color_of("Ada the Yak Shaver") == color_of("ada the yak-shaver") == "#9b6c27"


def test_names_use_all_colours_about_evenly() -> None:
    colors = [color_of(name) for name in OfflineNames(seed=1).fetch(1_600, [])]
    assert min(colors.count(color) for color in COLORS) > 60


def test_they_are_exported() -> None:
    assert {"short_name", "slug", "color_of"} <= set(namepool.__all__)


def test_a_name_that_ends_with_its_given_name_is_read_by_that_too() -> None:
    assert short_names(["Ada the Yak Shaver", "Sergeant Ada"]) == ["Ada the Yak", "Sergeant Ada"]
    assert short_name("Captain Ada") == "Ada"
    assert short_name("Ada Bell the Second", ["Captain Ada Bell", "Ada the Baker"]) != "Ada Bell"
