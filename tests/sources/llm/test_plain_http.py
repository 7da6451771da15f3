"""A key that goes over plain HTTP to another machine is warned of, once."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
import requests

from namepool.sources.llm.endpoint import is_local
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import Endpoint
from tests.support import run_together

KEY = "sk-oh-so-secret-0123456789"
LOGGER = "namepool.sources.llm.nomenclater"


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An endpoint whose host is another machine, as far as its URL tells."""
    with Endpoint() as endpoint:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", endpoint.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        yield endpoint


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


URL = "http://names.invalid:8000/v1"
WARNING = (
    "a key goes to 'names.invalid:8000' over plain http, so the network can read it: use https://"
)


def test_the_first_request_warns_of_the_host_and_the_others_do_not(
    remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    nomenclater = ask(URL, api_key=KEY)
    assert _warnings(caplog) == []  # nothing was sent yet
    for _ in range(3):
        nomenclater.fetch(1, ())
    nomenclater.probe(1)
    assert _warnings(caplog) == [WARNING]
    assert caplog.records[0].levelno == logging.WARNING
    assert KEY not in caplog.text


def test_requests_at_once_warn_once(
    remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    nomenclater = ask(URL, api_key=KEY)
    run_together([lambda: nomenclater.fetch(1, ())] * 8)
    assert _warnings(caplog) == [WARNING]


def test_a_probe_warns_too(remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture) -> None:
    ask(URL, api_key=KEY).probe(1)
    assert _warnings(caplog) == [WARNING]


def test_the_warning_comes_also_if_nobody_answers(
    ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    failure(ask(URL, api_key=KEY, max_attempts=1))
    assert _warnings(caplog) == [WARNING]


def test_the_key_of_the_environment_is_warned_of(
    remote: Endpoint,
    ask: Asker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ask(URL).fetch(1, ())
    assert _warnings(caplog) == [WARNING]


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"headers": {"api-key": KEY}},
        {"headers": {"X-Api-Key": KEY}},
        {"headers": {"X-Gateway-Token": KEY}},
        {"query": {"key": KEY}},
    ],
)
def test_a_credential_of_another_name_is_warned_of(
    options: dict[str, Any], remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    ask(URL, **options).fetch(1, ())
    assert _warnings(caplog) == [WARNING]


def test_a_credential_that_a_session_got_later_is_warned_of(
    remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    with requests.Session() as session:
        nomenclater = ask(URL, session=session)
        nomenclater.fetch(1, ())
        assert _warnings(caplog) == []
        session.auth = ("me", KEY)
        nomenclater.fetch(1, ())
    assert _warnings(caplog) == [WARNING]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"api_key": ""},
        {"api_key": "EMPTY"},
        {"headers": {"User-Agent": "my-program", "X-Trace": "7"}},
        {"query": {"api-version": "2024-10-21"}},
    ],
)
def test_a_request_without_a_secret_is_not_warned_of(
    options: dict[str, Any], remote: Endpoint, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    ask(URL, **options).fetch(1, ())
    assert _warnings(caplog) == []


def test_this_machine_is_not_warned_of(ask: Asker, caplog: pytest.LogCaptureFixture) -> None:
    with Endpoint() as endpoint:
        ask(endpoint, api_key=KEY).fetch(1, ())
        ask(f"http://localhost:{endpoint.port}/v1", api_key=KEY).fetch(1, ())
    assert _warnings(caplog) == []


def test_an_encrypted_request_is_not_warned_of(
    ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    failure(ask("https://names.invalid/v1", api_key=KEY, max_attempts=1))
    assert _warnings(caplog) == []


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "names.localhost", "127.0.0.1", "127.8.9.1"),
        *("::1", "::ffff:127.0.0.1", "0.0.0.0", "::"),  # noqa: S104
    ],
)
def test_a_host_that_is_this_machine(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        *("example.org", "localhost.example.org", "mylocalhost", "ollama", "nas.local"),
        *("10.0.0.1", "192.168.1.7", "172.16.0.1", "fe80::1", "fc00::1", "128.0.0.1", ""),
    ],
)
def test_a_host_that_is_another_machine(host: str) -> None:
    assert not is_local(host)
