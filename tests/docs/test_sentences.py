"""The sentences of the project have nouns; ``scripts/sentences.py`` counts those that have none."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

SCRIPT = ROOT / "scripts" / "sentences.py"
COUNT = runpy.run_path(str(SCRIPT))


def test_hardly_a_sentence_has_a_pronoun_for_a_noun() -> None:
    command = [sys.executable, str(SCRIPT), "--limit", "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "sentence",
    [
        "Who has no name speaks under the name of its agent.",
        "It is told to whoever asks.",
        "The message says what is expected.",
        "What came is dropped.",
        "A name is free; who asks first has it.",
        "Wait for who comes.",
        "- Who asks is served.",
        "**Who asks** is served.",
    ],
)
def test_a_sentence_counts(sentence: str) -> None:
    assert COUNT["is_free"](sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The agent who asks first has it.",
        "What is an owner?",
        '"Who holds the name?"',
        "Callers who wait are served in order.",
        "Show it somewhat whole.",
    ],
)
def test_a_sentence_does_not_count(sentence: str) -> None:
    assert not COUNT["is_free"](sentence)


def counted(path: Path) -> list[tuple[int, str]]:
    return [
        (first + line, sentence)
        for first, text in COUNT["parts"](path)
        for line, sentence in COUNT["sentences"](text)
        if COUNT["is_free"](sentence)
    ]


def test_the_prose_of_a_page_is_read_without_its_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# What it does\n\nOne. Two says `what`.\n\n```python\nwhat = 1\n```\n\n| what | that |\n\n"
        "It is 1 < 2. What follows is read, as `one\ntwo` and 3 > 2.\n",
        encoding="utf-8",
    )
    follows = (11, "What follows is read, as X and 3 > 2.")
    assert counted(page) == [(1, "# What it does"), (9, "what"), follows]


def test_docstrings_comments_and_messages_of_a_module_are_read(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '''"""Do it.

Return what is left.

>>> print("what")
... # what

Say what follows.
"""

# A comment,
# and what it says.
what = f"{1} tells what {2} is"
''',
        encoding="utf-8",
    )
    assert sorted(counted(module)) == [
        (3, "Return what is left."),
        (8, "Say what follows."),
        (11, "A comment, and what it says."),
        (13, "X tells what X is"),
    ]
