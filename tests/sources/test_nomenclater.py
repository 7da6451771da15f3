"""The nomenclater against real HTTP servers on loopback, well-behaved and otherwise."""

from __future__ import annotations

import gc
import gzip
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from namepool import (
    FallbackSource,
    InvalidOption,
    NamePool,
    NamesUnavailable,
    Nomenclater,
    NumberedNames,
    PoolHandle,
    SourceError,
    open_pool,
)
from namepool.core.refill import LONGEST_REQUEST
from namepool.sources import _http, prompts
from namepool.sources._retry import EndpointError
from tests.sources.endpoint import (
    Connection,
    Endpoint,
    Names,
    Seen,
    Told,
    completion,
    named,
    raw_endpoint,
)
from tests.support import PATIENCE, MovableClock, on_thread, run_together, wait_until

KEY = "sk-oh-so-secret-0123456789"
VARIABLES = ("BASE_URL", "API_KEY", "ORG_ID", "PROJECT_ID")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [f"OPENAI_{name}" for name in VARIABLES] + ["NAMEPOOL_MODEL"]:
        monkeypatch.delenv(variable, raising=False)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


class Asker:
    """Builds nomenclaters that do not wait between attempts, and closes them."""

    def __init__(self) -> None:
        self.built: list[Nomenclater] = []
        self.pauses: list[float] = []

    def __call__(self, base_url: str | Endpoint, **options: Any) -> Nomenclater:
        url = base_url if isinstance(base_url, str) else base_url.url
        nomenclater = Nomenclater("m", url, **{"timeout": 20.0, **options})
        nomenclater._wait = self._note
        nomenclater._random = lambda: 1.0
        self.built.append(nomenclater)
        return nomenclater

    def _note(self, _: object, seconds: float) -> bool:
        self.pauses.append(seconds)
        return True


@pytest.fixture
def ask() -> Iterator[Asker]:
    asker = Asker()
    yield asker
    for nomenclater in asker.built:
        nomenclater.close()


def _failure(nomenclater: Nomenclater, count: int = 2) -> EndpointError:
    with pytest.raises(SourceError) as caught:
        nomenclater.fetch(count, ())
    assert isinstance(caught.value, EndpointError)
    assert "\n" not in str(caught.value)
    return caught.value


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
        {"model": ""}, {"model": 3}, {"model": "a\nb"},
        {"base_url": "ftp://x/v1"}, {"base_url": "api.example"}, {"base_url": ""},
        {"base_url": "http://"}, {"base_url": "http://h:port/v1"}, {"base_url": 3},
        {"base_url": "http://h/v1?x=1"}, {"base_url": "http://h/ v1"},
        {"themes": []}, {"themes": "maps"}, {"themes": [3]}, {"themes": [""]}, {"themes": 3},
        {"guidance": ""}, {"guidance": 3}, {"guidance": "x" * 2001},
        {"timeout": 0}, {"timeout": "30"}, {"timeout": float("nan")},
        {"max_attempts": 0}, {"max_attempts": 1.5}, {"max_used_in_prompt": -1},
        {"session": requests.Session}, {"session": 3},
        {"headers": {"a b": "c"}}, {"headers": [("a", "b")]}, {"headers": {"a": 3}},
        {"query": {"a": 3}}, {"extra_body": [1]}, {"extra_body": {"a": object()}},
        {"extra_body": {"a": float("nan")}}, {"api_key": 3},
    ],
)  # fmt: skip
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
        {"base_url": f"http://127.0.0.1/{KEY}\n"},
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


# -- the request ----------------------------------------------------------------------------------


def test_it_asks_for_the_names_and_gives_them(httpserver: HTTPServer, ask: Asker) -> None:
    content = json.dumps({"names": ["Ada the Yak Shaver", "Chet Electron"]})
    reply = {"choices": [{"message": {"content": content}}]}
    httpserver.expect_request("/v1/chat/completions", method="POST").respond_with_json(reply)
    nomenclater = ask(httpserver.url_for("/v1/"))
    assert nomenclater.fetch(2, ()) == ["Ada the Yak Shaver", "Chet Electron"]
    assert nomenclater.last_source is not None
    assert nomenclater.last_source.startswith(f"Nomenclater (m at {httpserver.host}:")


def test_only_the_latest_used_names_are_listed_and_the_size_does_not_grow(ask: Asker) -> None:
    used = [f"Known Person {n:07}" for n in range(100_000)]
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint, themes=["maps"])
        nomenclater.fetch(1, used[:1000])
        nomenclater.fetch(1, used)
    small, large = (seen.prompt for seen in endpoint.seen)
    assert len(small) == len(large)
    assert large.count("Known Person") == 200
    assert used[-1] in large
    assert used[-201] not in large


@pytest.mark.parametrize("most", [0, 1, 3])
def test_the_number_of_used_names_in_the_prompt_can_be_set(most: int, ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint, max_used_in_prompt=most).fetch(1, [f"Known {n}" for n in range(10)])
    assert endpoint.seen[0].prompt.count("Known ") == most


def test_each_request_has_three_themes_of_the_list(ask: Asker) -> None:
    mine = [f"theme number {n}" for n in range(8)]
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint, themes=mine)
        for _ in range(12):
            nomenclater.fetch(1, ())
    drawn = [{theme for theme in mine if theme in seen.prompt} for seen in endpoint.seen]
    assert all(len(themes) == 3 for themes in drawn)
    assert len({frozenset(themes) for themes in drawn}) > 1  # 56 ** -11


def test_requests_at_the_same_time_have_different_themes(ask: Asker) -> None:
    mine = [f"theme number {n}" for n in range(12)]
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        nomenclater = ask(endpoint, themes=mine)

        def open_when_all_have_asked() -> None:
            for _ in range(4):
                endpoint.wait_asked()
            endpoint.gate.set()

        run_together([partial(nomenclater.fetch, 1, ())] * 4 + [open_when_all_have_asked])
    drawn = [theme for seen in endpoint.seen for theme in _own_themes(seen)]
    assert sorted(drawn) == sorted(mine)


def test_a_request_is_told_the_themes_that_others_have_at_the_time(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        nomenclater = ask(endpoint, themes=["maps", "tea", "rain", "kites"])
        first = threading.Thread(target=nomenclater.fetch, args=(1, ()))
        first.start()
        endpoint.wait_asked()
        second = threading.Thread(target=nomenclater.fetch, args=(1, ()))
        second.start()
        endpoint.wait_asked()
        endpoint.gate.set()
        first.join()
        second.join()
        nomenclater.fetch(1, ())
    away = [_themes(seen, "keep away: ") for seen in endpoint.seen]
    own = [_own_themes(seen) for seen in endpoint.seen]
    assert [len(themes) for themes in away] == [0, 1, 0]  # two of the four they have in common
    assert set(away[1]) == set(own[0]) - set(own[1])


def _own_themes(seen: Seen) -> list[str]:
    return _themes(seen, "these themes: ")


def _themes(seen: Seen, after: str) -> list[str]:
    """Return the themes that are listed in the prompt after these words."""
    _, found, rest = seen.prompt.partition(after)
    return rest.splitlines()[0].removesuffix(".").split("; ") if found else []


def test_guidance_is_sent_along(ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint, guidance="All of them Welsh.").fetch(1, ())
    assert "All of them Welsh." in endpoint.seen[0].prompt


# -- the ladder -----------------------------------------------------------------------------------

FORM_ERROR = '{"error": {"message": "response_format.type must be text"}}'


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize(
    "said", [FORM_ERROR, "json_schema?", "bad Schema", "no json_object", "response format"]
)
def test_a_refused_form_is_followed_by_the_next(status: int, said: str, ask: Asker) -> None:
    with Endpoint(Told(status, said), Names()) as endpoint:
        assert len(ask(endpoint, max_attempts=1).fetch(2, ())) == 2
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_object"]


def test_the_last_rung_is_a_plain_prompt_and_is_remembered(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR), Told(400, FORM_ERROR), Names()) as endpoint:
        nomenclater = ask(endpoint, max_attempts=1)
        nomenclater.fetch(2, ())
        nomenclater.fetch(2, ())
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_object", None, None]


def test_below_the_last_rung_is_an_error(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR)) as endpoint:
        assert _failure(ask(endpoint)).status == 400
    assert len(endpoint.seen) == 3


def test_a_rung_that_never_worked_is_not_remembered(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR), Told(400, "too long"), Names()) as endpoint:
        nomenclater = ask(endpoint)
        _failure(nomenclater)
        nomenclater.fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_object", "json_schema"]


@pytest.mark.parametrize("status", [502, 503, 529])
def test_other_server_errors_are_retried_and_not_stepped_down(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, FORM_ERROR), Names()) as endpoint:
        ask(endpoint).fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_schema"]


def test_a_500_that_speaks_of_something_else_is_retried(ask: Asker) -> None:
    with Endpoint(Told(500, "out of memory"), Names()) as endpoint:
        ask(endpoint).fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_schema"]


# -- partial replies ------------------------------------------------------------------------------


def test_good_names_are_kept_and_only_the_rest_is_asked_for(ask: Asker) -> None:
    first = named("Ada", "X" * 65, "Bob", "ada!", "Used One")
    with Endpoint(first, named("Cy", "Dee", "Eve")) as endpoint:
        assert ask(endpoint).fetch(5, ["Used One"]) == ["Ada", "Bob", "Cy", "Dee", "Eve"]
    again = endpoint.seen[1]
    assert again.wanted == 3
    assert "refused" not in endpoint.seen[0].prompt
    refused = again.prompt.partition("refused: ")[2]
    assert all(name in refused for name in ("X" * 65, '"ada!" is in use', '"Used One" is in use'))
    assert '"Ada", "Bob"' in again.prompt


def test_a_failure_after_a_partial_reply_costs_no_name(ask: Asker) -> None:
    with Endpoint(named("Ada"), Told(401, "no")) as endpoint:
        assert ask(endpoint).fetch(2, ()) == ["Ada"]


def test_a_truncated_reply_gives_its_complete_names(ask: Asker) -> None:
    with Endpoint(completion('{"names": ["Ada", "Bo'), named("Bob")) as endpoint:
        assert ask(endpoint).fetch(2, ()) == ["Ada", "Bob"]


def test_more_names_than_asked_for_are_left(ask: Asker) -> None:
    with Endpoint(named("Ada", "Bob", "Cy")) as endpoint:
        assert ask(endpoint).fetch(2, ()) == ["Ada", "Bob"]


def test_an_unreadable_reply_is_asked_for_again(ask: Asker) -> None:
    with Endpoint(
        completion("I'd rather not."), completion("", refusal="No."), Names()
    ) as endpoint:
        assert len(ask(endpoint).fetch(2, ())) == 2
    assert len(endpoint.seen) == 3


def test_a_refusal_is_told(ask: Asker) -> None:
    with Endpoint(completion(None, refusal="I\ncannot")) as endpoint:
        assert "the model refused: I\\ncannot" in str(_failure(ask(endpoint)))


def test_no_name_comes_twice_even_without_a_pool(ask: Asker) -> None:
    with Endpoint(named("Ada", "Bob"), named("Ada", "Bob"), named("Bob", "Cy")) as endpoint:
        nomenclater = ask(endpoint)
        assert nomenclater.fetch(2, ()) == ["Ada", "Bob"]
        assert nomenclater.fetch(1, ()) == ["Cy"]
    assert endpoint.seen[2].wanted == 1


def test_after_a_reset_of_the_pool_names_may_come_again(ask: Asker) -> None:
    with Endpoint(named("Ada")) as endpoint:
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ["Bob"])
        assert nomenclater.fetch(1, ()) == ["Ada"]


@pytest.mark.parametrize("most", [0, 200])
def test_a_million_used_names_are_not_read_one_by_one(most: int, ask: Asker) -> None:
    class Million(list[str]):
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: Any) -> Any:
            numbers = range(*index.indices(1_000_000))
            assert len(numbers) == most
            return [f"Known {n}" for n in numbers]

        def __iter__(self) -> Any:
            raise AssertionError("all of them were read")

    with Endpoint() as endpoint:
        assert ask(endpoint, max_used_in_prompt=most).fetch(1, Million())


def test_the_same_names_for_ever_end_in_a_clear_error(ask: Asker) -> None:
    twelve = [f"Same {n}" for n in range(12)]
    with Endpoint(named(*twelve)) as endpoint:
        nomenclater = ask(endpoint)
        assert nomenclater.fetch(12, ()) == twelve
        assert "only known names came, 36 in all" in str(_failure(nomenclater, 12))
    assert len(endpoint.seen) == 1 + 3


def test_a_pool_on_the_same_names_for_ever_ends_in_a_clear_error(ask: Asker) -> None:
    with Endpoint(named(*(f"Same {n}" for n in range(12)))) as endpoint:
        ref = NamePool.start(source=ask(endpoint), low_water_mark=0)
        pool = PoolHandle(ref)
        assert len({on_thread(pool.checkout_name) for _ in range(12)}) == 12
        with pytest.raises(NamesUnavailable, match="only known names came"):
            on_thread(pool.checkout_name)
        with pytest.raises(NamesUnavailable, match="only known names came"):
            on_thread(pool.checkout_name)  # within the pause: no request
        assert len(endpoint.seen) == 1 + 3
        last_error = pool.pool_stats().last_error
        assert last_error is not None
        assert "only known names" in last_error
        ref.stop()


# -- statuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_passing_trouble_is_retried(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, "busy"), Told(status, "busy"), Names()) as endpoint:
        assert len(ask(endpoint).fetch(2, ())) == 2
    assert len(endpoint.seen) == 3
    assert ask.pauses == [0.5, 1.0]


def test_pauses_double_to_eight_seconds_and_are_jittered(ask: Asker) -> None:
    with Endpoint(Told(503)) as endpoint:
        nomenclater = ask(endpoint, max_attempts=8, timeout=1000)
        _failure(nomenclater)
        assert ask.pauses == [0.5, 1, 2, 4, 8, 8, 8]
        nomenclater._random = lambda: 0.0
        _failure(nomenclater)
    assert ask.pauses[7:] == [0.25, 0.5, 1, 2, 4, 4, 4]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_person_must_put_right_fails_at_once_and_pauses_longer(
    status: int, ask: Asker
) -> None:
    with Endpoint(Told(status, "you shall not pass")) as endpoint:
        error = _failure(ask(endpoint))
    assert len(endpoint.seen) == 1
    assert (error.status, error.retry_after) == (status, LONGEST_REQUEST)
    assert f"HTTP {status}" in str(error)
    assert "you shall not pass" in str(error)


def test_a_pool_pauses_longer_after_a_wrong_key(ask: Asker, clock: MovableClock) -> None:
    with Endpoint(Told(401, "wrong key"), Names()) as endpoint:
        ref = NamePool.start(source=ask(endpoint))
        clock.drive(ref)
        pool = PoolHandle(ref)
        for seconds in (0, 60, 59):
            clock.advance(seconds)
            with pytest.raises(NamesUnavailable, match="wrong key"):
                pool.checkout_name()
        assert len(endpoint.seen) == 1
        clock.advance(1.1)
        assert pool.checkout_name().startswith("Agent ")
        ref.stop()


@pytest.mark.parametrize("status", [400, 402, 405, 413, 418, 422, 451])
def test_other_client_errors_fail_at_once(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, "no\nway")) as endpoint:
        error = _failure(ask(endpoint))
    assert len(endpoint.seen) == 1
    assert f"HTTP {status}: no\\nway" in str(error)
    assert error.retry_after is None


@pytest.mark.parametrize("status", [201, 202, 206])
def test_a_success_of_another_kind_is_an_error(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, "later")) as endpoint:
        assert _failure(ask(endpoint)).status == status


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
        ({"Retry-After": formatdate(1_000_004, usegmt=True)}, 4.0),
        ({"Retry-After": formatdate(900_000, usegmt=True)}, 0.0),
        ({"Retry-After": "soon"}, 0.5),
        ({"Retry-After": "-1"}, 0.5),
        ({"Retry-After": "nan", "retry-after-ms": "inf"}, 0.5),
    ],
)
def test_the_endpoint_says_how_long_to_wait(
    headers: dict[str, str], pause: float, ask: Asker
) -> None:
    with Endpoint(Told(429, "slowly", tuple(headers.items())), Names()) as endpoint:
        nomenclater = ask(endpoint)
        nomenclater._wall_clock = lambda: 1_000_000.0
        nomenclater.fetch(1, ())
    assert ask.pauses == [pytest.approx(pause)]


@pytest.mark.parametrize(("said", "heeded"), [("60", 60.0), ("3600", LONGEST_REQUEST)])
def test_a_wait_beyond_the_deadline_is_left_to_the_pool(
    said: str, heeded: float, ask: Asker
) -> None:
    with Endpoint(Told(429, "slowly", (("Retry-After", said),))) as endpoint:
        assert _failure(ask(endpoint)).retry_after == heeded
    assert len(endpoint.seen) == 1
    assert ask.pauses == []


def test_the_deadline_holds_for_all_attempts_together(ask: Asker, clock: MovableClock) -> None:
    with Endpoint(Told(503, "busy")) as endpoint:
        nomenclater = ask(endpoint, timeout=10.0, max_attempts=100)
        nomenclater._clock, began = clock, clock()

        def wait(_: object, seconds: float) -> bool:
            clock.advance(seconds)
            return True

        nomenclater._wait = wait
        assert _failure(nomenclater).status == 503
    assert clock() - began < 10.0
    assert len(endpoint.seen) == 5  # after 0, 0.5, 1.5, 3.5 and 7.5 s; the next would be at 15.5


# -- bodies that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Told(body=""), "the reply is empty"),
        (Told(body=" \n"), "the reply is empty"),
        (Told(body=b"\xff\xfe\xfd"), "not UTF-8: \\xff"),
        (Told(body="<html>Sign in</html>"), "not JSON: <html>Sign in</html>"),
        (Told(200, "<p>\nSign in", (("Content-Type", "text/html"),)), "text/html: <p>\\nSign in"),
        (Told(200, "{}", (("Content-Type", "text/event-stream"),)), "text/event-stream: {}"),
        (Told(502, "<html><h1>Bad gateway</h1>"), "HTTP 502: <html><h1>Bad gateway</h1>"),
        (Told(503, ""), "HTTP 503: an empty body"),
        (Told(500, b"\xff\x00"), "HTTP 500: \\xff\\x00"),
        (Told(body="{}"), "no chat completion"),
        (Told(body="x", headers=(("Content-Encoding", "br"),)), "packed with br"),
        (Told(body="xyz", headers=(("Content-Encoding", "gzip"),)), "incorrect header check"),
    ],
)  # fmt: skip
def test_what_came_is_told(told: Told, said: str, ask: Asker) -> None:
    with Endpoint(told) as endpoint:
        text = str(_failure(ask(endpoint)))
    assert said in text
    assert text.startswith(f"m at 127.0.0.1:{endpoint.port}: ")


def test_of_a_long_error_two_hundred_characters_are_told(ask: Asker) -> None:
    with Endpoint(Told(500, "y" * 5000)) as endpoint:
        text = str(_failure(ask(endpoint)))
    assert 190 < text.count("y") <= 200


def test_a_charset_and_a_json_type_of_a_vendor_are_fine(ask: Asker) -> None:
    for kind in ("application/json; charset=utf-8", "application/vnd.x+json", ""):
        told = named("Ada")._replace(headers=(("Content-Type", kind),) if kind else ())
        with Endpoint(told) as endpoint:
            assert ask(endpoint).fetch(1, ()) == ["Ada"]


def test_a_packed_reply_is_unpacked(ask: Asker) -> None:
    told = named("Ada")
    assert isinstance(told.body, str)
    packed = Told(200, gzip.compress(told.body.encode()), (("Content-Encoding", "gzip"),))
    with Endpoint(packed) as endpoint:
        assert ask(endpoint).fetch(1, ()) == ["Ada"]


def test_a_gzip_bomb_is_not_unpacked(ask: Asker) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    for status in (200, 500):
        with Endpoint(Told(status, bomb, (("Content-Encoding", "gzip"),))) as endpoint:
            nomenclater = ask(endpoint)
            gc.collect()
            tracemalloc.start()
            text = str(_failure(nomenclater))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert f"more than {_http.MAX_BODY} bytes" in text
        assert peak < 10_000_000
        assert len(endpoint.seen) == 1


@pytest.mark.parametrize("head", ["200 OK", "404 Not Found", "302 Found\r\nLocation: http://x/"])
def test_fifty_megabytes_are_not_read(head: str, ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 {head}\r\nContent-Length: 50000000\r\n\r\n".encode())
        while connection.sent < 50_000_000 and connection.send(b"x" * 65536):
            pass

    with raw_endpoint(serve) as (url, connections):
        assert f"more than {_http.MAX_BODY} bytes" in str(_failure(ask(url)))
    assert [c.sent < 25_000_000 for c in connections] == [True]  # what sockets buffer


# -- slow, broken and absent servers --------------------------------------------------------------


@pytest.mark.parametrize("session", [None, requests.Session])
def test_a_body_that_drips_ends_at_the_deadline(
    session: Callable[[], requests.Session] | None, ask: Asker
) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        connection.drip(b" ", 0.05)

    with raw_endpoint(serve) as (url, connections):
        began = time.monotonic()
        with (session or _nothing)() as own:
            assert "no answer within" in str(_failure(ask(url, timeout=0.5, session=own)))
        assert time.monotonic() - began < 0.5 + 2
        assert connections[0].gone.wait(PATIENCE)  # the socket is closed, not only left
    assert len(connections) == 1


class _nothing:  # noqa: N801  a context manager
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_headers_that_drip_end_at_the_deadline(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        connection.drip(b"z", 0.05)

    with raw_endpoint(serve) as (url, connections):
        began = time.monotonic()
        assert "no answer within" in str(_failure(ask(url, timeout=0.5)))
        assert time.monotonic() - began < 0.5 + 2
        assert connections[0].gone.wait(PATIENCE)


def test_a_chunked_body_that_drips_ends_at_the_deadline(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.drip(b"1\r\n \r\n", 0.05)

    with raw_endpoint(serve) as (url, connections):
        assert "no answer within" in str(_failure(ask(url, timeout=0.5)))
        assert connections[0].gone.wait(PATIENCE)


def test_a_silent_server_ends_at_the_deadline(ask: Asker) -> None:
    with raw_endpoint(lambda connection: connection.drip(b"", 0.05)) as (url, _):
        assert _failure(ask(url, timeout=0.3))


def test_a_chunked_reply_is_read(ask: Asker) -> None:
    def serve(connection: Connection) -> None:
        body = named("Ada").body
        assert isinstance(body, str)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body.encode()) + b"0\r\n\r\n")

    with raw_endpoint(serve) as (url, _):
        assert ask(url).fetch(1, ()) == ["Ada"]


def _reset_in_the_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    connection.reset()


def _end_in_the_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


def _reset_in_the_headers(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-")
    connection.reset()


def _no_http(connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.9\r\n")


FAULTS = [_reset_in_the_body, _end_in_the_body, _reset_in_the_headers, _no_http, Connection.reset]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_connection_is_retried_then_told(
    fault: Callable[[Connection], None], ask: Asker
) -> None:
    with raw_endpoint(fault) as (url, connections):
        error = _failure(ask(url))
        assert len(connections) == 3
    assert error.status is None
    assert len(str(error)) > len("m at 127.0.0.1:65535: ")


def _free_port() -> int:
    with Endpoint() as endpoint:
        return int(endpoint.port)


def test_a_server_that_comes_up_between_attempts_is_found(ask: Asker) -> None:
    port = _free_port()
    up: list[Endpoint] = []
    nomenclater = ask(f"http://127.0.0.1:{port}/v1")

    def wait(*_: object) -> bool:
        up.append(Endpoint(port=port))
        return True

    nomenclater._wait = wait
    try:
        assert len(nomenclater.fetch(3, ())) == 3
    finally:
        for endpoint in up:
            endpoint.close()


def test_a_server_that_is_down_is_told_after_three_attempts(ask: Asker) -> None:
    error = _failure(ask(f"http://127.0.0.1:{_free_port()}/v1"))
    assert "refused" in str(error)
    assert len(ask.pauses) == 2


def test_a_pool_falls_back_while_the_server_is_down_and_returns_to_it(ask: Asker) -> None:
    port, clock = _free_port(), MovableClock()
    fallback = FallbackSource(ask(f"http://127.0.0.1:{port}/v1"), NumberedNames(), clock=clock)
    ref = NamePool.start(source=fallback, chunk_size=2, low_water_mark=0)
    pool = PoolHandle(ref)
    assert on_thread(pool.checkout_name) == "NPC #1"
    assert pool.pool_stats().last_source == "NumberedNames"
    with Endpoint(port=port):
        on_thread(pool.checkout_name)
        assert on_thread(pool.checkout_name) == "NPC #3"  # still paused
        on_thread(pool.checkout_name)
        clock.advance(1.0)
        assert on_thread(pool.checkout_name) == "Agent 1"
        assert str(pool.pool_stats().last_source).startswith("Nomenclater (m at 127.0.0.1:")
        ref.stop()


def test_a_pool_that_waits_just_as_long_gets_the_answer_of_the_next_source(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        source = FallbackSource(ask(endpoint, timeout=2.0), NumberedNames())
        ref = NamePool.start(source=source, fetch_timeout=2.0)
        assert on_thread(PoolHandle(ref).checkout_name) == "NPC #1"
        ref.stop()


# -- where a request must not go ------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, ask: Asker) -> None:
    with Endpoint() as other:
        location = f"http://localhost:{other.port}/v1/chat/completions"
        with Endpoint(Told(status, "", (("Location", location),))) as endpoint:
            error = _failure(ask(endpoint, api_key=KEY, headers={"X-Api-Key": KEY}))
    assert other.seen == []
    assert len(endpoint.seen) == 1
    assert "a redirect, which is not followed" in str(error)
    assert location in str(error)


def test_a_redirect_is_not_followed_on_the_users_session_either(ask: Asker) -> None:
    with Endpoint() as other, requests.Session() as session:
        moved = Told(307, "", (("Location", f"{other.url}/chat/completions"),))
        with Endpoint(moved) as endpoint:
            _failure(ask(endpoint, session=session))
    assert other.seen == []


@pytest.mark.parametrize("key", [KEY, None])
def test_a_netrc_entry_for_the_host_changes_nothing(
    key: str | None, ask: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password of-mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Endpoint() as endpoint:
        assert requests.utils.get_netrc_auth(endpoint.url) == ("me", "of-mine")
        ask(endpoint, api_key=key).fetch(1, ())
    assert endpoint.seen[0].headers.get("authorization") == (f"Bearer {key}" if key else None)


def test_the_proxy_of_the_environment_is_used(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pass-of-proxy@127.0.0.1:{proxy.port}")
        assert ask("http://names.invalid/v1", api_key=KEY).fetch(1, ())
    assert proxy.seen[0].path == "http://names.invalid/v1/chat/completions"
    assert proxy.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" in proxy.seen[0].headers


def test_headers_that_drip_through_a_proxy_end_at_the_deadline(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        connection.drip(b"z", 0.05)

    with raw_endpoint(serve) as (url, connections):
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
        _failure(ask("http://names.invalid/v1", timeout=0.5))
        assert connections[0].gone.wait(PATIENCE)


def test_the_credentials_of_a_proxy_that_is_down_are_not_told(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:pass-of-proxy@127.0.0.1:{_free_port()}")
    error = _failure(ask("http://names.invalid/v1"))
    assert "pass-of-proxy" not in "".join(traceback.format_exception(error))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, "req", *kind, *subject, *files], check=True, capture_output=True)
    return cert, key


def test_a_certificate_that_nobody_vouches_for_is_refused(
    ask: Asker, certificate: tuple[Path, Path]
) -> None:
    with Endpoint(certificate=certificate) as endpoint:
        assert "certificate verify failed" in str(_failure(ask(endpoint, api_key=KEY)))
    assert endpoint.seen == []


def test_a_certificate_that_the_environment_vouches_for_is_accepted(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        assert len(ask(endpoint, api_key=KEY).fetch(3, ())) == 3


def test_closing_ends_a_request_under_way_over_tls(
    ask: Asker, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with Endpoint(certificate=certificate) as endpoint:
        endpoint.gate.clear()
        nomenclater = ask(endpoint)

        def close() -> None:
            endpoint.wait_asked()
            nomenclater.close()

        run_together([lambda: _failure(nomenclater), close])
        for thread in threading.enumerate():  # before the endpoint answers
            if thread.name == "namepool-request":
                thread.join(PATIENCE)
                assert not thread.is_alive()


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


def test_a_name_that_holds_the_key_does_not(ask: Asker) -> None:
    with Endpoint(named(f"Ada {KEY}")) as endpoint:
        assert KEY not in ask(endpoint, api_key=KEY).fetch(1, ())[0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://names.invalid/v1"])
def test_the_key_is_not_told_when_there_is_no_connection(
    url: str, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = _failure(ask(url, api_key=KEY, query={"key": KEY}, max_attempts=1))
    assert KEY not in "".join(traceback.format_exception(error)) + repr(error) + caplog.text


def test_http_libraries_log_no_key(ask: Asker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Endpoint() as endpoint:
        ask(endpoint, api_key=KEY, headers={"X-Token": KEY}).fetch(1, ())
    assert "urllib3" in caplog.text
    assert KEY not in caplog.text


def test_an_error_holds_nothing_of_the_request(ask: Asker) -> None:
    error = _failure(ask("http://127.0.0.1:1/v1", api_key=KEY))
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any("requests" in frame.f_code.co_filename for frame in frames)
    assert not any(KEY in repr(frame.f_locals) for frame in frames[1:])


# -- the end --------------------------------------------------------------------------------------


def test_stopping_the_pool_ends_a_request_under_way(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        pool = open_pool(source=ask(endpoint), prefetch=True)
        endpoint.wait_asked()
        began = time.monotonic()
        pool.close()
        assert time.monotonic() - began < 5
        for thread in threading.enumerate():  # before the endpoint answers
            if thread.name == "namepool-request":
                thread.join(PATIENCE)
                assert not thread.is_alive()


def test_closing_ends_a_fetch_that_waits_for_an_answer(ask: Asker) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        nomenclater = ask(endpoint)

        def close() -> None:
            endpoint.wait_asked()
            nomenclater.close()

        def fetch() -> None:
            assert "closed" in str(_failure(nomenclater))

        run_together([fetch, close])
    assert len(endpoint.seen) == 1


def test_closing_ends_a_fetch_that_waits_for_its_next_attempt(ask: Asker) -> None:
    with Endpoint(Told(503, "busy", (("Retry-After", "15"),))) as endpoint:
        nomenclater = ask(endpoint)
        waiting = threading.Event()

        def wait(line: Any, seconds: float) -> bool:
            waiting.set()
            return bool(line.wait(seconds))

        nomenclater._wait = wait

        def close() -> None:
            assert waiting.wait(PATIENCE)
            nomenclater.close()

        began = time.monotonic()
        run_together([lambda: _failure(nomenclater), close])
        assert time.monotonic() - began < 10
    assert len(endpoint.seen) == 1


def test_after_closing_a_fetch_opens_a_new_session(ask: Asker) -> None:
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        nomenclater.close()
        nomenclater.close()
        assert nomenclater.fetch(1, ()) == ["Agent 2"]


def test_closing_closes_our_session_but_not_the_users(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[requests.Session] = []
    monkeypatch.setattr(requests.Session, "close", lambda session: closed.append(session))
    mine = requests.Session()
    with Endpoint() as endpoint:
        for session, count in ((None, 1), (mine, 1)):
            nomenclater = ask(endpoint, session=session)
            nomenclater.fetch(1, ())
            nomenclater.close()
            assert len(closed) == count
    assert mine not in closed
    monkeypatch.undo()
    for session in (mine, *closed):
        session.close()


def test_the_hooks_of_the_users_session_are_called(ask: Asker) -> None:
    statuses: list[int] = []
    with Endpoint() as endpoint, requests.Session() as session:
        session.hooks["response"].append(lambda r, *_, **__: statuses.append(r.status_code))
        ask(endpoint, session=session).fetch(1, ())
    assert statuses == [200]


def test_the_users_session_is_used_with_its_headers_and_auth(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint, requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        session.auth = ("me", "mine")
        ask(endpoint, session=session).fetch(1, ())
    assert endpoint.seen[0].headers["x-mine"] == "yes"
    assert endpoint.seen[0].headers["authorization"].startswith("Basic ")


# -- many at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_fetches", "most_requests"), [(1, 5), (4, 8)])
def test_two_hundred_agents_at_once_make_few_requests(
    max_fetches: int, most_requests: int, ask: Asker
) -> None:
    with Endpoint() as endpoint:
        endpoint.gate.clear()
        ref = NamePool.start(source=ask(endpoint), max_fetches=max_fetches, low_water_mark=0)
        pool = PoolHandle(ref)
        names: list[str] = []

        def open_when_all_wait() -> None:
            wait_until(lambda: pool.pool_stats().waiting_count == 200, ref)
            endpoint.gate.set()

        agents = [lambda: names.append(pool.checkout_name())] * 200
        run_together([*agents, open_when_all_wait])
        ref.stop()
    assert len(set(names)) == 200
    assert endpoint.most_at_once <= max_fetches
    assert len(endpoint.seen) <= most_requests


def test_concurrent_fetches_never_give_one_name_twice(ask: Asker) -> None:
    def overlapping(seen: Seen) -> Told:
        return named(*(f"Agent {n}" for n in range(len(endpoint.seen) * 3 + seen.wanted)))

    with Endpoint(overlapping) as endpoint:
        nomenclater = ask(endpoint, max_attempts=20)
        names: list[str] = []
        run_together([lambda: names.extend(nomenclater.fetch(5, ()))] * 8)
    assert len(names) == len(set(names))


def test_requests_is_imported_by_the_first_fetch_only() -> None:
    code = (
        "import sys, namepool; n = namepool.Nomenclater('m', 'http://127.0.0.1:1/v1', "
        "max_attempts=1); print('requests' in sys.modules)\n"
        "try: n.fetch(1, ())\n"
        "except namepool.SourceError: print('requests' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_the_themes_of_the_package_are_used_by_default(ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint).fetch(1, ())
    assert sum(theme in endpoint.seen[0].prompt for theme in prompts.THEMES) >= 3
