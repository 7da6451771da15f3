"""No key, password or cookie is told, whatever a server does with it."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
import requests

from namepool import (
    InvalidOption,
    NamePool,
    NamesUnavailable,
    Nomenclater,
    PoolHandle,
    SourceError,
)
from namepool.sources.llm import endpoint as endpoint_module
from namepool.sources.llm import nomenclater as nomenclater_module
from namepool.sources.llm import secrets
from namepool.sources.llm.reply import Reader
from namepool.sources.llm.texts import READ
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import Endpoint, Seen, Told, completion, named, raw_endpoint

KEY = "sk-oh-so-secret-0123456789"


# -- the key --------------------------------------------------------------------------------------

ECHOES = [
    lambda key: Told(401, f"wrong key: {key}"),
    lambda key: Told(400, f"{'x' * 190}{key}"),
    lambda key: Told(500, f"crashed with {key}"),
    lambda key: Told(429, "slowly", (("Retry-After", key),)),
    lambda key: Told(302, "", (("Location", f"http://127.0.0.1/?k={key}"),)),
    lambda key: Told(200, "{}", (("Content-Type", key),)),
    lambda key: Told(200, "{}", (("Content-Encoding", key),)),
    lambda key: completion(f"I know {key}"),
    lambda key: completion("", refusal=f"because of {key}"),
    lambda key: Told(200, f"not json {key}"),
]


@pytest.mark.parametrize("echo", range(len(ECHOES)))
@pytest.mark.parametrize("way", ["api_key", "headers", "query"])
def test_the_key_is_in_no_error_log_or_repr(
    echo: int, way: str, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="namepool")
    options: dict[str, Any] = {"api_key": KEY}
    if way != "api_key":
        options = {way: {"X-Api-Key": f"Bearer {KEY}" if way == "headers" else KEY}}
    with Endpoint(ECHOES[echo](KEY)) as endpoint:
        nomenclater = ask(endpoint, **options)
        ref = NamePool.start(source=nomenclater)
        with pytest.raises(NamesUnavailable) as caught:
            PoolHandle(ref).checkout_name()
        told = "".join(traceback.format_exception(caught.value))
        told += repr(caught.value.__cause__) + repr(PoolHandle(ref).pool_stats())
        told += repr(nomenclater) + str(nomenclater) + repr(nomenclater._endpoint) + caplog.text
        ref.stop()
    assert len(endpoint.seen) >= 1
    assert KEY[:12] not in told


def test_a_name_that_holds_the_key_is_none_and_is_not_sent_back(ask: Asker) -> None:
    with Endpoint(named(f"Ada {KEY}"), named("Bob")) as endpoint:
        assert ask(endpoint, api_key=KEY).fetch(1, ()) == ["Bob"]
    assert '"Ada [secret]" must not hold a secret' in endpoint.seen[1].prompt
    assert KEY not in endpoint.seen[1].prompt


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://names.invalid/v1"])
def test_the_key_is_not_told_when_there_is_no_connection(
    url: str, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = failure(ask(url, api_key=KEY, query={"key": KEY}, max_attempts=1))
    assert KEY not in "".join(traceback.format_exception(error)) + repr(error) + caplog.text


def test_http_libraries_log_no_key(ask: Asker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Endpoint() as endpoint:
        ask(endpoint, api_key=KEY, headers={"X-Token": KEY}).fetch(1, ())
    assert "urllib3" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("own", [True, False])
def test_a_header_line_that_is_none_is_logged_without_the_key(
    own: bool, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = f"HTTP/1.1 401 X\r\nContent-Length: 2\r\nEcho Bearer {KEY}\r\nA: b\r\n\r\n{{}}"
    with raw_endpoint(lambda c: c.answer(answer.encode())) as (url, _), requests.Session() as its:
        failure(ask(url, api_key=KEY, query={"key": KEY}, session=None if own else its))
    assert "unparsed data" in caplog.text
    assert "[secret]" in caplog.text
    assert KEY not in caplog.text


def test_an_error_holds_nothing_of_the_request(ask: Asker) -> None:
    error = failure(ask("http://127.0.0.1:1/v1", api_key=KEY))
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any("requests" in frame.f_code.co_filename for frame in frames)
    assert not any(KEY in repr(frame.f_locals) for frame in frames[1:])


# -- however it is spelled ------------------------------------------------------------------------

SLASHED = "sk-abc/DEF+0123=456"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "a slash escaped": lambda key: key.replace("/", "\\/"),
    "a letter in hex": lambda key: key.replace("s", "\\u0073", 1),
    "all in hex": lambda key: "".join(f"\\u{ord(c):04X}" for c in key),
    "for a URL": lambda key: quote(key, safe=""),
}


def _told(nomenclater: Nomenclater) -> str:
    """Return all that can be read of a fetch: its names, or its error and what it logs."""
    try:
        return repr(nomenclater.fetch(2, ()))
    except SourceError as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("status", [200, 401])
def test_the_key_is_struck_out_however_it_is_spelled(
    spelling: str, depth: int, status: int, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="namepool")
    key = SPELLINGS[spelling](SLASHED)
    written = f'{{"names": ["Ada {key}", "Bob"]}}'
    for _ in range(depth):
        written = json.dumps(written)
    body = json.dumps({"choices": [{"message": {"content": written}}]})
    if status != 200:
        body = f'{{"error": {{"message": {json.dumps(written)}}}}}'
    with Endpoint(Told(status, body)) as endpoint:
        told = _told(ask(endpoint, api_key=SLASHED)) + caplog.text
    assert "[secret]" in told or status == 200
    for way in SPELLINGS.values():
        assert way(SLASHED) not in told
    assert SLASHED[3:10] not in told


def test_a_key_that_comes_in_two_parts_is_struck_out_of_their_sum(ask: Asker) -> None:
    parts = [{"text": f'{{"names": ["Ada {SLASHED[:8]}'}, {"text": f'{SLASHED[8:]}"]}}'}]
    with Endpoint(completion(parts)) as endpoint:
        told = _told(ask(endpoint, api_key=SLASHED))
    assert "'Ada [secret]' must not hold a secret" in told
    assert SLASHED[:6] not in told


def test_a_key_in_an_error_that_is_no_json_is_struck_out_of_its_spelling(ask: Asker) -> None:
    with Endpoint(Told(400, f"no: {SPELLINGS['a slash escaped'](SLASHED)}!")) as endpoint:
        assert "no: [secret]!" in _told(ask(endpoint, api_key=SLASHED))


@pytest.mark.parametrize("spelling", [*SPELLINGS.values(), json.dumps, lambda key: key * 2])
@pytest.mark.parametrize(
    "secret", ["DOM\\user:pw99", "a +not \\nb", "\\\\host\\share\\", "a  horse b\\ c"]
)
def test_a_secret_with_backslashes_or_spaces_is_struck_out(
    spelling: Callable[[str], str], secret: str
) -> None:
    struck = secrets.strike(f"<{spelling(secret)}>", [secret])
    assert "[secret]" in struck
    assert re.fullmatch(r'(?:[<>"\\]|\\u005C|%5C)*', struck.replace("[secret]", ""))


@pytest.mark.parametrize(
    "text", ["a horse b", "A  Horse\tB", "a%20horse\n\nb", "a\\u000ahorse\\u0020b"]
)
def test_white_space_and_capitals_do_not_hide_a_secret(text: str) -> None:
    assert secrets.strike(text, ["a horse b"]) == "[secret]"


@pytest.mark.parametrize("text", ["sk&#45;abc/D", "sk-abc&#x2F;D", "sk-abc&#x2f;d"])
def test_html_does_not_hide_a_secret(text: str) -> None:
    assert secrets.strike(text, ["sk-abc/D"]) == "[secret]"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("status", [200, 401])
def test_a_key_in_a_body_of_another_encoding_is_not_told(
    encoding: str, status: int, ask: Asker
) -> None:
    with Endpoint(Told(status, f"no: {SLASHED}".encode(encoding))) as endpoint:
        told = _told(ask(endpoint, api_key=SLASHED))
    assert "[secret]" in told
    assert SLASHED[:6] not in told.replace("\\x00", "")


def test_a_key_as_a_type_is_not_told_in_small_letters(ask: Asker) -> None:
    with Endpoint(Told(200, "hi", (("Content-Type", f"text/{SLASHED}"),))) as endpoint:
        assert SLASHED.lower()[:8] not in _told(ask(endpoint, api_key=SLASHED)).lower()


def test_a_secret_that_cleaning_puts_together_is_no_name(ask: Asker) -> None:
    with Endpoint(named('"correct - \u200a horse-staple"')) as endpoint:
        secret = "correct -   horse-staple"  # noqa: S105
        assert "must not hold a secret" in _told(ask(endpoint, headers={"X-Gate": secret}))


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_secret_on_the_seam_of_a_long_reply_is_no_name_in_part(place: str) -> None:
    line, names = "- Zebedee Quartzington\n", "- Ada Byte\n" * 1000
    head = "x" * (READ - 15) + "\n" + line + names
    text = head if place == "first" else names + line + "x" * (READ - 10)
    reader = Reader(lambda: partial(secrets.strike, secrets=["Zebedee Quartzington"]))
    reading = reader.read_document({"choices": [{"message": {"content": text}}]})
    assert reading.names == ["Ada Byte"]
    assert not [name for name in reading.rejected if "Zebedee" in name or "ington" in name]


@pytest.mark.parametrize("size", [100_000, pytest.param(1_000_000, marks=pytest.mark.proof)])
def test_striking_out_takes_as_long_as_the_text(size: int) -> None:
    pieces = (
        "\\",
        "s",
        "s\\",
        "sk-",
        "\\u0073",
        SLASHED[:-1],
        " ",
        "\0",
        "&#0",
        "&#000",
        "a ",
        "%20",
    )
    for piece in pieces:
        began = time.thread_time()
        text = piece * (size // len(piece))
        secrets.strike(text, [SLASHED, KEY, "\\a\\b\\c\\d", " a b c d"])
        assert time.thread_time() - began < 5 * size / 1_000_000


# -- whoever holds it -----------------------------------------------------------------------------

PASSWORD = "pass-of-mine/1"  # noqa: S105


def _echo(seen: Seen) -> Told:
    """Send back all that came, as a page that is debugged does."""
    dull = ("accept", "connection", "content-", "host")
    told = [value for name, value in seen.headers.items() if not name.startswith(dull)]
    return Told(500, json.dumps({"message": json.dumps(told) + seen.path[-60:]}))


@pytest.mark.parametrize("name", ["X-Whatever", "Ocp-Apim-Subscription-Key", "X-User"])
def test_the_value_of_a_header_is_secret_whatever_its_name(name: str, ask: Asker) -> None:
    with Endpoint(_echo) as endpoint:
        assert PASSWORD not in _told(ask(endpoint, headers={name: PASSWORD}))


def test_the_value_of_a_header_that_anybody_may_read_is_told(ask: Asker) -> None:
    with Endpoint(_echo) as endpoint:
        assert "my-program" in _told(ask(endpoint, headers={"User-Agent": "my-program"}))


def _with_header(session: requests.Session) -> None:
    session.headers["Authorization"] = f"Bearer {PASSWORD}"


def _with_custom_header(session: requests.Session) -> None:
    session.headers["X-Mine"] = PASSWORD


def _with_login(session: requests.Session) -> None:
    session.auth = ("me", PASSWORD)


def _with_auth(session: requests.Session) -> None:
    session.auth = requests.auth.HTTPBasicAuth("me", PASSWORD)


def _with_cookie(session: requests.Session) -> None:
    session.cookies.set("session", PASSWORD)


def _with_parameter(session: requests.Session) -> None:
    session.params = {"key": PASSWORD}


def _with_pairs(session: requests.Session) -> None:
    session.params = [("key", PASSWORD)]


def _with_query(session: requests.Session) -> None:
    session.params = f"key={quote(PASSWORD)}"


def _authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers["Authorization"] = f"Bearer {PASSWORD}"
    return request


def _with_function(session: requests.Session) -> None:
    session.auth = _authorise


CARRIERS = [
    _with_header,
    _with_custom_header,
    _with_login,
    _with_auth,
    _with_cookie,
    _with_parameter,
    _with_pairs,
    _with_query,
    _with_function,
]


@pytest.mark.parametrize("carry", CARRIERS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_the_users_session_carries_is_not_told(
    carry: Callable[[requests.Session], None], when: str, ask: Asker
) -> None:
    with Endpoint(_echo) as endpoint, requests.Session() as session:
        if when == "before":
            carry(session)
        nomenclater = ask(endpoint, session=session)
        carry(session)
        told = _told(nomenclater)
    basic = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert "[secret]" in told or carry in (_with_pairs, _with_query)  # which requests leaves out
    assert PASSWORD not in told
    assert quote(PASSWORD, safe="") not in told
    assert basic not in told


def test_a_login_that_is_sent_in_latin_1_is_not_told(ask: Asker) -> None:
    with Endpoint(_echo) as endpoint, requests.Session() as session:
        session.auth = ("me", "pässwörd1")
        told = _told(ask(endpoint, session=session))
    assert "[secret]" in told
    assert endpoint.seen[0].headers["authorization"].split()[1] not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Token v1 {PASSWORD}"),
        ("Authorization", f'Token token="{PASSWORD}"'),
        ("Authorization", f'Digest username="me", response="{PASSWORD}"'),
        ("Authorization", "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()),
        ("Cookie", f"sid={PASSWORD}; a=b"),
        ("Cookie", f"a=b; sid={PASSWORD}"),
    ],
)
def test_a_part_of_a_credential_is_not_told(name: str, value: str, ask: Asker) -> None:
    with Endpoint(Told(500, f"bad {PASSWORD}")) as endpoint:
        assert PASSWORD not in _told(ask(endpoint, headers={name: value}))


@pytest.mark.parametrize("basic", ["Basic !", "Basic", "Basic YQ", "", " "])
def test_a_credential_that_is_none_does_no_harm(basic: str) -> None:
    assert secrets.strike("Ada", secrets.of_headers({"Authorization": basic})) == "Ada"


@pytest.mark.parametrize("where", ["environment", "session"])
def test_the_credentials_of_a_proxy_are_not_told(
    where: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint(_echo) as proxy, requests.Session() as session:
        url = f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:{proxy.port}"
        if where == "session":
            session.proxies["http"] = url
        else:
            monkeypatch.setenv("http_proxy", url)
        own = session if where == "session" else None
        told = _told(ask("http://names.invalid/v1", session=own))
    assert "proxy-authorization" in proxy.seen[0].headers
    assert "[secret]" in told
    assert PASSWORD not in told
    assert proxy.seen[0].headers["proxy-authorization"].split()[1] not in told


@pytest.mark.parametrize(
    "url",
    [
        "http://me:{}@h/v1",
        "me:{}@h/v1",
        "http:/me:{}@h/v1",
        "http:me:{}@h/v1",
        "ftp://me:{}@h/",
        "http://me:{}@h:port/v1",
        "http://me:{}@[::1/v1",
        "http:\\\\me:{}@h/v1",
        "//me:{}@h/v1",
        "http:///me:{}@h/v1",
        "http://me:1234/{}@h/v1",
        "https://{} /x@h",
        "https://{} /x",
        "{}://h",
        "http://h/v1?key={}",
        "{}",
        "ftp://h/{}",
        " http://me:{}@h /v1",
    ],
)
@pytest.mark.parametrize("password", [PASSWORD, "pw123456"])
def test_a_base_url_that_is_refused_is_not_shown(url: str, password: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Nomenclater("m", url.format(password))
    assert password[:8] not in "".join(traceback.format_exception(caught.value))
    assert "base_url" in str(caught.value)


@pytest.mark.parametrize("carry", CARRIERS)
def test_the_key_of_the_environment_stays_at_home_if_the_session_has_a_credential(
    carry: Callable[[requests.Session], None], ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint, requests.Session() as session:
        carry(session)
        ask(endpoint, session=session).fetch(1, ())
    sent = endpoint.seen[0].headers.get("authorization", "")
    assert KEY not in sent


@pytest.mark.parametrize("carry", CARRIERS)
def test_a_credential_that_a_session_got_later_keeps_the_key_of_the_environment_at_home(
    carry: Callable[[requests.Session], None], ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint, requests.Session() as session:
        nomenclater = ask(endpoint, session=session)
        nomenclater.fetch(1, ())
        carry(session)
        nomenclater.fetch(1, ())
    before, after = (seen.headers.get("authorization", "") for seen in endpoint.seen)
    assert KEY in before
    assert KEY not in after


def test_an_authorisation_that_a_session_got_later_is_not_replaced(ask: Asker) -> None:
    with Endpoint() as endpoint, requests.Session() as session:
        nomenclater = ask(endpoint, session=session, api_key=KEY)
        _with_header(session)
        nomenclater.fetch(1, ())
    assert endpoint.seen[0].headers["authorization"] == f"Bearer {PASSWORD}"


@pytest.mark.parametrize(
    "options", [{"headers": {"x-api-key": "of-this-host"}}, {"query": {"key": "of-this-host"}}]
)
def test_the_key_of_the_environment_stays_at_home_if_another_one_is_given(
    options: dict[str, Any], ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint:
        ask(endpoint, **options).fetch(1, ())
    assert "authorization" not in endpoint.seen[0].headers


def test_a_key_that_was_given_is_sent_beside_another_header(ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint, api_key=KEY, headers={"x-gateway-token": "of-this-host"}).fetch(1, ())
    assert endpoint.seen[0].headers["authorization"] == f"Bearer {KEY}"


# -- half-built -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Nomenclater, endpoint_module.Endpoint])
def test_half_built_it_can_be_shown(kind: Any) -> None:
    assert kind.__name__ in repr(kind.__new__(kind))


def test_a_traceback_that_shows_locals_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours, which keeps its frames")

    monkeypatch.setattr(nomenclater_module, "checked_themes", fail)
    with pytest.raises(RuntimeError) as caught:
        Nomenclater("m", "http://127.0.0.1:1/v1")
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert any("self" in frame.f_locals for frame in frames)
    assert all(repr(frame.f_locals) for frame in frames)
