"""Which form is asked for next, how long, and what an answer that is an error counts as."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from namepool import open_pool
from namepool.core.refill import LONGEST_REQUEST
from namepool.sources.llm.ladder import RUNGS
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.subjects import EXAMPLES
from namepool.sources.llm.transport import Answer
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told, completion
from tests.support import PATIENCE

SCHEMA = "json_schema"
OLLAMA = '{"error": {"message": "failed to load model vocabulary required for format"}}'


def _only_plain(answer: Told | Callable[[Seen], Told]) -> Callable[[Seen], Told]:
    """Give names to a plain request, and ``answer`` to one with a form."""
    names = Names()

    def give(seen: Seen) -> Told:
        if not seen.form:
            return names(seen)
        return answer if isinstance(answer, Told) else answer(seen)

    return give


def _hang_up(_: Seen) -> Told:
    raise ConnectionError("the server closes the connection without an answer")


# -- forms that are refused without a word --------------------------------------------------------

BLANKS: dict[str, Told | Callable[[Seen], Told]] = {
    "a bare 500": Told(500, "Internal Server Error"),
    "nothing": completion(""),
    "null": completion(None),
    "an empty object": completion("{}"),
    "white space": completion("\n" * 3000),
    "white space in an object": completion("{" + " \n" * 3000),
    "white space without an end": Told(body='{"choices": [' + " \n" * 600_000),
    "an empty body": Told(body=""),
    "an error without a code": Told(body='{"error": {"message": "Internal server error"}}'),
    "no choice": Told(body='{"choices": []}'),
    "no name that may be given": completion('{"names": ["…", "…"]}'),
    "a closed connection": _hang_up,
}


@pytest.mark.parametrize("blank", BLANKS)
def test_the_last_attempt_asks_for_no_form_and_that_is_remembered(blank: str, ask: Asker) -> None:
    with Endpoint(_only_plain(BLANKS[blank])) as endpoint:
        nomenclater = ask(endpoint)
        assert len(nomenclater.fetch(2, ())) == 2
        assert len(nomenclater.fetch(2, ())) == 2
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, SCHEMA, None, None]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_single_attempt_leaves_the_plain_form_to_the_next_chunk(blank: str, ask: Asker) -> None:
    with Endpoint(_only_plain(BLANKS[blank])) as endpoint:
        nomenclater = ask(endpoint, max_attempts=1)
        failure(nomenclater)
        assert len(nomenclater.fetch(2, ())) == 2
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, None]


def test_an_endpoint_that_never_answers_well_is_asked_for_each_form_again(ask: Asker) -> None:
    with Endpoint(Told(500, "Internal Server Error")) as endpoint:
        nomenclater = ask(endpoint, max_attempts=1)
        for _ in range(3):
            failure(nomenclater)
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, None, SCHEMA]


def test_a_500_about_the_form_costs_no_attempt(ask: Asker) -> None:
    with Endpoint(_only_plain(Told(500, OLLAMA))) as endpoint:
        assert len(ask(endpoint, max_attempts=1).fetch(2, ())) == 2
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, "json_object with schema", None]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_form_that_has_worked_is_not_given_up(blank: str, ask: Asker) -> None:
    names = Names()
    with Endpoint(names, BLANKS[blank], BLANKS[blank], names) as endpoint:
        nomenclater = ask(endpoint)
        for _ in range(2):
            assert len(nomenclater.fetch(2, ())) == 2
    assert {seen.form for seen in endpoint.seen} == {SCHEMA}
    assert len(endpoint.seen) == 4


@pytest.mark.parametrize("status", [429, 502, 503])
def test_an_outage_is_no_reason_to_give_up_a_form(status: int, ask: Asker) -> None:
    with Endpoint(Told(status), Told(status), Names()) as endpoint:
        ask(endpoint).fetch(1, ())
    assert {seen.form for seen in endpoint.seen} == {SCHEMA}


def test_a_form_that_another_thread_found_to_work_helps_those_that_are_under_way(
    ask: Asker,
) -> None:
    names = Names()
    refused, proven = threading.Event(), threading.Event()

    def answer(seen: Seen) -> Told:
        if not seen.form:
            return names(seen)
        if refused.is_set():  # the second request of the first thread
            assert proven.wait(PATIENCE)
        return Told(500, "Internal Server Error")

    with Endpoint(answer) as endpoint:
        nomenclater = ask(endpoint, max_attempts=3)

        def wait(*_: object) -> bool:
            refused.set()
            return True

        nomenclater._asker.wait = wait
        nomenclater._asker.rung = 0
        first = threading.Thread(target=nomenclater.fetch, args=(1, ()))
        first.start()
        assert refused.wait(PATIENCE)
        nomenclater._asker.rung = len(RUNGS) - 1
        assert nomenclater.fetch(1, ())
        proven.set()
        first.join()
    assert [seen.form for seen in endpoint.seen].count(None) == 2


def test_silence_under_a_form_is_followed_by_a_plain_request_in_time(ask: Asker) -> None:
    over, names = threading.Event(), Names()

    def silent(seen: Seen) -> Told:
        if seen.form:
            over.wait(PATIENCE)
        return names(seen)

    with Endpoint(silent) as endpoint:
        nomenclater = ask(endpoint, timeout=2.0)
        assert len(nomenclater.fetch(2, ())) == 2
        assert len(nomenclater.fetch(2, ())) == 2
        over.set()
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, None, None]


class Mute:
    """Stands in for a line on which nobody ever answers in time."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Any]] = []

    def post(self, body: bytes, seconds: float) -> Answer:
        self.asked.append((seconds, json.loads(body).get("response_format")))
        raise EndpointError(f"no answer within {seconds} s", late=True)

    def wait(self, seconds: float) -> bool:
        return True


def test_after_silence_the_next_chunk_gives_all_its_time_to_a_plain_request(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Mute()
    nomenclater = ask("http://127.0.0.1:1/v1", timeout=20.0, max_attempts=2)
    monkeypatch.setattr(nomenclater, "_open", lambda: line)
    monkeypatch.setattr(nomenclater._asker, "clock", lambda: 100.0)
    for _ in range(2):
        assert failure(nomenclater).late

    assert [seconds for seconds, _ in line.asked] == pytest.approx([9.0, 18.0, 18.0, 18.0])
    assert [form is None for _, form in line.asked] == [False, True, True, True]


# -- a reply that could not be read ---------------------------------------------------------------


def test_the_next_request_says_that_the_reply_could_not_be_read(ask: Asker) -> None:
    prose, names = completion("I would rather talk about the weather."), Names()
    with Endpoint(prose, names, prose, names) as endpoint:
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        nomenclater.fetch(1, ())
    said = [seen.prompt.partition("could not be read: ")[2] for seen in endpoint.seen]
    assert [bool(text) for text in said] == [False, True, False, True]
    example = json.loads(said[1].partition("as ")[2].partition(".\n")[0])
    assert set(example["names"]) <= set(EXAMPLES)


def test_an_error_is_no_reply_that_could_not_be_read(ask: Asker) -> None:
    with Endpoint(Told(500, "oh"), Told(200, '{"error": "oh"}'), Names()) as endpoint:
        ask(endpoint).fetch(1, ())
    assert len(endpoint.seen) == 3
    assert not any("could not be read" in seen.prompt for seen in endpoint.seen)


# -- an error inside an answer with status 200 ----------------------------------------------------


def _error(code: object, message: str = "Provider returned error", **more: Any) -> str:
    return json.dumps({"error": {"code": code, "message": message, **more}})


def test_an_error_inside_a_200_counts_as_that_error(ask: Asker) -> None:
    with Endpoint(Told(body=_error(401, "No auth"))) as endpoint:
        error = failure(ask(endpoint))
    assert (error.status, error.retry_after) == (401, LONGEST_REQUEST)
    assert "HTTP 401 (the key is missing or wrong): No auth" in str(error)
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize("code", [429, "503", 500])
def test_a_passing_error_inside_a_200_is_retried(code: object, ask: Asker) -> None:
    with Endpoint(Told(body=_error(code)), Names()) as endpoint:
        assert ask(endpoint).fetch(1, ())
    assert len(endpoint.seen) == 2
    assert ask.pauses == [0.5]


def test_a_form_that_is_refused_inside_a_200_is_followed_by_the_next(ask: Asker) -> None:
    refused = _error(400, metadata={"raw": '{"error": "json_schema is not supported"}'})
    with Endpoint(_only_plain(Told(body=refused))) as endpoint:
        assert ask(endpoint, max_attempts=1).fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, "json_object with schema", None]


def test_the_pause_of_an_error_inside_a_200_is_respected(ask: Asker) -> None:
    headers = (("Content-Type", "application/json"), ("Retry-After", "60"))
    with Endpoint(Told(200, _error(429), headers)) as endpoint:
        error = failure(ask(endpoint))
    assert (error.status, error.retry_after) == (429, 60.0)
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        _error(None, "json_schema is not supported"),
        _error("unsupported_value", "response_format: no json_schema"),
        json.dumps({"error": "json_schema is not supported"}),
        json.dumps({"code": 400, "message": "response_format is not supported"}),
        json.dumps({"statusCode": 400, "message": "no json_schema", "error": "Bad Request"}),
    ],
)
def test_a_form_is_refused_inside_a_200_in_many_ways(body: str, ask: Asker) -> None:
    with Endpoint(_only_plain(Told(body=body))) as endpoint:
        assert ask(endpoint, max_attempts=1).fetch(1, ())
    assert [seen.form for seen in endpoint.seen][::2] == [SCHEMA, None]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            _error(400, metadata={"raw": "context is full", "provider_name": "X"}),
            "HTTP 400: Provider returned error: context is full",
        ),
        (
            _error(400, metadata={"raw": {"detail": "context is full"}}),
            'HTTP 400: Provider returned error: {"detail": "context is full"}',
        ),
        (
            json.dumps({"choices": [{"error": {"code": 402, "message": "no credits"}}]}),
            "HTTP 402: no credits",
        ),
        (
            json.dumps(
                {
                    "choices": [
                        {
                            "message": {"content": "1. Ada Byte"},
                            "error": {"code": 402, "message": "no credits"},
                        }
                    ]
                }
            ),
            "HTTP 402: no credits",
        ),
    ],
)
def test_the_cause_of_an_error_inside_a_200_is_told(body: str, told: str, ask: Asker) -> None:
    with Endpoint(Told(body=body)) as endpoint:
        assert told in str(failure(ask(endpoint, max_attempts=1)))


@pytest.mark.parametrize("status", [400, 503])
def test_the_cause_behind_a_provider_is_told_with_another_status_too(
    status: int, ask: Asker
) -> None:
    body = _error(status, metadata={"raw": "the model is asleep"})
    with Endpoint(Told(status, body)) as endpoint:
        text = str(failure(ask(endpoint, max_attempts=1)))
    assert f"HTTP {status}: Provider returned error: the model is asleep" in text


# -- the words of the prompt ----------------------------------------------------------------------


def test_a_theme_and_a_kind_of_the_prompt_are_no_names(ask: Asker) -> None:
    first = completion("**Space Opera**\n\nPulp\n\n1. Space Opera\n2. Pulp\n3. Ada Byte")
    with Endpoint(first, Names()) as endpoint:
        assert ask(endpoint, themes=["space opera"]).fetch(2, ()) == ["Ada Byte", "Agent 1"]
    assert '"Space Opera" is a theme; "Pulp" is a theme' in endpoint.seen[1].prompt


# -- streams --------------------------------------------------------------------------------------


def test_no_stream_is_asked_for(ask: Asker) -> None:
    with Endpoint() as endpoint:
        ask(endpoint).fetch(1, ())
        ask(endpoint, extra_body={"stream": True}).fetch(1, ())
    assert [seen.body["stream"] for seen in endpoint.seen] == [False, True]


def test_an_answer_in_events_is_read_all_the_same(ask: Asker) -> None:
    pieces = ['{"names": ["Ada ', 'Byte", "Hugo Sem', 'aphore"]}']
    choices = [{"index": 0, "delta": {"content": piece}} for piece in pieces]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [": keep alive", *(f"data: {json.dumps({'choices': [one]})}" for one in choices)]
    body = "\n\n".join([*events, "data: [DONE]", ""])
    with Endpoint(Told(200, body, (("Content-Type", "text/event-stream"),))) as endpoint:
        assert ask(endpoint).fetch(2, ()) == ["Ada Byte", "Hugo Semaphore"]


# -- names that the program reserves --------------------------------------------------------------


def test_a_reserved_name_is_refused_at_once_and_another_one_is_asked_for(ask: Asker) -> None:
    first = completion(json.dumps({"names": ["Acme Ada", "Bo Baker"]}))
    with Endpoint(first, completion('{"names": ["Cy Cook"]}'), Names()) as endpoint:
        source = ask(endpoint, max_attempts=2)
        with open_pool(source=source, chunk_size=2, reserved=["Acme"]) as pool:
            names = [pool.checkout_name(owner=f"agent {n}") for n in range(2)]
            stats = pool.pool_stats()
    assert names == ["Bo Baker", "Cy Cook"]
    assert '"Acme Ada" is reserved' in endpoint.seen[1].prompt
    assert stats.invalid_count == 0  # the pool has not seen the name


def test_outside_a_pool_no_name_is_reserved(ask: Asker) -> None:
    with Endpoint(completion('{"names": ["Acme Ada"]}')) as endpoint:
        assert ask(endpoint).fetch(1, ()) == ["Acme Ada"]
