"""Replies of models and servers, and how many of them are read as a person reads them.

python -m tests.sources.llm.corpus
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from namepool.errors import SourceError
from namepool.sources.llm.reply import Reader


class Case(NamedTuple):
    """An answer, and the names that a person reads in it."""

    id: str
    kind: str
    body: bytes
    names: list[str]

    def read(self) -> list[str]:
        """Return the names that the reader finds."""
        try:
            return Reader().read_answer({"content-type": self.kind}, self.body).names
        except SourceError:
            return []


def _case(file: str, entry: dict[str, Any]) -> Case:
    body = entry.get("body")
    if body is None:
        message = {"role": "assistant", "content": entry["text"]}
        choice = {"index": 0, "message": message, "finish_reason": entry.get("finish", "stop")}
        body = json.dumps({"choices": [choice]})
    kind = entry.get("type", "application/json")
    return Case(f"{file}: {entry['id']}", kind, body.encode(), entry["names"])


CASES = [
    _case(path.stem, entry)
    for path in sorted(Path(__file__).parent.glob("*.toml"))
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["reply"]
]
