"""In each framework, every log line and span of two agents at once carries its agent's name.

The frameworks are installed by the extra ``frameworks``; ``.ci/run`` has a venv for them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from namepool import DEFAULT_NAME

from .support import PATIENCE

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "frameworks"
JOBS = ("planning", "testing")


class Program(NamedTuple):
    """What a program needs, and what each of its agents logs and traces: ends of lines."""

    needs: str
    logs: list[str]
    spans: list[str]


TOOLS = [": searching", ": measuring"]
CALLS = ["/search", "/measure"]
PROGRAMS = {
    "langgraph_crew": Program(
        "langgraph",
        [": thinking", *TOOLS, ": writing", ": reviewing"],
        [*CALLS, "/writing", "/reviewing"],
    ),
    "smolagents_crew": Program("smolagents", [*TOOLS, ": done"], CALLS),
    "openai_agents_crew": Program(
        "agents.testing",
        [": its trace begins", "its agent begins", "its function begins", *TOOLS, ": done"],
        CALLS,
    ),
    "pydantic_ai_crew": Program(
        "pydantic_ai",
        [*TOOLS, ": done"],
        [*CALLS, "/chat test", "/execute_tool search", "/execute_tool measure", "/invoke_agent"],
    ),
    "autogen_crew": Program("autogen_core", [*TOOLS, ": done"], CALLS),
}


def run(name: str) -> list[tuple[str, str, str]]:
    """Run a program as a user does; return agent, kind and text of each of its lines."""
    needs = PROGRAMS[name].needs
    pytest.importorskip(needs, reason=f"{name}.py WAS NOT RUN: install 'namepool[frameworks]'")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ", 2) for line in done.stdout.splitlines()]
    return [(agent, kind, text) for agent, kind, text in rows]


def test_every_program_is_in_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*PROGRAMS, "stage"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_line_and_span_of_two_agents_at_once_carries_its_agents_name(name: str) -> None:
    rows = run(name)
    agents = {job: {agent for agent, _, text in rows if job in text} for job in JOBS}
    assert [len(names) for names in agents.values()] == [1, 1], rows
    both = set.union(*agents.values())
    assert len(both) == 2
    assert {agent for agent, _, _ in rows} == both
    assert DEFAULT_NAME not in both
    for agent in both:
        for kind, ends in (("log", PROGRAMS[name].logs), ("span", PROGRAMS[name].spans)):
            said = [text for who, what, text in rows if (who, what) == (agent, kind)]
            missing = [end for end in ends if not any(end in text for text in said)]
            assert missing == [], said
