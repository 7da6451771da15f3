"""What a nomenclater is given, and what it refuses."""

from __future__ import annotations

import traceback
from contextlib import closing
from typing import Any

import pytest
import requests

from namepool import (
    InvalidOption,
    Nomenclater,
)
from tests.sources.llm.asker import Asker
from tests.sources.llm.scripted import (
    Endpoint,
)

KEY = "sk-oh-so-secret-0123456789"


# -- building it ----------------------------------------------------------------------------------


def test_a_missing_model_is_refused_when_it_is_built() -> None:
    with pytest.raises(InvalidOption, match="model is missing.*NAMEPOOL_MODEL"):
        Nomenclater(base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1", "https://API.openai.com/v1/"])
def test_a_missing_key_is_refused_for_openai(url: str | None) -> None:
    with pytest.raises(InvalidOption, match="api_key is missing.*OPENAI_API_KEY"):
        Nomenclater("m", url)


def test_a_key_is_optional_for_an_endpoint_that_needs_none(ask: Asker) -> None:
    with Endpoint() as endpoint:
        assert len(ask(endpoint).fetch(3, ())) == 3
    assert "authorization" not in endpoint.seen[0].headers


def test_model_url_and_key_are_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as endpoint:
        monkeypatch.setenv("NAMEPOOL_MODEL", "from-env")
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
        Nomenclater().fetch(1, ())
    seen = endpoint.seen[0]
    assert seen.path == "/v1/chat/completions"
    assert seen.body["model"] == "from-env"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["openai-organization"] == "org-1"
    assert seen.headers["openai-project"] == "proj-1"


def test_arguments_win_over_the_environment(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMEPOOL_MODEL", "other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-key")
    with Endpoint() as endpoint:
        ask(endpoint, api_key=KEY).fetch(1, ())
    assert endpoint.seen[0].body["model"] == "m"
    assert endpoint.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_empty_key_keeps_the_one_of_the_environment_at_home(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint:
        ask(endpoint, api_key="").fetch(1, ())
    assert "authorization" not in endpoint.seen[0].headers


def test_azure_takes_a_header_and_a_query(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    with Endpoint() as endpoint:
        url = f"{endpoint.url}/deployments/d"
        ask(url, headers={"api-key": KEY}, query={"api-version": "2024-10-21"}).fetch(1, ())
    seen = endpoint.seen[0]
    assert seen.path == "/v1/deployments/d/chat/completions?api-version=2024-10-21"
    assert seen.headers["api-key"] == KEY
    assert "authorization" not in seen.headers


def test_extra_fields_go_into_the_request(ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint, extra_body={"temperature": 0.5}).fetch(1, ())
    assert endpoint.seen[0].body["temperature"] == 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"model": 3},
        {"model": "a\nb"},
        {"base_url": "ftp://x/v1"},
        {"base_url": "api.example"},
        {"base_url": ""},
        {"base_url": "http://"},
        {"base_url": "http://h:port/v1"},
        {"base_url": 3},
        {"base_url": "http://h/v1?x=1"},
        {"base_url": "http://h/ v1"},
        {"themes": []},
        {"themes": "maps"},
        {"themes": [3]},
        {"themes": [""]},
        {"themes": 3},
        {"guidance": ""},
        {"guidance": 3},
        {"guidance": "x" * 2001},
        {"timeout": 0},
        {"timeout": "30"},
        {"timeout": float("nan")},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_used_in_prompt": -1},
        {"session": requests.Session},
        {"session": 3},
        {"headers": {"a b": "c"}},
        {"headers": [("a", "b")]},
        {"headers": {"a": 3}},
        {"query": {"a": 3}},
        {"extra_body": [1]},
        {"extra_body": {"a": object()}},
        {"extra_body": {"a": float("nan")}},
        {"api_key": 3},
    ],
)
def test_an_option_that_cannot_work_is_refused_when_it_is_built(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        Nomenclater(**{"model": "m", "base_url": "http://127.0.0.1:1/v1", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": f"{KEY}\nX: y"},
        {"api_key": f"{KEY}é"},
        {"headers": {"api-key": f"{KEY}\r\n"}},
        {"headers": f"api-key: {KEY}"},
        {"query": KEY},
        {"base_url": f"http://user:{KEY}@127.0.0.1/v1"},
        {"base_url": f"http://127.0.0.1/v1?key={KEY}"},
        {"base_url": f"http://127.0.0.1/{KEY}\n/v1"},
    ],
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        Nomenclater(**{"model": "m", "base_url": "http://127.0.0.1:1/v1", **options})
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", True])
def test_a_count_that_is_none_is_refused(count: Any, ask: Asker) -> None:
    with pytest.raises(InvalidOption):
        ask("http://127.0.0.1:1/v1").fetch(count, ())


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " \t{}", "\n{}\n\n"])
@pytest.mark.parametrize("option", ["base_url", "api_key", "model"])
@pytest.mark.parametrize("is_environment", [False, True])
def test_white_space_around_what_was_read_from_a_file_is_not_sent(
    around: str, option: str, is_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "base_url": "OPENAI_BASE_URL",
        "api_key": "OPENAI_API_KEY",
        "model": "NAMEPOOL_MODEL",
    }
    with Endpoint() as endpoint:
        options: dict[str, Any] = {"base_url": endpoint.url, "api_key": KEY, "model": "m"}
        given = around.format(options[option])
        if is_environment:
            monkeypatch.setenv(variables[option], given)
            del options[option]
        else:
            options[option] = given
        with closing(Nomenclater(**options)) as nomenclater:
            assert nomenclater.fetch(2, ())

    (seen,) = endpoint.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body["model"] == "m"


@pytest.mark.parametrize("url", ["http://h/v1\n/v2", "http://h\r\nX: y/v1", "http://h/\x00v1"])
def test_a_line_break_within_a_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption, match="must be a URL of at most 2000 printable characters"):
        Nomenclater("m", url)


@pytest.mark.parametrize("url", ["", " ", "\n"])
def test_an_empty_url_does_not_mean_the_one_of_the_environment(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h/v1")
    with pytest.raises(InvalidOption, match="base_url must be a URL"):
        Nomenclater("m", url)
