"""Run the Python blocks of a page as one program: ``python -m tests.docs.run PAGE URL [--write]``.

A block may ``await``. ``URL`` is where the model server is that the page has at its usual address.
What a block prints must be what the page says; with ``--write`` the page is made to say it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.pages import Block, blocks

MODEL_SERVER = "http://localhost:11434/v1"
"""Where the pages have their model server."""


def run(page: Path, url: str) -> Iterator[tuple[Block, str]]:
    """Run the blocks one after another, in one namespace; yield each with what it printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    out = sys.stdout = sys.stderr = io.StringIO()
    try:
        for block in blocks(page):
            if block.language == "python":
                said = out.tell()
                code = block.text.replace(MODEL_SERVER, url)
                _execute("\n" * (block.line - 1) + code, page, names)
                yield block, out.getvalue()[said:]
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _execute(code: str, page: Path, names: dict[str, Any]) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    result = eval(compile(code, page, "exec", flags, dont_inherit=True), names)  # noqa: S307
    if inspect.iscoroutine(result):
        asyncio.run(result)


def main(page: Path, url: str, write: str = "") -> None:
    """Check what the blocks print, or write it into the page."""
    text = page.read_text(encoding="utf-8")
    for block, printed in run(page, url):
        if not write:
            block.check(printed)
        elif block.printed is not None:
            start = text.index("```text\n", text.index(block.text)) + len("```text\n")
            text = text[:start] + printed + text[start + len(block.printed) :]
    if write:
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
