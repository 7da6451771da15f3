"""Short forms, slugs and colours of names. Pure."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from namepool.core.names import drawn, name_key

MAX_SLUG_LENGTH = 63
"""The most characters in a slug. A part of a host's name has the same limit."""

# The titles stand here without accents and in lower case. A title with a dot counts only if the
# name has the dot, too.
_TITLES = frozenset(
    """
    a accompanist acrobat adm. admiral agent an announcer aquanaut architect archivist astronaut
    astronomer aunt auntie author baker bandleader bard baron baroness big bold bosun botanist
    brother cadet calligrapher capt captain cartographer castellan chancellor chef chief
    choreographer chronicler clever climatologist col. colonel commander commodore composer
    conductor confectioner connoisseur constable cook corporal correspondent cosmologist count
    countess courier cousin cpl curator curious dame de dean deputy designer detective director
    diver doctor don dona dr dramatist driver duchess duke earl ecologist editor emperor empress
    engineer ensign explorer famous farmer father first florist forecaster foreman fr. frau fraulein
    gaffer gardener gen. general geographer globemaker good goodwife gourmet granny great guard
    guide harbourmaster head herald herr hr. illustrator inspector inventor judge juggler
    junctioneer kid king la lady laureate le lecturer letterer librarian lieutenant lightkeeper
    little lord lt lucky madam madame maestro maintainer maj. major mapmaker marshal master mate
    mayor meteorologist miss mister monsieur mother mr mrs ms narrator naturalist navigator
    neighbour oceanographer officer old pantry playwright poet porter postie postmaster prince
    princess private prof professor prompter puzzler pvt queen ranger researcher reverend
    riddlemaker ringmaster saint senator seneschal senor senora senorita sergeant sgt sheriff
    shipwright signor signora sir sister skipper sleuth soloist souschef speedy squire sr. sra srta
    st stargazer stationmaster storyteller surveyor sysop telegraphist the timekeeper tinker
    tramwright trooper uncle van viscount viscountess von waiter wise wizard young
    """.split()  # noqa: SIM905  easier to read
)
# An article is never a given name: that of "The Duke of Tea" is "Duke".
_ARTICLES = frozenset({"a", "an", "the"})
# A number behind one of these titles counts its bearers ("King V"). Some of the titles are given
# names as well ("Earl III").
_NUMBERED = frozenset(
    """
    baron baroness count countess dean don duchess duke earl emperor empress judge king major
    marshal prince princess queen
    """.split()  # noqa: SIM905
)
ORDINALS = (
    *("Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"),
    *("Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth"),
    *("Seventeenth", "Eighteenth", "Nineteenth", "Twentieth"),
)
"""The words for the second to the twentieth agent of the same name: "Ada the Second"."""
_LATER = frozenset({*map(str.lower, ORDINALS), "jr", "junior", "senior"})
_NUMERAL = re.compile("x{0,3}(ix|iv|v?i{0,3})|[0-9]+(st|nd|rd|th)")
_JOINING = frozenset(
    """
    a an and as at behind beside beyond by for from in into near of off on or over than the to under
    with without & + - / – —
    """.split()  # noqa: RUF001, SIM905
)
_NO_FILES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
)

COLORS = (
    *("#206cf9", "#ce3a84", "#21846b", "#c531be", "#6b7d03", "#bd0af9", "#9b6c27", "#8452fb"),
    *("#c55205", "#2c7bb0", "#d0434a", "#4173cf", "#eb0606", "#9261b3", "#048904", "#b05b70"),
)
"""The colours of names: see ``namepool.colors``.

All of them differ clearly from each other. Their order is chosen so that each colour differs most
from the colours next to it in this list.
"""


def short_name(name: str, held: Iterable[str] = ()) -> str:
    """Return the shortest form of ``name`` that does not read like another of the ``held`` names.

    That is the given name: "Ada", also for "Captain Ada Electron". If another held name may be
    shortened to a form that reads alike, the result is longer ("Ada the Yak"), at most the whole
    name. If no given name follows a title, the title is the given name: "Duke" for "Duke of the
    Jolly Whale". ``held`` may contain ``name``. A text without a word is returned unchanged.

    Examples:
        >>> namepool.short_name("Captain Ada Electron")
        'Ada'
        >>> namepool.short_name("Ada the Yak Shaver", held=["Ada Lovelace"])
        'Ada the Yak'
    """
    others = [_beginning_keys(other) for other in held if other != name]
    return next((form for form in _forms(name) if _only(form, others)), name)


def short_names(names: Sequence[str]) -> list[str]:
    """Return the short form of each name, as ``short_name`` chooses it among all these names."""
    known = Counter(key for name in names for key in _beginning_keys(name))
    return [next((f for f in _forms(n) if known[name_key(f)] == 1), n) for n in names]


def _only(form: str, others: Iterable[frozenset[str]]) -> bool:
    key = name_key(form)
    return not any(key in keys for keys in others)


def _forms(name: str) -> Iterator[str]:
    """Yield the forms of a name that begin with its given name, the shortest first.

    No form ends with a joining word such as "the". If the name has titles, the last form is all
    the rest of the name.
    """
    words = name.split()
    yield from _beginnings(words, _given(words))


def _beginnings(words: Sequence[str], first: int) -> Iterator[str]:
    for end in range(first + 1, len(words) + (first > 0)):
        if words[end - 1].lower() not in _JOINING and name_key(words[end - 1]):
            yield " ".join(words[first:end]).rstrip(",&-")


def given_name(name: str) -> str:
    """Return the word by which people call the bearer: the first word after the titles.

    A word is a title only if a given name follows it. So the given name of "Duke Ellington" is
    "Ellington", but the given name of "Duke of the Jolly Whale" is "Duke". For the same reason
    "Dean the Baker" has the given name "Dean", "Earl III" has "Earl", and "Sheriff, Owner of One
    Plank" has "Sheriff". If a name has nothing but titles, its last title is its given name.

    After most titles, a number or a single letter is a given name: the given name of "Agent 7" is
    "7", and that of "Captain X" is "X". But some titles, such as duke or king, often have a number.
    After such a title, a number or a lone I, V or X is not the given name: the given name of
    "King V" is "King".
    """
    return untitled(name)[0].rstrip(",&-")


def untitled(name: str) -> list[str]:
    """Return the words of a name from its given name on."""
    words = name.split()
    return words[_given(words) :]


def _given(words: Sequence[str]) -> int:
    """Return the index of the given name; if none follows the titles, that of the last title."""
    start = title = None
    for at, word in enumerate(words):
        if title is not None and _follows_a_name(word, _plain(words[title])):
            break
        if not name_key(word):
            continue
        start = at
        if not _is_title(word):
            return at
        if _plain(word) not in _ARTICLES:
            title = at
            if word[-1] in ",;:":
                break
    return title if title is not None else start or 0


def _is_title(word: str) -> bool:
    return _plain(word) in _TITLES or ("." in word and f"{_plain(word)}." in _TITLES)


def _follows_a_name(word: str, title: str) -> bool:
    """Tell whether ``word`` continues a name, so that ``title`` before it is a given name."""
    text = _plain(word)
    if word.lstrip("(['\"“‘«").lower() in _JOINING or text in _LATER:  # noqa: RUF001
        return True
    if len(text) == 1 or text.isdecimal():
        return title in _NUMBERED and (text.isdecimal() or text in "ivx")
    if text in ("vi", "xi") and not word.isupper():  # these are given names, too
        return False
    return text != "" and _NUMERAL.fullmatch(text) is not None


@lru_cache(maxsize=4096)  # every log line asks for the same few words
def _plain(word: str) -> str:
    """Return the letters and digits of a word in small letters, without accents."""
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(filter(str.isalnum, decomposed.casefold()))


@lru_cache(maxsize=4096)  # a log line of one name looks at all other names
def _beginning_keys(name: str) -> frozenset[str]:
    """Return the keys of the beginnings of ``name``, with its titles and without them.

    The beginnings with titles count because another name may consist of a title only.
    """
    words = name.split()
    return frozenset(map(name_key, (*_beginnings(words, 0), *_forms(name), name)))


def slug(name: str) -> str:
    """Return ``name`` in a form that is a valid name of a branch, a file or a host.

    A slug has 1 to 63 characters: a to z, 0 to 9, and single hyphens between them. It is never the
    name of a Windows device. Names with different keys (``name_key``) have different slugs. If a
    name does not fit, or is not written in Latin letters, its slug ends in twelve hexadecimal
    digits that stand for the key.

    Examples:
        >>> namepool.slug("Ada, the Yak-Shaver")
        'ada-the-yak-shaver'
        >>> namepool.slug("李白")
        'name-b23f840ff52e'
    """
    text = "".join(c for c in name if c not in "'’")  # noqa: RUF001
    words = text if text.isascii() else " ".join(map(drawn, text.split()))
    plain = "-".join(re.findall("[a-z0-9]+", words.lower()))
    fits = 0 < len(plain) <= MAX_SLUG_LENGTH and plain not in _NO_FILES
    if fits and name_key(plain) == name_key(name):
        return plain
    from hashlib import sha256  # imported late: few names need it

    digest = sha256(name_key(name).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain[: MAX_SLUG_LENGTH - 13].rstrip('-') or 'name'}-{digest}"


def own_color(key: str) -> int:
    """Return the place in ``COLORS`` of the colour that a name has by itself, from its key."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % len(COLORS)
