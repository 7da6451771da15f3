"""Run the Python blocks of a page as one program: ``python -m tests.docs.run PAGE [--write]``.

The model server that a page asks is played by an endpoint on this machine.
What a block prints must be what the page says; with ``--write`` the page is made to say it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.docs.pages import Block, blocks
from tests.sources.llm.scripted import Endpoint

MODEL_SERVER = "http://localhost:11434/v1"
"""Where the pages have their model server."""


def environment(url: str) -> dict[str, str]:
    """Return what is set for who uses the endpoint at ``url``."""
    return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-of-the-docs", "no_proxy": "*"}


def run(page: Path, url: str) -> Iterator[tuple[Block, str]]:
    """Run the blocks one after another, in one namespace; yield each with what it printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    out = sys.stdout = sys.stderr = io.StringIO()
    try:
        for block in blocks(page):
            if block.language == "python":
                said = out.tell()
                text = "\n" * (block.line - 1) + block.text.replace(MODEL_SERVER, url)
                exec(compile(text, page, "exec", dont_inherit=True), names)  # noqa: S102
                yield block, out.getvalue()[said:]
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def main(page: Path, write: str = "") -> None:
    """Check what the blocks print, or write it into the page; their files go elsewhere."""
    page = page.absolute()
    text = page.read_text(encoding="utf-8")
    with Endpoint() as endpoint, TemporaryDirectory() as folder, chdir(folder):
        os.environ.update(environment(endpoint.url))
        for block, printed in run(page, endpoint.url):
            if not write:
                block.check(printed)
            elif block.printed is not None and not block.fits(printed):
                printed = block.rewritten(printed)
                start = text.index("```text\n", text.index(block.text)) + len("```text\n")
                text = text[:start] + printed + text[start + len(block.printed) :]
    if write:
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
