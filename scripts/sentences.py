"""Count the sentences that say "who", "whoever" or "what" where a noun should stand.

"Who asks first is served" has no noun for its subject, and "it tells what failed" has none for its
object. The reader goes back to find the person or the thing. "The first caller is served" and "it
names the error" are read once. Questions do not count, nor does "who" behind its noun ("the agent
who asks").

    python scripts/sentences.py [--limit N]

reads README, docs and the other pages, and the docstrings, comments and messages of the package and
the examples. It prints each such sentence with its place, then their number, and fails if there are
more than N.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parent.parent

BEFORE = (
    "and|as|asks|at|before|but|by|for|from|if|in|into|is|keeps|knows|nor|of|on|or|says|sees|shows|"
    "so|tells|than|that|then|to|was|when|where|while|with|without"
)
"""The words that stand before a "who" of its own. Other words may be its noun."""

FREE = re.compile(
    rf"\b(whoever|whomever|whatever|what)\b|(^\W*|[.:;,(—] ?|\b({BEFORE}) )who\b", re.IGNORECASE
)
END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_`]*[A-Z`\[])")
BREAK = re.compile(r"\n\s*\n|\n\s*(?=[-*#] |\d+\. |Raises:|Example)|\|")
CODE = re.compile(r"^( *)```(?s:.*?)^\1```$|^ *(?:>>>|\.\.\.) .*$", re.MULTILINE)
MARKUP = re.compile(r"(`+)(?:[^`\n]|\n(?!\s*\n))+?\1|\]\([^)\n]*\)|</?\w[^>\n]*>")

Part = tuple[int, str]
"""The number of a line, and a text that begins there."""


def parts(path: Path) -> Iterator[Part]:
    """Yield the prose of a file: all of a page; docstrings, comments and messages of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from chain(_strings(ast.parse(text)), _comments(text))
    else:
        yield 1, text


def _strings(tree: ast.AST) -> Iterator[Part]:
    nodes = list(ast.walk(tree))
    inside: set[ast.expr] = set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            inside.update(node.values)
            shown = (str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
            yield node.lineno, "".join(shown)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.lineno, node.value


def _comments(text: str) -> Iterator[Part]:
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != first + len(lines):
                yield first, "\n".join(lines)
                first, lines = token.start[0], []
            lines.append(token.string.lstrip("# "))
    yield first, "\n".join(lines)


def sentences(text: str) -> Iterator[Part]:
    """Yield each sentence of a text with its line, counted from 0; code is left out."""
    for pattern in (CODE, MARKUP):
        text = pattern.sub(lambda code: "X" + "\n" * code[0].count("\n"), text)
    at = 0
    for sentence in (one for piece in BREAK.split(text) for one in END.split(piece)):
        at = text.index(sentence, at)
        yield text.count("\n", 0, at), " ".join(sentence.split())
        at += len(sentence)


def is_free(sentence: str) -> bool:
    """Return whether a pronoun stands where the sentence should have a noun."""
    return bool(FREE.search(sentence)) and not sentence.rstrip("\"')*_").endswith("?")


def main() -> None:
    """Print the sentences, and their number."""
    parser = argparse.ArgumentParser(description="Count the sentences without a noun.")
    parser.add_argument("--limit", type=int, default=sys.maxsize, metavar="N")
    limit = parser.parse_args().limit
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    modules = [*(ROOT / "namepool").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    count = 0
    for path in [*sorted(pages), *sorted(modules)]:
        for first, text in parts(path):
            for line, sentence in sentences(text):
                if is_free(sentence):
                    count += 1
                    print(f"{path.relative_to(ROOT)}:{first + line}: {sentence}")
    print(f"{count} sentences")
    sys.exit(count > limit)


if __name__ == "__main__":
    main()
