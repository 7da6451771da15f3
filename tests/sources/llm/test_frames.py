"""No frame of an error shows a key, a password or a header: Sentry and rich show locals."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from namepool import (
    FallbackSource,
    InvalidOption,
    NamesUnavailable,
    Nomenclater,
    SourceError,
    open_pool,
)
from tests.frames import assert_hidden
from tests.sources.llm.asker import Asker, failure, free_port
from tests.sources.llm.scripted import Connection, Endpoint, Told, completion, raw_endpoint

KEY = "sk-oh-so-secret-0123456789"
PASSWORD = "pass-of-mine-1"  # noqa: S105
SECRETS = (KEY, PASSWORD)
URL = "http://127.0.0.1:9/v1"


# -- options that are refused -----------------------------------------------------------------


REFUSED: dict[str, dict[str, Any]] = {
    "a key of bytes": {"api_key": KEY.encode()},
    "a key in a list": {"api_key": [KEY]},
    "a key with a space": {"api_key": f"{KEY} \x7f"},
    "a key with a line break": {"api_key": f"{KEY}\r\nX: y"},
    "a key with a letter that no header holds": {"api_key": f"{KEY}é"},
    "a password in the URL": {"base_url": f"https://u:{PASSWORD}@host/v1"},
    "a password with a slash in the URL": {"base_url": f"https://u:/{PASSWORD}@host/v1"},
    "a password in the URL of a wrong port": {"base_url": f"https://u:{PASSWORD}@host:port"},
    "a URL that is a key": {"base_url": KEY},
    "a URL with a key in its query": {"base_url": f"https://host/v1?key={KEY}"},
    "a URL that is bytes": {"base_url": f"https://u:{PASSWORD}@host".encode()},
    "a header with a line break": {"headers": {"Authorization": f"Bearer {KEY}\n"}},
    "a header whose name is the whole line": {"headers": {f"api-key: {KEY}": ""}},
    "a header of bytes": {"headers": {"api-key": KEY.encode()}},
    "headers in a text": {"headers": f"api-key: {KEY}"},
    "headers in a list": {"headers": [("api-key", KEY)]},
    "a query of bytes": {"query": {"key": KEY.encode()}},
    "a query in a text": {"query": f"key={KEY}"},
    "a body that is no JSON": {"extra_body": {"token": KEY, "no": {1, 2}}},
    "a body that is a text": {"extra_body": KEY},
    "a body with a number that is none": {"extra_body": {"token": KEY, "t": float("nan")}},
    "a session that is a dict": {"session": {"auth": KEY}},
    "a timeout": {"timeout": 0},
    "attempts": {"max_attempts": 0},
    "used names": {"max_used_in_prompt": -1},
    "themes": {"themes": "sea"},
    "guidance": {"guidance": 3},
    "a model": {"model": "m\n\nn"},
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_refused_option_leaves_no_secret_in_a_frame(wrong: str) -> None:
    given = {"model": "m", "base_url": URL, "api_key": KEY, **REFUSED[wrong]}
    with pytest.raises(InvalidOption) as caught:
        Nomenclater(**given)
    assert_hidden(caught.value, *SECRETS)


@pytest.mark.parametrize(
    ("missing", "given"),
    [
        ("model", {"api_key": KEY}),
        ("api_key", {"model": "m", "headers": {"X-Mine": KEY}, "query": {"key": PASSWORD}}),
    ],
)
def test_a_missing_option_leaves_no_secret_in_a_frame(missing: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=f"{missing} is missing") as caught:
        Nomenclater(**given)
    assert_hidden(caught.value, *SECRETS)


def test_an_argument_that_does_not_exist_leaves_no_secret_in_a_frame() -> None:
    with pytest.raises(TypeError, match="apikey") as caught:
        Nomenclater("m", URL, apikey=KEY, headers={"api-key": PASSWORD})  # type: ignore[call-arg]
    assert_hidden(caught.value, *SECRETS)


def test_a_subclass_leaves_only_its_own_frame() -> None:
    class Mine(Nomenclater):
        def __init__(self, **options: Any) -> None:
            super().__init__("m", URL, **options)

    with pytest.raises(InvalidOption) as caught:
        Mine(api_key=KEY.encode())
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names[1:] == ["__init__", "call"]


def test_the_text_of_a_json_error_stays_as_the_cause() -> None:
    with pytest.raises(InvalidOption) as caught:
        Nomenclater("m", URL, KEY, extra_body={"no": {1, 2}})
    assert "Object of type set is not JSON serializable" in str(caught.value.__cause__)


# -- requests that fail -----------------------------------------------------------------------


def _silent(connection: Connection) -> None:
    connection.drip_nothing()


def _reset(connection: Connection) -> None:
    connection.reset()


def _garbage(connection: Connection) -> None:
    connection.answer(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def _half(connection: Connection) -> None:
    connection.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


def _bad_gzip(connection: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
    connection.answer(head + b"abcd")


RAW = [_silent, _reset, _garbage, _half, _bad_gzip]
TOLD = [
    Told(401, f"wrong key: {KEY}"),
    Told(400, f'{{"error": "{KEY}"}}'),
    Told(500, ""),
    Told(429, "slowly", (("Retry-After", "7"),)),
    Told(302, "", (("Location", f"http://127.0.0.1/?k={KEY}"),)),
    Told(200, "{}", (("Content-Type", KEY),)),
    Told(200, f"not json {KEY}"),
    completion(""),
    completion("[]"),
]

OPTIONS: dict[str, Any] = {
    "api_key": KEY,
    "headers": {"X-Mine": PASSWORD},
    "query": {"token": PASSWORD},
    "max_attempts": 2,
}


def _session(kind: str) -> requests.Session | None:
    if kind == "ours":
        return None
    session = requests.Session()
    session.auth = ("me", PASSWORD)
    session.headers["X-Theirs"] = KEY
    return session


@pytest.mark.parametrize("kind", ["ours", "theirs"])
@pytest.mark.parametrize("told", range(len(TOLD)))
def test_an_answer_that_is_of_no_use_leaves_no_secret_in_a_frame(
    told: int, kind: str, ask: Asker
) -> None:
    with Endpoint(TOLD[told]) as endpoint:
        assert_hidden(failure(ask(endpoint, **OPTIONS, session=_session(kind))), *SECRETS)


@pytest.mark.parametrize("kind", ["ours", "theirs"])
@pytest.mark.parametrize("serve", RAW)
def test_a_broken_answer_leaves_no_secret_in_a_frame(
    serve: Callable[[Connection], None], kind: str, ask: Asker
) -> None:
    with raw_endpoint(serve) as (url, _):
        own = _session(kind)
        assert_hidden(failure(ask(url, **OPTIONS, session=own, timeout=0.5)), *SECRETS)


@pytest.mark.parametrize("kind", ["ours", "theirs"])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/v1", "http://names.invalid/v1", "http://a..b/v1"]
)
def test_an_endpoint_that_is_not_there_leaves_no_secret_in_a_frame(
    url: str, kind: str, ask: Asker
) -> None:
    nomenclater = ask(url.format(port=free_port()), **OPTIONS, session=_session(kind))
    assert_hidden(failure(nomenclater), *SECRETS)


@pytest.mark.parametrize("kind", ["ours", "theirs"])
def test_a_certificate_that_is_refused_leaves_no_secret_in_a_frame(
    kind: str, ask: Asker, certificate: tuple[Path, Path]
) -> None:
    with Endpoint(certificate=certificate) as endpoint:
        error = failure(ask(endpoint, **OPTIONS, session=_session(kind)))
    assert ssl.SSLCertVerificationError.__name__ in str(error)
    assert_hidden(error, *SECRETS)


@pytest.mark.parametrize("end", ["{port}", "port"])
def test_a_proxy_that_is_not_there_leaves_no_secret_in_a_frame(
    end: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = f"http://me:{PASSWORD}@127.0.0.1:{end.format(port=free_port())}"
    monkeypatch.setenv("http_proxy", login)
    assert_hidden(failure(ask("http://names.invalid/v1", **OPTIONS)), *SECRETS)


def test_a_session_that_cannot_tell_its_proxies_leaves_no_secret_in_a_frame(ask: Asker) -> None:
    class Broken(requests.Session):
        def merge_environment_settings(self, *_: Any) -> Any:
            raise OSError(f"a broken session at {URL}")

    error = failure(ask(URL, **OPTIONS, session=Broken()))
    assert "OSError" in str(error)
    assert_hidden(error, *SECRETS)


def test_a_source_that_was_closed_leaves_no_secret_in_a_frame(ask: Asker) -> None:
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint, **OPTIONS)
        nomenclater._open().close()
        assert_hidden(failure(nomenclater), *SECRETS)


@pytest.mark.parametrize("is_alone", [True, False])
def test_the_cause_of_a_pool_without_names_shows_no_secret(is_alone: bool, ask: Asker) -> None:
    with Endpoint(Told(401, KEY)) as endpoint:
        nomenclater = ask(endpoint, **OPTIONS)
        source = nomenclater if is_alone else FallbackSource(ask(URL, **OPTIONS), nomenclater)
        with open_pool(source=source) as pool, pytest.raises(NamesUnavailable) as caught:
            pool.checkout_name()
    assert isinstance(caught.value.__cause__, SourceError)
    assert_hidden(caught.value, *SECRETS)


def test_a_failed_request_shows_only_the_callers_frame_and_one_without_locals(ask: Asker) -> None:
    error = failure(ask(URL, **OPTIONS))
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert [frame.f_code.co_name for frame in frames] == ["failure", "call"]
    assert {*frames[-1].f_locals} <= {"function", "kinds"}
