"""Finds names in lists on the lines of a text. Pure, in linear time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from namepool.sources.llm.likely import (
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
_FENCE = re.compile(r"\s*```")
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
_ENDS = ".!?…。？！।"  # noqa: RUF001
_CROSSES = frozenset("❌✗✘🚫⛔")
_CLOSING = '"”»」』`*)'
NUMBERED, BULLETED, QUOTED, PLAIN, BOLD, HEADING = range(6)
_STARTS = {**dict.fromkeys("\"“«「『(>'", QUOTED), "**": BOLD, "#": HEADING}


class Item(NamedTuple):
    """An item of a list. Items with the same kind and indentation belong together."""

    kind: int
    indent: int
    name: str


def on_lines(text: str, *, cut: bool = False) -> list[str]:
    """Return the names of the list in ``text`` that looks most like names, without descriptions.

    If the text was ``cut`` off, its last item counts only if its end can be seen.
    """
    text = _ESCAPED.sub(r"\1\2", _BREAK.sub("\n", text))
    lines = [line for line in text.splitlines() if line.strip() and not _FENCE.match(line)]
    lettered = [mark[1] for line in lines if (mark := _LETTER.match(line))]
    if lettered[:1] < lettered[1:2] and lettered[0] in _FIRST_LETTERS:
        lines = [_LETTER.sub("- ", line) for line in lines]
    for read in (_tagged, _fields, _rows):
        if names := read(text, lines, cut=cut):
            return names
    found: dict[tuple[int, int], list[str]] = {}
    for run in _runs(lines, found, cut=cut):
        names = [item.name for item in run]
        if 2 * sum(map(_is_phrase, names)) < len(names) or how_likely(names):
            found.setdefault(run[0][:2], []).extend(names)
    ranked = [names for _, names in sorted(found.items())]
    best = max(ranked, key=how_likely, default=[])
    if 2 * how_likely(best) > len(best):
        best = [name for name in best if not is_small(name)]  # the others are remarks
    return best if len(best) > 1 else _in_a_sentence(lines, cut=cut) or best


def _runs(
    lines: Sequence[str], found: dict[tuple[int, int], list[str]], *, cut: bool
) -> Iterator[list[Item]]:
    """Yield the runs of items of the same kind; forget the ``found`` drafts before a final list."""
    run: list[Item] = []
    heading, aside = "", None  # ``aside`` is the kind of the list under a heading such as "rules"
    for number, line in enumerate(lines):
        item = _item(line, cut=cut and number == len(lines) - 1)
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
    is_of_names = not is_heading(heading) or is_final(heading)
    return not is_of_names and _ASIDE.search(heading) is not None


def _is_label(line: str) -> bool:
    return line.rstrip("*_ ").endswith((":", "："))  # noqa: RUF001


def _item(line: str, *, cut: bool) -> Item | None:
    """Return the item on a line, or ``None``. An item whose name is unknown has the name ``""``."""
    indent = len(line) - len(line.lstrip())
    indent += 3 * line[:indent].count("\t")
    if line.lstrip()[0] in _CROSSES:
        return Item(BULLETED, indent // 2, "")
    kind, rest = marker(line.lstrip())
    rest = rest.strip()
    level = 0
    if kind is None:
        level = len(rest) - len(rest.lstrip("#"))
        kind = next((kind for start, kind in _STARTS.items() if rest.startswith(start)), PLAIN)
        rest = rest.strip("();, ") if kind == QUOTED else rest
    name, is_described = undescribed(rest[level:])
    is_open = cut and not is_described and rest[-1:] not in tuple(_CLOSING)
    if kind >= QUOTED:
        if _is_label(rest) or not is_likely(name):
            return None
        return Item(kind, level, "" if is_open else name)
    if _is_label(rest) or (rest.endswith("?") and not is_described):
        return Item(kind, indent // 2, "")
    is_sentence = name.count(" ") > 4 or name[-1:] in tuple(_ENDS[1:])
    return Item(kind, indent // 2, "" if is_open or is_sentence else name.rstrip("."))


def _is_phrase(name: str) -> bool:
    """Return whether there are several words, and all but the first begin with a small letter."""
    words = name.split()
    return len(words) > 1 and all(map(is_small, words[1:]))


def _tagged(text: str, _: Sequence[str], *, cut: bool) -> list[str]:
    """Return the texts of the XML elements, or the attributes, that look most like names."""
    found: dict[str, list[str]] = {"name": [bare(name) for name in _NAMED.findall(text)]}
    for tag, inner in _TEXTS.findall(text):
        if may_name(tag):
            found.setdefault(tag.lower(), []).append(undescribed(inner)[0])
    best = found["name"] or max(found.values(), key=how_likely)
    return best if how_likely(best) > 1 else []


def _fields(_: str, lines: Sequence[str], *, cut: bool) -> list[str]:
    """Return the values of the fields "name", as in YAML."""
    whole = lines[:-1] if cut else lines
    found = [undescribed(field[1])[0] for line in whole if (field := _FIELD.match(line))]
    return found if how_likely(found) > 1 else []


def _rows(_: str, lines: Sequence[str], *, cut: bool) -> list[str]:
    """Return the column of names of a table in Markdown or of separated values."""
    table = [line.strip().strip("|") for line in lines if line.lstrip().startswith("|")]
    if len(table) > 1:
        is_open = cut and not lines[-1].rstrip().endswith("|")
        rules = [line for line in table if _RULE.fullmatch(line)]
        return _named_column([line.split("|") for line in table if line not in rules], is_open)
    for mark in filter(lines[0].__contains__, "\t;,") if lines else ():
        rows = list(csv.reader(lines, delimiter=mark, skipinitialspace=True))
        whole = rows[:-1] if cut else rows
        if len(whole) < 2 or len(whole[0]) < 2 or len({len(row) for row in whole}) > 1:
            continue
        if mark != "," or 2 * how_likely(lines) < len(lines):
            return _named_column(rows, cut)
    return []


def _named_column(rows: list[list[str]], is_open: bool) -> list[str]:
    """Return the names of a table: the column with such a heading, or with the likeliest cells."""
    if rows and is_open:
        rows[-1].pop()
    cells = [[undescribed(cell)[0] for cell in row] for row in rows]
    header = [cell.lower() for cell in cells[0]] if cells else []
    if len(cells) > 1 and not how_likely(cells[0]):
        kept = [n for n, cell in enumerate(header) if cell in NAME] or [
            n for n, cell in enumerate(header) if may_name(cell)
        ]
        cells = [[row[n] for n in kept if n < len(row)] for row in cells[1:]] if kept else cells
    names = [str(name) for name in column(cells) if name]
    return names if how_likely(names) or (header != [] and set(header) & NAME) else []


def _in_a_sentence(lines: Sequence[str], *, cut: bool) -> list[str]:
    """Return the names that one line lists with commas, behind a preface."""
    for number, line in enumerate(lines):
        listed = line.rpartition(":")[2].strip().rstrip(".")
        first, comma, rest = listed.partition(",")
        words = first.split()
        begin = next((n for n in range(len(words), 0, -1) if is_small(words[n - 1])), 0)
        if cut and number == len(lines) - 1:
            rest = rest.rpartition(",")[0]
        if comma and len(names := parted(" ".join(words[begin:]) + comma + rest)) > 2:
            return names
    return []
