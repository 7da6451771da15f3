"""The commands that ask an endpoint: what they print, and how they end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from namepool import cli

from .sources.llm.scripted import Endpoint, Seen, Told, named

Capture = pytest.CaptureFixture[str]
KEY = "sk-oh-so-secret-0123456789"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "NAMEPOOL_MODEL", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def _arguments(endpoint: Endpoint) -> list[str]:
    return ["--model", "m", "--base-url", endpoint.url]


def _table(out: str) -> dict[str, str]:
    rows = (line.partition(" | ") for line in out.splitlines() if " | " in line)
    return {label.strip(): value for label, _, value in rows}


# -- names and demo -------------------------------------------------------------------------------


def test_names_of_a_model_are_printed_one_a_line(endpoint: Endpoint, capsys: Capture) -> None:
    assert cli.main(["names", "24", "--source", "openai", *_arguments(endpoint)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"Agent {n}" for n in range(1, 25)]


def test_many_names_are_asked_for_in_chunks(endpoint: Endpoint, capsys: Capture) -> None:
    cli.main(["names", "120", "--source", "openai", *_arguments(endpoint)])
    assert len(set(capsys.readouterr().out.splitlines())) == 120
    assert [seen.wanted for seen in endpoint.seen] == [50, 50, 20]
    assert '"Agent 50"' in endpoint.seen[1].prompt


def test_json_of_a_model_is_one_array(endpoint: Endpoint, capsys: Capture) -> None:
    cli.main(["names", "60", "--json", "--source", "openai", *_arguments(endpoint)])
    assert json.loads(capsys.readouterr().out) == [f"Agent {n}" for n in range(1, 61)]


def test_json_is_printed_whole_or_not_at_all(capsys: Capture) -> None:
    fifty = named(*(f"Agent {n}" for n in range(50)))
    with Endpoint(fifty, Told(401, "expired")) as endpoint:
        assert cli.main(["names", "60", "--json", "--source", "openai", *_arguments(endpoint)]) == 1
    assert capsys.readouterr().out == ""


def test_model_and_url_may_come_from_the_environment(
    endpoint: Endpoint, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMEPOOL_MODEL", "m")
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    assert cli.main(["names", "2", "--source", "openai"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Agent 1", "Agent 2"]


def test_a_failing_endpoint_is_one_line_on_stderr(capsys: Capture) -> None:
    with Endpoint(Told(401, "no such key")) as endpoint:
        assert cli.main(["names", "--source", "openai", *_arguments(endpoint)]) == 1
    err = capsys.readouterr().err
    assert re.fullmatch("namepool: error: m at .*HTTP 401.*no such key\n", err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["names", "--source", "openai"], "model is missing"),
        (["demo", "--source", "openai", "--model", "m"], "api_key is missing"),
        (["doctor"], "model is missing"),
        (["doctor", "--model", "m", "--base-url", "ftp://x"], "base_url"),
        (["names", "--model", "m"], "--model needs --source openai"),
        (["demo", "--base-url", "http://x"], "--base-url needs --source openai"),
        (["names", "--source", "openai", "--model", "m", "--seed", "1"], "--seed is for offline"),
        (["names", "--source", "openai", "--model", "m", "--theme", "maps"], "--theme is for"),
        (["names", "--source", "azure"], "invalid choice: 'azure'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    arguments: list[str], said: str, capsys: Capture
) -> None:
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_the_demo_runs_on_names_of_a_model(endpoint: Endpoint, capsys: Capture) -> None:
    assert cli.main(["demo", "--agents", "30", "--source", "openai", *_arguments(endpoint)]) == 0
    out = capsys.readouterr().out
    assert "Agent 1 " in out
    assert "every name came home" in out


# -- doctor ---------------------------------------------------------------------------------------


def test_the_doctor_tells_how_it_went(endpoint: Endpoint, capsys: Capture) -> None:
    assert cli.main(["doctor", *_arguments(endpoint)]) == 0
    out = capsys.readouterr().out
    table = _table(out)
    assert re.fullmatch(r"[0-9.]+ s", table.pop("latency"))
    assert table == {
        "reachable": "yes",
        "HTTP status": "200",
        "form it takes": "json_schema (rung 1 of 4)",
        "names received": "12",
        "valid": "12",
        "rejected": "0",
    }
    assert "It gives names." in out
    assert len(endpoint.seen) == 1


def test_the_doctor_finds_the_rung_that_works(capsys: Capture) -> None:
    def picky(seen: Seen) -> Told:
        return Told(400, "response_format?") if seen.form else named("Ada", "Bob")

    with Endpoint(picky) as endpoint:
        assert cli.main(["doctor", *_arguments(endpoint)]) == 0
    assert _table(capsys.readouterr().out)["form it takes"] == "plain (rung 4 of 4)"


def test_the_doctor_tells_what_was_rejected_and_why(capsys: Capture) -> None:
    with Endpoint(named("Ada", "X" * 65, "ADA", *(f"More{n}" for n in range(20)))) as endpoint:
        assert cli.main(["doctor", *_arguments(endpoint)]) == 0
    out = capsys.readouterr().out
    table = _table(out)
    assert (table["names received"], table["valid"], table["rejected"]) == ("23", "21", "2")
    assert "at most 64 characters" in out
    assert "'ADA' is in use already" in out


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        (Told(503, "<html>busy"), "503", "HTTP 503: <html>busy"),
        (Told(401, f"bad key {KEY}"), "401", "bad key [secret]"),
        (Told(200, "<html>hello"), "200", "not JSON: <html>hello"),
        (named("X" * 65), "200", None),
    ],
)
def test_the_doctor_tells_what_is_wrong_after_one_request(
    told: Told, status: str, said: str | None, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint(told) as endpoint:
        assert cli.main(["doctor", *_arguments(endpoint)]) == 1
    out = capsys.readouterr().out
    assert (_table(out)["reachable"], _table(out)["HTTP status"]) == ("yes", status)
    assert said is None or said in _table(out)["error"]
    assert "It gives no names." in out
    assert KEY not in out
    assert len(endpoint.seen) == 1


def test_the_doctor_tells_that_nobody_is_there(capsys: Capture) -> None:
    with Endpoint() as endpoint:
        pass
    assert cli.main(["doctor", *_arguments(endpoint)]) == 1
    table = _table(capsys.readouterr().out)
    assert (table["reachable"], table["HTTP status"], table["latency"]) == ("no", "-", "-")
    assert "refused" in table["error"]
