"""What may be a name, what reads alike, and what goes into a log line."""

from __future__ import annotations

import enum
import runpy
import subprocess
import sys
import timeit
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool.core import confusables
from namepool.core.confusables import TWINS
from namepool.core.names import (
    DEFAULT_NAME,
    MAX_NAME_LENGTH,
    is_default_name,
    name_key,
    one_line,
    shown,
    validate_name,
    why_invalid,
)
from namepool.errors import InvalidName, NamePoolError

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)  # surrogates too
quick = settings(deadline=None, max_examples=150)


class _Untellable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


# What may be a name


@pytest.mark.parametrize(
    "name",
    [
        "Ada the Yak Shaver",
        "A",
        "7",
        "NPC #1",
        "x" * MAX_NAME_LENGTH,
        "Zoë",
        "Zoe\u0308",
        "Łukasz O'Brien-Smith",
        "李小龙",
        "Ада Лавлейс",
        "אדה",
        "Ada 🦊",
        "𝔄𝔡𝔞",
        "Ada  Yak",
        "a\\b",
        "(Ada)",
        "...Ada",
    ],
)
def test_a_readable_name_is_valid(name: str) -> None:
    assert why_invalid(name) is None
    assert validate_name(name) is name


@pytest.mark.parametrize("name", [None, 7, 7.5, True, b"Ada", ["Ada"], {"name": "Ada"}, object()])
def test_what_is_not_a_string_is_refused_by_its_type(name: object) -> None:
    assert why_invalid(name) == f"must be a string, not {type(name).__name__}"


@pytest.mark.parametrize("name", ["", " ", "   ", "\t", "\n", "\u3000", "\u00a0\u2003", " " * 500])
def test_an_empty_name_is_refused(name: str) -> None:
    assert why_invalid(name) == "must not be empty"


@pytest.mark.parametrize("length", [65, 66, 10_000])
def test_a_name_of_more_than_64_characters_is_refused_with_its_length(length: int) -> None:
    assert why_invalid("é" * length) == f"must have at most 64 characters, not {length}"


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, *range(0x80, 0xA0)])
def test_a_name_with_a_control_character_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}Yak") or "")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85"])
@pytest.mark.parametrize("place", ["{}Ada", "Ada{}Yak", "Ada{}"])
def test_a_name_with_a_newline_is_refused_wherever_it_is(place: str, end: str) -> None:
    assert "must not contain" in (why_invalid(place.format(end)) or "")


@pytest.mark.parametrize("code", [0x2028, 0x2029])
def test_a_name_with_a_unicode_line_separator_is_refused(code: int) -> None:
    reason = why_invalid(f"Ada{chr(code)}Yak")
    assert reason == f"must not contain '\\u{code:x}' (U+{code:04X})"


@pytest.mark.parametrize("name", ["\x1b[31mAda", "Ada\x1b[0m", "\x9b31mAda", "\x1b]0;Ada\x07"])
def test_a_name_with_an_ansi_escape_is_refused(name: str) -> None:
    assert "must not contain" in (why_invalid(name) or "")


@pytest.mark.parametrize(
    "code", [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
def test_a_name_with_a_bidi_mark_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}Yak") or "")


@pytest.mark.parametrize("code", [0x00AD, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])
def test_a_name_with_a_zero_width_character_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}Yak") or "")


@pytest.mark.parametrize(
    "code",
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x2800, 0x3164, 0xFE00, 0xFE0F, 0xFFA0),
        *(0xE0041, 0xE0100, 0xE01EF),
    ],
)
def test_a_name_with_an_invisible_filler_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}Yak") or "")


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_name_with_a_lone_surrogate_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}") or "")


@pytest.mark.parametrize("code", [0xE000, 0xF8FF, 0xFFFF, 0x0378, 0x10FFFF])
def test_a_name_with_a_private_or_unassigned_character_is_refused(code: int) -> None:
    assert f"(U+{code:04X})" in (why_invalid(f"Ada{chr(code)}") or "")


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000", "\t"])
def test_of_all_spaces_only_the_plain_one_may_be_in_a_name(space: str) -> None:
    assert "must not contain" in (why_invalid(f"Ada{space}Yak") or "")


@pytest.mark.parametrize("name", [" Ada", "Ada ", " Ada ", "  Zoë"])
def test_a_name_with_outer_spaces_is_refused(name: str) -> None:
    assert why_invalid(name) == "must not begin or end with a space"


@pytest.mark.parametrize("name", ["-", "...", "'", "- -", "🦊", "¿?", "\u0301", "_", "$", "·"])
def test_a_name_without_letter_and_digit_is_refused(name: str) -> None:
    assert why_invalid(name) == "must contain a letter or a digit"


@quick
@given(ANY_TEXT)
def test_looking_at_any_text_never_raises(text: str) -> None:
    reason = why_invalid(text)
    assert reason is None or (reason.isascii() and reason.isprintable())


def _without_what_is_refused(text: str) -> str:
    return "".join(c for c in text if why_invalid(f"a{c}a") is None).strip(" ")[:MAX_NAME_LENGTH]


@quick
@given(ANY_TEXT.map(_without_what_is_refused))
def test_a_valid_name_is_one_line_that_can_be_encoded_and_has_a_key(text: str) -> None:
    if why_invalid(text) is not None:
        return
    assert text.splitlines() == [text]
    assert text.strip() == text
    assert text.encode()
    assert name_key(text)


@quick
@given(st.text("ab \n\r\u2028\x85\x1c\u200b", max_size=8))
def test_a_valid_name_has_no_line_break_even_among_many(text: str) -> None:
    assert why_invalid(text) is not None or text.splitlines() == [text]


@quick
@given(st.none() | st.integers() | st.floats() | st.binary() | st.lists(st.text(max_size=3)))
def test_looking_at_any_value_never_raises(value: object) -> None:
    assert why_invalid(value) is not None


class _Pretender:
    """Says it is a string, as mocks with a spec and lazy proxies do."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return str


def test_what_only_pretends_to_be_a_string_is_refused() -> None:
    assert why_invalid(_Pretender()) is not None


def test_a_valid_name_of_a_subclass_comes_back_as_an_exact_string() -> None:
    class Name(str):
        __slots__ = ()

    assert type(validate_name(Name("Ada"))) is str


# InvalidName


@pytest.mark.parametrize("name", ["Ada\nYak", "\x1b[31m", "Zoë\u2028", "\ud800", None, 7, ""])
def test_an_invalid_name_is_shown_as_ascii_with_the_rule_it_breaks(name: object) -> None:
    with pytest.raises(InvalidName) as refusal:
        validate_name(name)
    assert str(refusal.value) == f"a name {why_invalid(name)}: {name!a}"
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()


def test_an_invalid_name_is_a_value_error_and_one_of_ours() -> None:
    with pytest.raises(ValueError) as refusal:
        validate_name("")
    assert isinstance(refusal.value, NamePoolError)


def test_a_long_invalid_name_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidName) as refusal:
        validate_name("é" * 10_000)
    assert str(refusal.value).endswith("…")
    assert str(refusal.value).removesuffix("…").isascii()
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    "value", [10**5000, _Untellable()], ids=["an endless number", "a broken repr"]
)
def test_an_invalid_name_that_cannot_be_shown_is_refused_as_an_invalid_name(value: object) -> None:
    with pytest.raises(InvalidName, match=f"<{type(value).__name__} that cannot be shown>$"):
        validate_name(value)


# What reads alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada, the Yak-Shaver", "ada the yak shaver"),
        ("ADA", "ada"),
        ("AdaLovelace", "Ada Lovelace"),
        ("Ａｄａ　７", "Ada 7"),
        ("Straße", "STRASSE"),
        ("ſam", "Sam"),
        ("Zoe\u0308", "Zoë"),
        ("ZOË", "zoë"),
        ("ﬁnn", "Finn"),
        ("𝔄𝔡𝔞", "Ada"),
        ("Ada ②", "ada2"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("Ada 🦊", "Ada!"),
        ("O'Brien", "O’Brien"),
        ("Iiro", "IIRO"),
        ("Zoë", "Zoe"),
        ("Łukasz Sørensen", "Lukasz Sorensen"),
        ("Hoà", "Hoa"),
        ("Аda", "Ada"),
        ("Αda", "Ada"),
        ("pаypаl", "paypal"),
        ("ΝΙΝΑ", "nina"),
        ("Вера", "Bepa"),
        ("ꓮda", "Ada"),
        ("ϲat", "cat"),
        ("Ϲat", "cat"),
        ("Œdipus", "Oedipus"),
        ("0slo", "Oslo"),
        ("lda", "Ida"),
        ("Bi11", "Bill"),
        ("BIII", "bill"),
        ("3va 7he 8ard", "Eva the Bard"),
        ("L33t", "Leet"),
        ("Barnie", "Bamie"),
        ("Vvilma", "Wilma"),
        ("NPC #10", "NPC #l0"),
        ("NPC #10", "NPC #IO"),
        ("NPC #٣٤", "npc 34"),
        ("Андрей", "Андреи"),
    ],
)
def test_names_that_read_alike_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("Ada", "Adah"), ("Ада", "Ada"), ("Nina", "Vina"), ("Ben", "Pen"), ("Cleo", "Dleo")),
        *(("NPC #1", "NPC #11"), ("NPC #1", "NPC #10"), ("NPC #2", "NPC #3"), ("Ada 3", "Ada 8")),
        *(("Team 4", "Team A"), ("Worker-5", "Workers"), ("Ada ①", "Ada ②"), ("NPC ٣", "NPC ٠")),
        *(("Agent 50", "Agent So"), ("Team 41", "Team Al"), ("NPC ٣٠", "NPC Eo")),
        *(
            ("李", "季"),
            ("李小龙", "李小龍"),
            ("工", "エ"),
            ("土", "士"),
            ("がき", "かき"),
            ("한", "힌"),
        ),
        *(("רון", "רוו"), ("سارا", "ساره"), ("Ольга", "Олга")),
    ],
)
def test_names_that_differ_have_different_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("रमा", "रीमा"), ("กี", "กู"), ("শিলা", "শীলা"), ("रमा", "रामा"), ("กา", "กำ")],
)
def test_names_that_differ_in_a_vowel_sign_have_different_keys(one: str, other: str) -> None:
    assert why_invalid(one) is why_invalid(other) is None
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize("name", ["กี", "रमा\u0947"])
def test_a_vowel_sign_is_in_the_key(name: str) -> None:
    key = name_key(name)
    assert key == unicodedata.normalize("NFKC", name)
    assert key != name_key("".join(c for c in name if unicodedata.category(c)[0] != "M"))


def test_an_accent_is_not_in_the_key_however_many_there_are_and_in_whichever_order() -> None:
    assert name_key("Zoe\u0308") == name_key("Zo\u0325e\u0307\u0308") == "zoe"


@pytest.mark.parametrize("accent", ["\u0300", "\u0327", "\u036f"])
def test_an_accent_is_not_in_the_key_be_it_the_first_or_the_last_of_unicode(accent: str) -> None:
    assert name_key(f"Zo{accent}e") == "zoe"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Ada the Yak Shaver", "adatheyakshaver"),
        ("Mim & Will", "rnlrnvvlll"),
        ("NPC #107", "npclo7"),
        ("4 Aces of 1984", "aacesofl984"),
        ("Ζωή", "zωη".replace("η", "h")),
        ("李小龙", "李小龙"),
    ],
)
def test_a_key_may_be_stored_it_is_the_same_in_every_version(name: str, key: str) -> None:
    assert name_key(name) == key


@pytest.mark.parametrize("one", range(30))
def test_no_two_numbers_have_one_key(one: int) -> None:
    names = [pattern.format(number) for pattern in ("{}", "N {}", "{} N") for number in range(300)]
    keys = [name_key(name) for name in names]
    assert keys.count(name_key(f"N {one}")) == keys.count(name_key(f"{one} N")) == 1


def test_every_twin_has_the_key_of_what_it_is_drawn_like_in_both_cases() -> None:
    for twin, letters in TWINS.items():
        for letter in letters:
            assert name_key(letter) == name_key(letter.upper()) == name_key(twin), ascii(letter)


def test_the_twins_are_what_the_script_makes_of_unicodes_table() -> None:
    script = Path(__file__).parents[2] / "scripts" / "twins.py"
    made = runpy.run_path(str(script))
    assert made["module"](made["data"]()) == Path(confusables.__file__).read_text(encoding="utf-8")


def test_ascii_names_do_not_load_the_twins() -> None:
    code = (
        "import sys, namepool; namepool.name_key('Ada the Yak Shaver')\n"
        "print('namepool.core.confusables' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_key_of_an_ascii_name_takes_no_longer_than_fifteen_plain_calls() -> None:
    name = "Bartholomew of the Seven Bogons"
    key = min(timeit.repeat(lambda: name_key(name), number=2000, repeat=7))
    lower = min(timeit.repeat(lambda: name.lower(), number=2000, repeat=7))
    assert key < 15 * lower


@quick
@given(ANY_TEXT)
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@quick
@given(ANY_TEXT)
def test_normal_forms_and_folding_do_not_change_the_key(text: str) -> None:
    assert name_key(unicodedata.normalize("NFD", text)) == name_key(text)
    assert name_key(text.casefold()) == name_key(text)


@pytest.mark.parametrize("name", [DEFAULT_NAME, "nemo nobody", "NEMO-NOBODY", "Ｎemo Nobody!"])
def test_what_reads_like_the_default_name_is_the_default_name(name: str) -> None:
    assert is_default_name(name)


@pytest.mark.parametrize("name", ["Nemo", "Nobody Nemo", "Nemo Nobody 2", ""])
def test_another_name_is_not_the_default_name(name: str) -> None:
    assert not is_default_name(name)


def test_the_default_name_may_be_a_name() -> None:
    assert why_invalid(DEFAULT_NAME) is None


# One log line


def test_plain_text_is_kept_as_it_is() -> None:
    assert one_line("Zoë: 3 names, «ready»") == "Zoë: 3 names, «ready»"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u2028", "\\u2028"),
        ("\x85", "\\x85"),
        ("\ud800", "\\ud800"),
        ("\u202e", "\\u202e"),
    ],
)
def test_what_would_break_the_line_is_escaped(text: str, escaped: str) -> None:
    assert one_line(text) == escaped


def test_a_text_of_exactly_the_limit_is_not_cut() -> None:
    assert one_line("x" * 20, 20) == "x" * 20


def test_a_text_is_cut_to_200_characters_unless_told_otherwise() -> None:
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 199 + "…"


def test_a_text_beyond_the_limit_ends_in_an_ellipsis() -> None:
    assert one_line("x" * 21, 20) == "x" * 19 + "…"


def test_escapes_count_towards_the_limit() -> None:
    assert one_line("\n" * 11, 20) == "\\n" * 9 + "\\…"


def test_an_object_whose_text_fails_is_named_by_its_type() -> None:
    assert one_line(_Untellable()) == "<_Untellable that cannot be shown>"


def test_a_number_too_long_to_be_written_is_named_by_its_type() -> None:
    assert one_line(10**5000) == "<int that cannot be shown>"


class _Named(str, enum.Enum):  # noqa: UP042  the older way, whose str() is not its value
    ADA = "Ada"


def test_an_enumerated_string_is_shown_as_str_shows_it() -> None:
    assert one_line(_Named.ADA) == str(_Named.ADA)


class _Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@quick
@given(
    st.one_of(
        ANY_TEXT,
        ANY_TEXT.map(_Shown),
        ANY_TEXT.map(ValueError),
        st.builds(_Untellable),
        st.text("\n\r\u2028\x1bab", max_size=60),
        st.binary(max_size=30),
        st.integers(),
    ),
    st.integers(1, 60),
)
def test_any_object_becomes_one_line_within_the_limit(value: object, limit: int) -> None:
    line = one_line(value, limit)
    assert len(line.splitlines()) <= 1
    assert len(line) <= limit
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line)


# A value in an error message


@pytest.mark.parametrize("value", [None, 7, "Ada", "Zoë\n", ["\u2028"], b"\x00"])
def test_a_short_value_is_shown_as_ascii(value: object) -> None:
    assert shown(value) == ascii(value)


def test_a_value_of_exactly_the_limit_is_shown_whole() -> None:
    assert shown("x" * 98) == f"'{'x' * 98}'"


def test_a_value_beyond_the_limit_is_cut() -> None:
    assert shown("x" * 99) == f"'{'x' * 98}…"
    assert shown("é" * 99, 10) == r"'\xe9\xe9…"


@pytest.mark.parametrize("value", [_Untellable(), 10**5000], ids=["broken repr", "endless number"])
def test_a_value_that_cannot_be_shown_is_named_by_its_type(value: object) -> None:
    assert shown(value) == f"<{type(value).__name__} that cannot be shown>"
    assert shown([value]) == "<list that cannot be shown>"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ᴀᴅᴀ ᴛʜᴇ ʏᴀᴋ ꜱʜᴀᴠᴇʀ", "Ada the Yak Shaver"),
        ("ʙᴇʟʟᴀ ꜰʟᴏʀᴇɴᴄᴇ", "Bella Florence"),
        ("ɢᴏᴊɪᴋᴍɴᴘʀᴜᴡᴢ", "gojikmnpruwz"),
        ("שָׁלוֹם", "שלום"),
        ("שִׁיר", "שׁוּר".replace("ו", "י")),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("ᴁsop", "Aesop"),
        ("A\ufe0fda", "Ada"),
        ("Ada\U000e0100", "Ada"),
        ("A\u180bda", "Ada"),
    ],
)
def test_small_capitals_points_and_variation_selectors_make_no_other_key(
    one: str, other: str
) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("سؤال", "سوال"), ("إيمان", "أيمان"), ("ĸ", "k")])
def test_a_hamza_is_part_of_its_letter(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)
