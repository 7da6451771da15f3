"""Every example runs as it stands, offline, and shows what it is there to show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from namepool import DEFAULT_NAME

from .support import PATIENCE

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "logs_structlog.py": "structlog",
    "logs_loguru.py": "loguru",
    "logs_rich.py": "rich",
    "traces.py": "opentelemetry.sdk",
}
"""What an example needs beyond the package; the extra ``dev`` installs it all."""


@cache
def _run(example: str) -> list[str]:
    """Run an example as a user does, once; return the lines it printed."""
    if example in NEEDS:
        library = NEEDS[example]
        pytest.importorskip(library, reason=f"examples/{example} WAS NOT RUN: it needs {library}")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / example)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("example", [path.name for path in EXAMPLES])
def test_an_example_runs_and_prints_something_but_no_complaint(example: str) -> None:
    assert _run(example)


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_an_example_hides_no_module_of_the_standard_library(example: str) -> None:
    assert example not in sys.stdlib_module_names


def test_threads_gives_every_agent_and_every_reviewer_a_name_of_its_own() -> None:
    *reports, _ = _run("threads.py")
    matches = [re.match("(.+) asks for a review; (.+) reviews it", line) for line in reports]
    agents = [match[1] for match in matches if match]
    assert len(set(agents)) == len(agents) == 5
    assert all(match and match[1] != match[2] for match in matches)


def test_threads_lets_the_outer_name_speak_again() -> None:
    *reports, _ = _run("threads.py")
    assert all(re.fullmatch(r"(.+) asks for .*; \1 is happy", line) for line in reports)


def test_threads_brings_every_name_home() -> None:
    assert _run("threads.py")[-1].startswith("0 names are out")


def test_messages_shows_a_name_a_failure_a_timeout_futures_and_tasks() -> None:
    starts = ["by message", "no names", "too slow for the first request", "by proxy"]
    lines = _run("messages.py")
    assert [line.partition(":")[0] for line in lines[3:4]] == starts[3:]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=False))
    assert len({line.partition(" is ")[0] for line in lines[4:]}) == 3


def test_messages_shows_the_cause_of_missing_names() -> None:
    assert "no names: the registry is closed on Sundays" in _run("messages.py")


def test_messages_loses_no_name_to_a_timeout() -> None:
    assert _run("messages.py")[2].endswith(": Clerk 1")


def test_workers_speak_as_their_agent_only_where_they_were_asked_to() -> None:
    lines = _run("workers.py")
    for agent, *work in (lines[:7], lines[7:]):
        name = agent.removeprefix("The agent is ").removesuffix(".")
        ran_by = [line.partition("run by ")[2] for line in work]
        assert ran_by == [DEFAULT_NAME, name, name, name, name, DEFAULT_NAME]


def test_logs_attributes_the_lines_of_an_agent_and_no_others() -> None:
    rows = [line.split(" | ") for line in _run("logs.py")]
    assert [message for _, message in rows[::2]] == [
        "attributed by a filter",
        "attributed by a record factory",
        "attributed by a filter before a queue",
    ]
    assert len({agent for agent, _ in rows[::2]} - {DEFAULT_NAME}) == 3
    assert {agent.strip() for agent, _ in rows[1::2]} == {DEFAULT_NAME}


def test_logs_structlog_attributes_the_events_of_an_agent_but_those_that_name_another() -> None:
    events = [json.loads(line) for line in _run("logs_structlog.py")]
    said = {event["job"]: event["agent"] for event in events if event["event"] == "started"}
    assert len({*said.values(), DEFAULT_NAME}) == 3
    for event in events:
        quoted = event["event"] == "quoted"
        expected = said.get(event.get("job"), DEFAULT_NAME)
        assert event["agent"] == ("Somebody Else" if quoted else expected)


def test_logs_loguru_attributes_what_another_thread_writes() -> None:
    rows = [line.split(" | ") for line in _run("logs_loguru.py")]
    assert [message for _, message in rows] == ["started planning", "started testing", "all done"]
    agents = [agent.strip() for agent, _ in rows]
    assert len(set(agents)) == 3
    assert agents[-1] == DEFAULT_NAME


def test_logs_rich_shows_the_agents_one_below_the_other() -> None:
    lines = _run("logs_rich.py")
    assert [line[34:].rstrip() for line in lines] == [
        "started planning",
        "started testing",
        "all done",
    ]
    agents = [line[9:33].strip() for line in lines]
    assert len(set(agents)) == 3
    assert agents[-1] == DEFAULT_NAME


def test_traces_names_the_agent_here_and_where_it_asks_for_something() -> None:
    rows = [line.split(" | ") for line in _run("traces.py")]
    assert [span.strip() for span, _ in rows] == ["search", "planning", "search", "testing", "idle"]
    searched, planned, again, tested, idle = (agent for _, agent in rows)
    assert searched == planned != again == tested != idle == "-"


def test_nomenclater_takes_names_of_the_model_then_of_the_next_source() -> None:
    lines = [line.split(": from ") for line in _run("nomenclater.py")]
    assert [name for name, _ in lines[:2]] == ["Wanda the Windmill", "Otto Overcast"]
    sources = [source for _, source in lines]
    assert sources == ["Nomenclater"] * 2 + ["OfflineNames"]


def test_own_theme_names_five_villagers() -> None:
    names = _run("own_theme.py")
    assert len(set(names)) == len(names) == 5
    assert all(" the " in name for name in names)


def test_own_source_gives_its_list_and_goes_on() -> None:
    assert _run("own_source.py")[:4] == ["Mercury", "Venus", "Terra", "Mars"]
    assert [name.split()[0] for name in _run("own_source.py")[4:]] == ["Asteroid", "Asteroid"]


def test_crew_keeps_its_names_through_the_crash_of_an_agent_and_of_the_pool() -> None:
    rows = [line.split(" | ", 1) for line in _run("crew.py")]
    named: dict[str, set[str]] = {}
    for agent, message in rows:
        for role in ("planner", "tester"):
            if message.endswith(f"as {role}"):
                named.setdefault(role, set()).add(agent.strip())
    assert [len(names) for names in named.values()] == [1, 1]
    assert sum("(restart 1)" in message for _, message in rows) == 2
    assert rows[-1][1] == "names unchanged: True"


def test_tasks_gives_up_without_loss_and_names_every_agent_and_its_tools() -> None:
    first, *agents, last = _run("tasks.py")
    verbs = (" wants ", " looks up ", " computes ")
    assert first == "the first agent gave up"
    spoken = [
        [part.partition(verb)[0] for part, verb in zip(line.split("; "), verbs, strict=True)]
        for line in agents
    ]
    assert [len(set(names)) for names in spoken] == [1, 1, 1]
    assert len({names[0] for names in spoken} - {DEFAULT_NAME}) == 3
    assert last == "0 names are out after 100 turns of the loop"


def test_agents_speak_under_their_names_until_they_end_and_leave_none_behind() -> None:
    rows = [line.split(" | ", 1) for line in _run("agents.py")]
    said = {message: agent.strip() for agent, message in rows}
    first = said["looking up their songs"]
    second = said["looking up the same again"]
    assert said["falling over"] == first != second
    assert len({first, second, said["crawling the web"], said["here, for bees"]}) == 4
    assert DEFAULT_NAME not in {agent.strip() for agent, _ in rows[:-4]}
    assert [message for _, message in rows].count("leaving") == 2
    assert said["names out: 0"] == DEFAULT_NAME
