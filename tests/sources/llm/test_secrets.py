"""No key, password or cookie is told, whatever a server does with it."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from namepool import (
    NamePool,
    NamesUnavailable,
    PoolHandle,
)
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import (
    Endpoint,
    Told,
    completion,
    named,
)

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


def test_a_name_that_holds_the_key_does_not(ask: Asker) -> None:
    with Endpoint(named(f"Ada {KEY}")) as endpoint:
        assert KEY not in ask(endpoint, api_key=KEY).fetch(1, ())[0]


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


def test_an_error_holds_nothing_of_the_request(ask: Asker) -> None:
    error = failure(ask("http://127.0.0.1:1/v1", api_key=KEY))
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any("requests" in frame.f_code.co_filename for frame in frames)
    assert not any(KEY in repr(frame.f_locals) for frame in frames[1:])
