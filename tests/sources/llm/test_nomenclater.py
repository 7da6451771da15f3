"""The nomenclater against real HTTP servers on loopback, well-behaved and otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from namepool import (
    InvalidOption,
    NamePool,
    NamesUnavailable,
    PoolHandle,
    open_pool,
)
from namepool.core.refill import LONGEST_REQUEST
from namepool.sources.llm.subjects import THEMES
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import (
    Endpoint,
    Names,
    Seen,
    Told,
    completion,
    named,
)
from tests.support import PATIENCE, MovableClock, on_thread, run_together, wait_until

KEY = "sk-oh-so-secret-0123456789"


# -- the request ----------------------------------------------------------------------------------


def test_it_asks_for_the_names_and_gives_them(httpserver: HTTPServer, ask: Asker) -> None:
    content = json.dumps({"names": ["Ada the Abacus", "Chet Chatter"]})
    reply = {"choices": [{"message": {"content": content}}]}
    httpserver.expect_request("/v1/chat/completions", method="POST").respond_with_json(reply)
    nomenclater = ask(httpserver.url_for("/v1/"))
    assert nomenclater.fetch(2, ()) == ["Ada the Abacus", "Chet Chatter"]
    assert nomenclater.last_source is not None
    assert nomenclater.last_source.startswith(f"Nomenclater (m at {httpserver.host}:")


def test_only_the_latest_used_names_are_listed_and_the_size_does_not_grow(ask: Asker) -> None:
    used = [f"Known Person {n:07}" for n in range(100_000)]
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint, themes=["maps"], max_used_in_prompt=200)
        nomenclater._asker.examples = lambda: ["Ada"]
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


def test_a_theme_that_is_asked_for_is_the_subject_and_no_other_is_drawn(ask: Asker) -> None:
    mine = [f"theme number {n}" for n in range(8)]
    with Endpoint() as endpoint:
        nomenclater = ask(endpoint, themes=mine)
        nomenclater.fetch(1, (), theme="the night kitchen")
        with pytest.raises(InvalidOption, match="theme must be a string"):
            nomenclater.fetch(1, (), theme="night\nkitchen")
    assert 'each name is about "the night kitchen"' in endpoint.seen[0].prompt
    assert not any(theme in endpoint.seen[0].prompt for theme in mine)


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
    return _themes(seen, "spread evenly: ")


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
    assert [seen.form for seen in endpoint.seen] == ["json_schema", "json_object with schema"]


def test_the_last_rung_is_a_plain_prompt_and_is_remembered(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR), Told(400, FORM_ERROR), Names()) as endpoint:
        nomenclater = ask(endpoint, max_attempts=1)
        nomenclater.fetch(2, ())
        nomenclater.fetch(2, ())
    forms = ["json_schema", "json_object with schema", None, None]
    assert [seen.form for seen in endpoint.seen] == forms


def test_below_the_last_rung_is_an_error(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR)) as endpoint:
        assert failure(ask(endpoint)).status == 400
    assert len(endpoint.seen) == 3


def test_a_rung_that_never_worked_is_not_remembered(ask: Asker) -> None:
    with Endpoint(Told(400, FORM_ERROR), Told(400, "too long"), Names()) as endpoint:
        nomenclater = ask(endpoint)
        failure(nomenclater)
        nomenclater.fetch(1, ())
    forms = ["json_schema", "json_object with schema", "json_schema"]
    assert [seen.form for seen in endpoint.seen] == forms


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
    first = named("Ada", "X" * 65, "Bob", "ada", "Used One")
    with Endpoint(first, named("Cy", "Dee", "Eve")) as endpoint:
        assert ask(endpoint).fetch(5, ["Used One"]) == ["Ada", "Bob", "Cy", "Dee", "Eve"]
    again = endpoint.seen[1]
    assert again.wanted == 3
    assert "refused" not in endpoint.seen[0].prompt
    refused = again.prompt.partition("refused: ")[2]
    assert all(name in refused for name in ("X" * 65, '"ada" is in use', '"Used One" is in use'))
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
        assert "the model refused: I\\ncannot" in str(failure(ask(endpoint)))


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
    twelve = [f"Same{n}" for n in range(12)]
    with Endpoint(named(*twelve)) as endpoint:
        nomenclater = ask(endpoint)
        assert nomenclater.fetch(12, ()) == twelve
        assert "only known names came, 36 in all" in str(failure(nomenclater, 12))
    assert len(endpoint.seen) == 1 + 3


def test_a_pool_on_the_same_names_for_ever_ends_in_a_clear_error(ask: Asker) -> None:
    with Endpoint(named(*(f"Same{n}" for n in range(12)))) as endpoint:
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
        failure(nomenclater)
        assert ask.pauses == [0.5, 1, 2, 4, 8, 8, 8]
        nomenclater._asker.jitter = lambda: 0.0
        failure(nomenclater)
    assert ask.pauses[7:] == [0.25, 0.5, 1, 2, 4, 4, 4]


@pytest.mark.parametrize("status", [401, 403])
def test_what_a_person_must_put_right_fails_at_once_and_pauses_longer(
    status: int, ask: Asker
) -> None:
    with Endpoint(Told(status, "you shall not pass")) as endpoint:
        error = failure(ask(endpoint))
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


@pytest.mark.parametrize("status", [402, 413, 418, 451])
def test_other_client_errors_fail_at_once(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, "no\nway")) as endpoint:
        error = failure(ask(endpoint))
    assert len(endpoint.seen) == 1
    assert f"HTTP {status}: no\\nway" in str(error)
    assert error.retry_after is None


@pytest.mark.parametrize("status", [201, 202, 206])
def test_a_success_of_another_kind_is_an_error(status: int, ask: Asker) -> None:
    with Endpoint(Told(status, "later")) as endpoint:
        assert failure(ask(endpoint)).status == status


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
        nomenclater._asker.wall_clock = lambda: 1_000_000.0
        nomenclater.fetch(1, ())
    assert ask.pauses == ([pytest.approx(pause, abs=0.4)] if pause else [])


@pytest.mark.parametrize(("said", "heeded"), [("60", 60.0), ("3600", LONGEST_REQUEST)])
def test_a_wait_beyond_the_deadline_is_left_to_the_pool(
    said: str, heeded: float, ask: Asker
) -> None:
    with Endpoint(Told(429, "slowly", (("Retry-After", said),))) as endpoint:
        assert failure(ask(endpoint)).retry_after == heeded
    assert len(endpoint.seen) == 1
    assert ask.pauses == []


def test_the_deadline_holds_for_all_attempts_together(ask: Asker, clock: MovableClock) -> None:
    with Endpoint(Told(503, "busy")) as endpoint:
        nomenclater = ask(endpoint, timeout=10.0, max_attempts=100)
        nomenclater._asker.clock, began = clock, clock()

        def wait(_: object, seconds: float) -> bool:
            clock.advance(seconds)
            return True

        nomenclater._asker.wait = wait
        assert failure(nomenclater).status == 503
    assert clock() - began < 10.0
    assert len(endpoint.seen) == 5  # after 0, 0.5, 1.5, 3.5 and 7.5 s; the next would be at 15.5


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
            if thread.name.startswith("ChunkFetcher-"):
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
            assert "closed" in str(failure(nomenclater))

        run_together([fetch, close])
    assert len(endpoint.seen) == 1


def test_closing_ends_a_fetch_that_waits_for_its_next_attempt(ask: Asker) -> None:
    with Endpoint(Told(503, "busy", (("Retry-After", "15"),))) as endpoint:
        nomenclater = ask(endpoint)
        waiting = threading.Event()

        def wait(line: Any, seconds: float) -> bool:
            waiting.set()
            return bool(line.wait(seconds))

        nomenclater._asker.wait = wait

        def close() -> None:
            assert waiting.wait(PATIENCE)
            nomenclater.close()

        began = time.monotonic()
        run_together([lambda: failure(nomenclater), close])
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
    assert sum(theme in endpoint.seen[0].prompt for theme in THEMES) >= 3
