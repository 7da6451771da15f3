"""What the words of the themes must not say, behind whichever first name they stand."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import gender_guesser.detector
import pytest

from namepool.sources._theme import built_in
from namepool.sources.offline import available_themes
from tests.sources.families import family_of

THEMES = [built_in(theme) for theme in available_themes()]
FIRSTS = {first: theme.id for theme in THEMES for first in theme.first}
PEOPLE = [first for theme in THEMES for first in theme.words["first"]]
ORIGINS: dict[str, str] = tomllib.loads(Path(__file__).with_name("origins.toml").read_text())

LATIN_LETTERS = (
    *("czech", "danish", "dutch", "english", "finnish", "french", "german", "hungarian"),
    *("italian", "norwegian", "polish", "portuguese", "spanish", "swedish", "turkish"),
)
"""The languages whose vulgar words could be read in a name of Latin letters."""

HARMLESS = {
    "Fan": "somebody who likes a thing; the devil only in Swedish",
    "Pot": "a pot of paint; a lesbian only in Dutch slang",
    "Top": "a toy; a ball only in Turkish",
    "Trio": "three musicians; three lovers only in Spanish slang",
    "a": "the article",
}

GODS_AND_PROPHETS = """
Aaron Abraham Achilles Adam Aditi Aditya Adonis Agni Ahura Allah Amaterasu Ambika Amos Anahit
Anansi Aphrodite Apollo Ares Arjuna Artemis Aruna Ashtoreth Athena Aurora Baal Balder Bastet
Brahma Brigid Buddha Cassandra Ceres Christ Cronus Cupid Dagon Daniel Danu David Dawud Deborah
Demeter Diana Dionysus Durga Elias Elijah Elisha Enki Enlil Eos Epona Eros Ezekiel Ezra Flora
Fortuna Freya Freyja Frigg Gaia Ganesh Ganesha Gauri Gayatri Gopal Govind Habakkuk Hades Haggai
Hanuman Harish Harun Hathor Hecate Helios Hera Hermes Hestia Horus Hosea Hud Huitzilopochtli
Ibrahim Idris Ilyas Inanna Indra Inti Iris Isa Isaac Isaiah Ishmael Ishtar Isis Ismail Jacob
Janaki Janus Jeremiah Jesus Job Joel John Jonah Joseph Joshua Juno Jupiter Kali Kartikeya Krishna
Kronos Kuan Lakshmi Loki Lono Luna Lut Mahavira Malachi Marduk Mars Maui Mazda Mercury Micah
Minerva Miriam Mithra Mohammed Moses Muhammad Murugan Musa Nahum Nandi Neptune Nike Noah Nuh
Obadiah Odin Osiris Oshun Pan Parvati Pele Persephone Perun Phoebe Pluto Poseidon Quetzalcoatl Ra
Radha Rama Rangi Rhea Rhiannon Saleh Samuel Saraswati Saturn Selene Set Shango Shiva Shuaib Sita
Skanda Solomon Sulayman Surya Tane Tara Tezcatlipoca Thor Thoth Tyr Uma Uranus Usha Uzair Vayu
Venus Vesta Vishnu Vulcan Yahya Yama Yaqub Yemoja Yunus Yusuf Zechariah Zeus Zoroaster
"""

NEVER = """
Kona Kusi Winkle Pippa Humbert Tupac Biko Lakota Hiawatha Enola Krishna Ganesh Lakshmi Moses Dalit
Chastity Coconut Banana Blubber Jumbo Monkey Gorilla Beaver Lion Peru Peruvian Tarpot Pedal Masseur
Dynamite Ticking Suspect Passport Harbor Studs Oats Dwarfs Bottom Slot Killed
"""
"""Names and words that people took offence at."""


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.lower())
    return "".join(c for c in decomposed if c.isascii() and c.isalpha())


def _vulgar() -> dict[str, str]:
    """Return each vulgar word, in plain letters, with its language."""
    folder = files("glin_profanity").joinpath("data").joinpath("dictionaries")
    found: dict[str, str] = {}
    for language in LATIN_LETTERS:
        listed = json.loads(folder.joinpath(f"{language}.json").read_text("utf-8"))["words"]
        found |= {_plain(word): language for word in listed if " " not in word}
    return found


def _endings() -> Iterator[tuple[str, str]]:
    for theme in THEMES:
        for key, words in theme.words.items():
            if key != "first":
                yield from ((theme.id, word) for word in words)


def test_no_ending_belongs_to_a_family_of_words_that_offend_behind_some_name() -> None:
    found = {(theme, word): family_of(word) for theme, word in _endings() if family_of(word)}
    assert found == {}


@pytest.mark.parametrize(
    "ending",
    [
        *("Dynamite Accountant", "Ticking Satchel", "Usual Suspect", "Missing Passport", "Tarpot"),
        *("Nether Slot", "Sower of Wild Oats", "Finder of Studs", "Noodle Weigher", "Murky Bottom"),
        *("Tall for Dwarfs", "Digger of Graves", "Sweepers of Ashes", "Pirate by Hobby"),
    ],
)
def test_the_families_know_the_endings_that_offended(ending: str) -> None:
    assert family_of(ending) is not None or not {*ending.split()}.isdisjoint(NEVER.split())


def test_no_word_is_vulgar_in_a_language_of_latin_letters() -> None:
    vulgar = _vulgar()
    assert {"english", "polish", "turkish"} <= {*vulgar.values()}
    words = {word for _, ending in _endings() for word in ending.replace("-", " ").split()}
    found = {word: vulgar[_plain(word)] for word in words | {*PEOPLE} if _plain(word) in vulgar}
    assert {word: language for word, language in found.items() if word not in HARMLESS} == {}
    assert found.keys() == HARMLESS.keys()  # an exception that is not needed any more goes


def test_nobody_has_the_name_of_a_god_or_a_prophet_or_one_that_offended() -> None:
    words = {word for _, ending in _endings() for word in ending.replace("-", " ").split()}
    known = {*map(str.lower, words | {*PEOPLE})}
    unwanted = [*GODS_AND_PROPHETS.split(), *NEVER.split()]
    assert [name for name in unwanted if name.lower() in known] == []


def test_women_and_men_are_as_many_by_a_public_list() -> None:
    """The list is that of Jörg Michael, by which the package ``gender-guesser`` tells."""
    detector = gender_guesser.detector.Detector(case_sensitive=False)
    count = Counter(detector.get_gender(name) for name in PEOPLE)
    women = count["female"] + count["mostly_female"]
    men = count["male"] + count["mostly_male"]
    assert min(women, men) > 1_000
    assert abs(women - men) <= 0.1 * min(women, men)


def test_every_theme_has_names_of_women_and_of_men() -> None:
    detector = gender_guesser.detector.Detector(case_sensitive=False)
    for theme in THEMES:
        count = Counter(detector.get_gender(name) for name in theme.words["first"])
        assert min(count["female"], count["male"]) >= 25, theme.id


@pytest.mark.parametrize("origin", ORIGINS)
def test_there_are_at_least_sixty_names_of_each_of_twelve_origins(origin: str) -> None:
    names = {name.strip() for name in ORIGINS[origin].split(",")}
    assert len(ORIGINS) == 12
    assert len(names & {*PEOPLE}) >= 60
    assert names <= {*PEOPLE}
    assert len({FIRSTS[name] for name in names}) >= 15  # themes
