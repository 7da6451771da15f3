"""How a name is shown where space, characters or colour are what counts. Pure."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from namepool.core.names import drawn, name_key

MAX_SLUG_LENGTH = 63
"""Longest slug, in characters: that of a host's name."""

_TITLES = frozenset(
    """
    a acrobat admiral agent an architect astronomer aunt auntie baker baron baroness big bold
    bosun brother captain chef chief clever colonel commander commodore conductor constable cook
    count countess courier cousin curious dame de dean deputy director diver doctor dr driver
    duchess duke engineer explorer famous farmer father first foreman gaffer gardener general good
    goodwife granny great guard guide harbourmaster herald inspector inventor judge kid king la
    lady le librarian lieutenant little lord lucky madam madame maestro major marshal master mate
    miss mister mother mr mrs ms navigator old poet porter postmaster prince princess prof
    professor queen ranger ringmaster saint sergeant signor sir sister skipper speedy squire st
    stationmaster sysop the tinker uncle van von waiter wise wizard young
    """.split()  # noqa: SIM905  easier to read
)
_JOINING = frozenset({"a", "an", "and", "by", "for", "from", "in", "of", "on", "the", "to", "with"})
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
    like it, more ("Ada the Yak"), at most all of the name. ``held`` may contain ``name``. A text
    without a word is returned as it is.
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
    """Yield the beginnings of a name, from its given name on, that do not end in the middle."""
    words = name.split()
    first = _given(words) if words else 0
    for end in range(first + 1, len(words)):
        if words[end - 1].lower() not in _JOINING and name_key(words[end - 1]):
            yield " ".join(words[first:end]).rstrip(",&-")


def given_name(name: str) -> str:
    """Return the word by which people call the bearer: the first that is no title, or the last."""
    words = name.split()
    return words[_given(words)].rstrip(",&-")


def _given(words: Sequence[str]) -> int:
    read = [at for at, word in enumerate(words) if name_key(word)] or [0]
    return next((at for at in read if not is_title(words[at])), read[-1])


def is_title(word: str) -> bool:
    """Tell whether a word stands before a given name rather than being one."""
    return "".join(filter(str.isalnum, word.lower())) in _TITLES


@lru_cache(maxsize=4096)  # a name is looked at for every log line of every other one
def _beginning_keys(name: str) -> frozenset[str]:
    return frozenset(map(name_key, (*_forms(name), name)))


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
