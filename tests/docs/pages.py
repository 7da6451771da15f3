"""The blocks of a page: ``python`` and ``sh`` are run, ``text`` is the output of the one before.

``log`` is the output of an example. ``yaml`` is a manifest of Kubernetes and ``redis`` a server's
configuration: see ``test_fleets``.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"python", "sh", "text", "mermaid", "yaml", "redis", "log"}

_FENCE = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    line: int
    """Where its first line is in the page, counted from 1."""
    text: str
    printed: str | None = None
    """What the page says that it prints; ``...`` stands for anything."""

    def check(self, got: str) -> None:
        """Fail if it printed something else than the page says."""
        if self.printed is not None:
            assert self.fits(got), (
                f"line {self.line}: the page says\n{self.printed}\nbut it printed\n{got}"
            )

    def fits(self, got: str) -> bool:
        """Tell whether the page says what was printed."""
        return doctest.OutputChecker().check_output(self.printed or "", got, doctest.ELLIPSIS)

    def rewritten(self, got: str) -> str:
        """Return what the page should say: each line of ``got``, or the page's, if it fits."""
        said, lines = (self.printed or "").splitlines(), got.splitlines()
        if len(said) != len(lines):
            return got
        fits = doctest.OutputChecker().check_output
        pairs = zip(said, lines, strict=True)
        kept = [old if fits(old, new, doctest.ELLIPSIS) else new for old, new in pairs]
        return "".join(f"{line}\n" for line in kept)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that are run or drawn, in order, each with what it prints."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        block = Block(match[2], text.count("\n", 0, match.start()) + 2, match[3])
        if block.language == "text":
            before = found[-1]
            assert before.printed is None, f"{page.name}:{block.line}: two outputs of one block"
            found[-1] = before._replace(printed=block.text)
        else:
            found.append(block)
    return found
