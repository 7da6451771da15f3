"""How a name is shown where space, characters or colour are what counts. Pure."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from namepool.core.names import drawn, name_key

MAX_SLUG_LENGTH = 63
"""Longest slug, in characters: that of a host's name."""

# Without accents, in small letters; one with a dot is a title only if it is written with it.
_TITLES = frozenset(
    """
    a acrobat adm. admiral agent an architect astronomer aunt auntie baker baron baroness big bold
    bosun brother cadet capt captain chef chief clever col. colonel commander commodore conductor
    constable cook corporal count countess courier cousin cpl curious dame de dean deputy detective
    director diver doctor don dona dr driver duchess duke earl emperor empress engineer ensign
    explorer famous farmer father first foreman fr. frau fraulein gaffer gardener gen. general good
    goodwife granny great guard guide harbourmaster herald herr hr. inspector inventor judge kid
    king la lady le librarian lieutenant little lord lt lucky madam madame maestro maj. major
    marshal master mate mayor miss mister monsieur mother mr mrs ms navigator officer old poet
    porter postmaster prince princess private prof professor pvt queen ranger reverend ringmaster
    saint senator senor senora senorita sergeant sgt sheriff signor signora sir sister skipper
    speedy squire sr. sra srta st stationmaster sysop the tinker trooper uncle van viscount
    viscountess von waiter wise wizard young
    """.split()  # noqa: SIM905  easier to read
)
# No name by themselves: "The Duke of Tea" is a Duke.
_ARTICLES = frozenset({"a", "an", "the"})
# Titles that have a number behind them, and names that are titles as well.
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
"""What sets the later bearers of a name apart from the first one."""
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
"""What ``color_of`` returns: as far apart as may be, neighbours in this list farthest."""


def short_name(name: str, held: Iterable[str] = ()) -> str:
    """Return the shortest form of ``name`` that no other of the ``held`` names can be read as.

    That is the given name ("Ada", of "Captain Ada Electron" too), or, if another has one that reads
    like it, more ("Ada the Yak"), at most all of the name. A title that no given name follows is
    the name: "Duke", of "Duke of the Jolly Whale". ``held`` may contain ``name``. A text without a
    word is returned as it is.
    """
    others = [_beginning_keys(other) for other in held if other != name]
    return next((form for form in _forms(name) if _only(form, others)), name)


def short_names(names: Sequence[str]) -> list[str]:
    """Return the ``short_name`` of each of many names among all of them."""
    known = Counter(key for name in names for key in _beginning_keys(name))
    return [next((f for f in _forms(n) if known[name_key(f)] == 1), n) for n in names]


def _only(form: str, others: Iterable[frozenset[str]]) -> bool:
    key = name_key(form)
    return not any(key in keys for keys in others)


def _forms(name: str) -> Iterator[str]:
    """Yield the beginnings of a name, from its given name on, that do not end in the middle.

    The last is all of it, without the titles.
    """
    words = name.split()
    yield from _beginnings(words, _given(words))


def _beginnings(words: Sequence[str], first: int) -> Iterator[str]:
    for end in range(first + 1, len(words) + (first > 0)):
        if words[end - 1].lower() not in _JOINING and name_key(words[end - 1]):
            yield " ".join(words[first:end]).rstrip(",&-")


def given_name(name: str) -> str:
    """Return the word by which people call the bearer: the first one after the titles.

    A word is a title only if a given name follows it: "Duke of the Jolly Whale", "Dean the Baker",
    "Earl III" and "Sheriff, Owner of One Plank" are a Duke, a Dean, an Earl and a Sheriff, and so
    is a name that is nothing but a title. "Duke Ellington" is a duke called Ellington.

    A number, or a lone V or X, is what people call "Agent 7" and "Captain X" by. After a title
    that is numbered, as dukes and kings are, it is none.
    """
    return untitled(name)[0].rstrip(",&-")


def untitled(name: str) -> list[str]:
    """Return the words of a name from its given name on."""
    words = name.split()
    return words[_given(words) :]


def _given(words: Sequence[str]) -> int:
    """Return where the given name is. Where none follows the titles, the last title is one."""
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
    """Tell whether a word goes on after a name, so that ``title`` before it is the name."""
    text = _plain(word)
    if word.lstrip("(['\"“‘«").lower() in _JOINING or text in _LATER:  # noqa: RUF001
        return True
    if len(text) == 1 or text.isdecimal():
        return title in _NUMBERED and (text.isdecimal() or text in "ivx")
    if text in ("vi", "xi") and not word.isupper():  # given names too
        return False
    return text != "" and _NUMERAL.fullmatch(text) is not None


@lru_cache(maxsize=4096)  # the same few words are looked at for every log line
def _plain(word: str) -> str:
    """Return the letters and digits of a word in small letters, without accents."""
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(filter(str.isalnum, decomposed.casefold()))


@lru_cache(maxsize=4096)  # a name is looked at for every log line of every other one
def _beginning_keys(name: str) -> frozenset[str]:
    """Return the keys of the beginnings of ``name``, with its titles and without.

    With them, because a title may be all the name that another one has.
    """
    words = name.split()
    return frozenset(map(name_key, (*_beginnings(words, 0), *_forms(name), name)))


def slug(name: str) -> str:
    """Return ``name`` as a branch, a file or a host may be called: ``"ada-the-yak-shaver"``.

    a to z, 0 to 9 and single hyphens between them; 1 to 63 characters; no device of Windows. Names
    whose ``name_key`` differs have different slugs: what does not fit, or is not written in Latin
    letters, ends in twelve digits that stand for the key.
    """
    text = "".join(c for c in name if c not in "'’")  # noqa: RUF001
    words = text if text.isascii() else " ".join(map(drawn, text.split()))
    plain = "-".join(re.findall("[a-z0-9]+", words.lower()))
    fits = 0 < len(plain) <= MAX_SLUG_LENGTH and plain not in _NO_FILES
    if fits and name_key(plain) == name_key(name):
        return plain
    from hashlib import sha256  # only now: few names need it

    digest = sha256(name_key(name).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain[: MAX_SLUG_LENGTH - 13].rstrip('-') or 'name'}-{digest}"


def color_of(name: str) -> str:
    """Return the colour of ``name`` as ``"#rrggbb"``: the same in every process and on every day.

    One of ``COLORS``, each of which can be read on black and on white (a contrast of 4.5 to 1).
    """
    return COLORS[zlib.crc32(name_key(name).encode("utf-8", "surrogatepass")) % len(COLORS)]
