"""The commands that ask an endpoint: what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from namepool.cli import command as cli
from tests.sources.llm.scripted import Endpoint, Seen, Told, named
from tests.support import PATIENCE

ROOT = Path(__file__).parents[2]
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
    """Return the rows by label; a value that was broken is one again."""
    table: dict[str, str] = {}
    label = ""
    for begun, bar, value in (line.partition(" | ") for line in out.splitlines()):
        label = begun.strip() or label
        if bar:
            table[label] = f"{table[label]} {value}" if label in table else value
    return table


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


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


def test_a_model_is_asked_for_names_of_the_themes_that_are_given(endpoint: Endpoint) -> None:
    themes = ["--theme", "cable cars", "--theme", "bell foundries"]
    assert cli.main(["names", "2", "--source", "openai", *_arguments(endpoint), *themes]) == 0
    assert "cable cars" in endpoint.seen[0].prompt
    assert "bell foundries" in endpoint.seen[0].prompt


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
        (
            ["names", "--source", "openai", "--model", "m", "--base-url", "http://x", "--theme="],
            "themes must be a string",
        ),
        (["names", "--source", "azure"], "argument --source: must be one of"),
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
    assert re.search("^Agent [0-9]+ ", out, re.MULTILINE)
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
        "looks like": "nobody known",
        "names": ", ".join(f"Agent {n}" for n in range(1, 13)),
        "form it takes": "json_schema (rung 1 of 4)",
        "forms tried": "json_schema: 12 names",
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
    assert (table["names received"], table["valid"]) == ("23", "21")
    assert table["rejected"].startswith("2 ")
    assert "at most 64 characters" in table["rejected"]
    assert "'ADA' is in use already" in table["rejected"]


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


def test_the_doctor_advises_if_no_name_of_a_reply_may_be_given(capsys: Capture) -> None:
    with Endpoint(named("X" * 65)) as endpoint:
        assert cli.main(["doctor", *_arguments(endpoint)]) == 1
    table = _table(capsys.readouterr().out)
    assert table["try this"] == "ask again; if that fails, take a larger model"
    assert table["forms tried"] == "json_schema: 0 names"
    assert table["form it takes"] == "json_schema (rung 1 of 4)"


def test_the_doctor_lists_the_forms_that_it_tried_and_their_outcomes(capsys: Capture) -> None:
    def picky(seen: Seen) -> Told:
        return Told(500, "Internal Server Error") if seen.form else named("Ada", "Bob")

    with Endpoint(picky) as endpoint:
        assert cli.main(["doctor", *_arguments(endpoint)]) == 0
    tried = _table(capsys.readouterr().out)["forms tried"]
    assert tried == "json_schema: HTTP 500: Internal Server Error plain: 2 names"


def test_the_doctor_tells_that_nobody_is_there(capsys: Capture) -> None:
    with Endpoint() as endpoint:
        pass
    assert cli.main(["doctor", *_arguments(endpoint)]) == 1
    table = _table(capsys.readouterr().out)
    assert (table["reachable"], table["HTTP status"], table["latency"]) == ("no", "-", "-")
    assert "refused" in table["error"]


def test_the_doctor_names_a_proxy_that_is_down(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint() as proxy:
        pass
    address = f"127.0.0.1:{proxy.port}"
    monkeypatch.setenv("http_proxy", f"http://bob:pw@{address}")
    assert cli.main(["doctor", "--model", "m", "--base-url", "http://names.invalid/v1"]) == 1
    out = capsys.readouterr().out
    table = _table(out)
    assert table["reachable"] == "not by the proxy"
    assert f"the proxy http://{address} cannot be used: ConnectionRefused" in table["error"]
    assert table["try this"].startswith("look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY")
    assert "bob" not in out


def test_the_doctor_tells_late_from_unreachable(capsys: Capture) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        assert cli.main(["doctor", *_arguments(endpoint), "--timeout", "0.5"]) == 1
    table = _table(capsys.readouterr().out)
    assert re.fullmatch(r"it took too long: no answer within [0-9.]+ s", table["reachable"])
    # The first form has half of the time, and the second one has the rest.
    assert table["forms tried"].startswith("json_schema: no answer within 0.225 s plain: no answer")
    assert "--timeout" in table["try this"]


def test_the_doctor_sends_headers_and_themes(endpoint: Endpoint, capsys: Capture) -> None:
    headers = ["--header", "api-key: of: mine", "--header", "X-Two:2"]
    themes = ["--theme", "cable cars", "--theme", "bell foundries"]
    assert cli.main(["doctor", *_arguments(endpoint), *headers, *themes]) == 0
    seen = endpoint.seen[0]
    assert (seen.headers["api-key"], seen.headers["x-two"]) == ("of: mine", "2")
    assert "cable cars" in seen.prompt
    assert "bell foundries" in seen.prompt


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--timeout", "0"),
        ("--timeout", "x"),
        ("--timeout", "-1"),
        ("--header", "of-mine"),
        ("--header", ":x"),
        ("--header", "a b: c"),
        ("--theme", ""),
    ],
)
def test_the_doctor_refuses_what_cannot_work(option: str, value: str, capsys: Capture) -> None:
    arguments = ["doctor", "--model", "m", "--base-url", "http://127.0.0.1:1/v1"]
    assert cli.main([*arguments, option, value]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "of-mine" not in err


def test_the_doctor_tells_an_error_in_words(capsys: Capture) -> None:
    said = {"error": {"message": "This model is on holiday.", "type": "x", "param": None}}
    with Endpoint(Told(403, json.dumps(said))) as endpoint:
        cli.main(["doctor", *_arguments(endpoint)])
    table = _table(capsys.readouterr().out)
    assert table["error"].endswith(": This model is on holiday.")
    assert "its rights" in table["try this"]


def test_the_doctor_tells_whose_endpoint_it_looks_like(capsys: Capture) -> None:
    told = Told(404, "no", (("X-LiteLLM-Version", "1"),))
    with Endpoint(told) as endpoint:
        cli.main(["doctor", *_arguments(endpoint)])
    table = _table(capsys.readouterr().out)
    assert table["looks like"] == "LiteLLM"
    assert "the proxy's own" in table["try this"]


@pytest.mark.parametrize(
    ("told", "advice"),
    [
        (Told(401, "who?"), "OPENAI_API_KEY"),
        (Told(404, "what?"), "--base-url"),
        (Told(400, "maximum context length is 2048 tokens"), "max_used_in_prompt"),
        (Told(200, "<html>hello"), "/v1"),
        (Told(301, "", (("Location", "http://h/"),)), "redirects"),
        (Told(418, "short and stout"), "the guide"),
    ],
)
def test_the_doctor_tells_what_to_change(told: Told, advice: str, capsys: Capture) -> None:
    with Endpoint(told) as endpoint:
        cli.main(["doctor", *_arguments(endpoint)])
    assert advice in _table(capsys.readouterr().out)["try this"]


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_the_doctors_table_is_as_wide_as_the_terminal(
    columns: int, endpoint: Endpoint, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cli.main(["doctor", *_arguments(endpoint)])
    rows = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert max(map(len, rows)) <= columns
    assert max(map(len, rows)) > columns - 15
    assert {line.index(" | ") for line in rows} == {18}


# -- what a terminal can show ---------------------------------------------------------------------


def _command(encoding: str, *arguments: str) -> tuple[int, str, str]:
    run = subprocess.run(
        [sys.executable, "-m", "namepool", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return run.returncode, run.stdout.decode(encoding), run.stderr.decode(encoding)


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "Zo\\xeb"), ("cp1252", "Zoë")])
@pytest.mark.parametrize("command", ["names", "demo", "doctor"])
def test_what_a_terminal_cannot_show_is_escaped(command: str, encoding: str, shown: str) -> None:
    zoe = named("Zoë Şahin", *(f"More{n} Names" for n in range(30)))
    options = {"names": ["1", "--source", "openai"], "doctor": []}
    options["demo"] = ["--agents", "2", "--source", "openai"]
    with Endpoint(zoe) as endpoint:
        arguments = [command, *options[command], *_arguments(endpoint)]
        code, out, err = _command(encoding, *arguments)
    assert (code, err) == (0, "")
    assert f"{shown} \\u015eahin" in out


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_doctor_keeps_to_the_terminal_with_wide_and_escaped_letters(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with Endpoint(named("Łukasz Żak", "李" * 20, "Zoë Ångström")) as endpoint:
        _, out, err = _command(encoding, "doctor", *_arguments(endpoint))
    wide = [sum(1 + (east_asian_width(c) in "WF") for c in line) for line in out.splitlines()]
    assert err == ""
    assert 30 < max(wide) <= 40


def test_the_doctors_own_dots_are_escaped() -> None:
    with Endpoint(Told(500, "y" * 5000)) as endpoint:
        code, out, err = _command("ascii", "doctor", *_arguments(endpoint))
    assert (code, err) == (1, "")
    assert "\\u2026" in out


def test_the_doctor_warns_of_a_key_that_the_network_can_read() -> None:
    url = ["--model", "m", "--base-url", "http://names.invalid/v1", "--timeout", "2"]
    _, out, err = _command("utf-8", "doctor", *url, "--header", f"api-key: {KEY}")
    assert err.startswith("a key goes to 'names.invalid' over plain http")
    assert KEY not in out + err


# -- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["demo", "names", "doctor"])
def test_ctrl_c_ends_a_command_whose_endpoint_is_silent(command: str) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        source = [] if command == "doctor" else ["--source", "openai"]
        with subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                "namepool",
                command,
                *source,
                *_arguments(endpoint),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            endpoint.wait_asked()
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
            took = time.monotonic() - began
    assert process.returncode == 130
    assert errors.endswith("namepool: interrupted\n")
    assert "Traceback" not in errors
    assert took < 5  # a second, and what a busy machine makes of it; it was 26
