"""Finds names in lists on the lines of a text. Pure, in linear time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from namepool.sources.llm.likely import (
    CUT,
    NAME,
    bare,
    column,
    how_likely,
    is_likely,
    is_small,
    marker,
    may_name,
    parted,
    undescribed,
)

_LETTER = re.compile(r"\s*([^\W\d_]|[IVXivx]{1,5})[.)]\s+")
_FIRST_LETTERS = frozenset("aAiIаАαΑא가")  # noqa: RUF001  of the alphabets, and Roman
_RULE = re.compile(r"[\s|:+=-]*")
_BREAK = re.compile(r"<br ?/?>|\\n(?![a-z])")
_ESCAPED = re.compile(r"\\([^\w\s])|\\text\w{2}\{([^}\n]*)\}|~~[^~\n]{1,200}~~")
_TEXTS = re.compile(
    r"<([a-z]\w{0,20})\b[^<>]{0,200}>\s*+(?:<[bi]>)?([^<>\n]{1,200})(?:</[bi]>)?\s*+</", re.I
)
_NAMED = re.compile(r"""<[a-z]\w{0,20}\b[^<>]{0,200}?\bname=["']([^"'<>\n]{1,200})["']""", re.I)
_FIELD = re.compile(
    r"\W{0,6}(?:(?:full|agent)[ _-]?)?(?:name|agent|nombre|nom|nome)\W{0,3}[:=]\W{0,3}(\w.*)", re.I
)
_FINAL = re.compile(
    r"\b(?:better|final|finally|improved|revised|corrected|polished|updated|instead|fresh|new"
    r"|neue[nr]?|bessere?|nouveaux|nuevos|real|scrap|oops|sorry|wait|hmm)\b|修正|最终|最終|抱歉",
    re.I,
)
_ASIDE = re.compile(
    r"\b(?:rules?|used|in use|rejected|avoid\w*|notes?|already|drafts?|first attempt|why|tips"
    r"|questions?|criteria|phrases|regeln|vergeben|règles|reglas)\b"
    r"|^(?!.*\b(?:names?|here|namen|noms|nombres)\b).*\b(?:themes?|kinds?|categor(?:y|ies)|styles?)\b",
    re.I,
)
_ENDS = tuple("!?…。？！।")  # noqa: RUF001
_CROSSES = frozenset("❌✗✘🚫⛔")
NUMBERED, BULLETED, QUOTED, PLAIN, BOLD, HEADING = range(6)
_STARTS = {**dict.fromkeys("\"“«「『(>'", QUOTED), "**": BOLD, "#": HEADING}


class Item(NamedTuple):
    """An item of a list. Items with the same kind and level belong together."""

    kind: int
    level: int
    name: str


def on_lines(text: str) -> list[str]:
    """Return the names of the list in ``text`` that looks most like names, without descriptions."""
    text = _ESCAPED.sub(r"\1\2", _BREAK.sub("\n", text))
    lines = [line for line in text.splitlines() if line.strip()]
    lettered = [mark[1] for line in lines if (mark := _LETTER.match(line))]
    if lettered[:1] < lettered[1:2] and lettered[0] in _FIRST_LETTERS:
        lines = [_LETTER.sub("- ", line) for line in lines]
    for names in (_tagged(text), _fields(lines), _table(lines)):
        if names:
            return [name for name in names if name and not name.endswith(CUT)]
    found: dict[tuple[int, int], list[str]] = {}
    for run in _runs(lines, found):
        names = [item.name for item in run]
        if 2 * sum(map(_is_phrase, names)) < len(names) or how_likely(names):
            found.setdefault(run[0][:2], []).extend(names)
    best = max((found[key] for key in sorted(found)), key=how_likely, default=[])
    if 2 * how_likely(best) > len(best):
        best = [name for name in best if not is_small(name)]  # the others are remarks
    elif not how_likely(best):
        best = [name for name in best if " " not in name]
    return best if len(best) > 1 else _in_a_sentence(lines) or best


def _runs(lines: Sequence[str], found: dict[tuple[int, int], list[str]]) -> Iterator[list[Item]]:
    """Yield the runs of items of the same kind; forget the ``found`` drafts before a final list."""
    run: list[Item] = []
    heading, aside = "", None  # ``aside`` is the kind of the list under a heading such as "rules"
    for line in lines:
        item = _item(line)
        if run and (item is None or item[:2] != run[0][:2]):
            yield run
            run = []
        if item is None or (item.kind >= BOLD and (is_final(line) or is_aside(line))):
            heading, aside = line, None
        elif is_aside(heading) and aside in (None, item[:2]):
            aside = item[:2]
        elif item.name:
            if is_final(heading):
                found.clear()
            heading = ""
            run.append(item)
    if run:
        yield run


def is_heading(line: str) -> bool:
    """Return whether a line may stand over a list."""
    return line.startswith(("#", "**")) or _is_label(line)


def is_final(heading: str) -> bool:
    """Return whether the list under a heading replaces the lists before it."""
    return is_heading(heading) and _FINAL.search(heading) is not None


def is_aside(heading: str) -> bool:
    """Return whether the list under a heading is not of names."""
    may_be_aside = is_heading(heading) and not is_final(heading)
    return may_be_aside and _ASIDE.search(heading) is not None


def _is_label(line: str) -> bool:
    return line.rstrip("*_ ").endswith((":", "："))  # noqa: RUF001


def _item(line: str) -> Item | None:
    """Return the item on a line, or ``None``. An item whose name is unknown has the name ``""``."""
    line = line.expandtabs(4)
    kind, rest = marker(line.lstrip())
    rest = rest.strip()
    level = (len(line) - len(line.lstrip())) // 2
    if line.lstrip()[0] in _CROSSES:
        return Item(BULLETED, level, "")
    if kind is None:
        level = len(rest) - len(rest.lstrip("#"))
        kind = next((kind for start, kind in _STARTS.items() if rest.startswith(start)), PLAIN)
        name = undescribed(rest.strip("();, ") if kind == QUOTED else rest[level:])
        return Item(kind, level, name) if is_likely(name) and not _is_label(rest) else None
    name = undescribed(rest)
    is_sentence = name.count(" ") > 4 or name.endswith(_ENDS)
    return Item(kind, level, "" if is_sentence or _is_label(rest) else name.rstrip("."))


def _is_phrase(name: str) -> bool:
    """Return whether there are several words, and all but the first begin with a small letter."""
    words = name.split()
    return len(words) > 1 and all(map(is_small, words[1:]))


def _tagged(text: str) -> list[str]:
    """Return the texts of the XML elements, or the attributes, that look most like names."""
    found: dict[str, list[str]] = {"name": [bare(name) for name in _NAMED.findall(text)]}
    for tag, inner in _TEXTS.findall(text):
        if may_name(tag):
            found.setdefault(tag.lower(), []).append(undescribed(inner))
    best = found["name"] or max(found.values(), key=how_likely)
    return best if how_likely(best) > 1 else []


def _fields(lines: Sequence[str]) -> list[str]:
    """Return the values of the fields "name", as in YAML."""
    found = [undescribed(field[1]) for line in lines if (field := _FIELD.match(line))]
    return found if how_likely(found) > 1 else []


def _table(lines: Sequence[str]) -> list[str]:
    """Return the names of a table: the column with such a heading, or with the likeliest cells."""
    cells = [[undescribed(cell) for cell in row] for row in _rows(lines)]
    header = [cell.lower() for cell in cells[0]] if cells else []
    if len(cells) > 1 and not how_likely(cells[0]):
        named = [n for n, cell in enumerate(header) if cell in NAME]
        kept = named or [n for n, cell in enumerate(header) if may_name(cell)]
        cells = [[row[n] for n in kept if n < len(row)] for row in cells[1:]] if kept else cells
    names = column(cells)
    return names if how_likely(names) or not NAME.isdisjoint(header) else []


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """Return the rows of a table in Markdown, or of separated values."""
    table = [line.strip().strip("|") for line in lines if line.lstrip().startswith("|")]
    if len(table) > 1:
        return [line.split("|") for line in table if not _RULE.fullmatch(line)]
    for mark in "\t;,":
        rows = list(csv.reader(lines, delimiter=mark, skipinitialspace=True))
        widths = [len(row) for row in rows if not row[-1].endswith(CUT)]
        is_table = len(widths) > 1 and len(set(widths)) == 1 and widths[0] > 1
        if is_table and (mark != "," or 2 * how_likely(lines) < len(lines)):
            return rows
    return []


def _in_a_sentence(lines: Sequence[str]) -> list[str]:
    """Return the names that one line lists with commas, behind a preface."""
    for line in lines:
        listed = line.rpartition(":")[2].strip().rstrip(".")
        first, comma, rest = listed.partition(";" if ";" in listed else ",")
        words = first.split()
        begin = max((n for n, word in enumerate(words, 1) if is_small(word)), default=0)
        if comma and len(names := parted(" ".join(words[begin:]) + comma + rest)) > 2:
            return names
    return []
