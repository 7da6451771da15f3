"""Ledgers by URL."""

from __future__ import annotations

import contextlib
import copy
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers import MemoryLedger, RedisLedger, SQLiteLedger, open_ledger
from namepool.ledgers.urls import seconds
from tests.frames import assert_hidden


def test_a_url_has_a_path_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = open_ledger("sqlite:///a%20b.db?namespace=fleet%201&retire_after=7d&timeout=2.5s")

    assert isinstance(ledger, SQLiteLedger)
    assert repr(ledger) == f"SQLiteLedger({str(tmp_path / 'a b.db')!r}, namespace='fleet 1')"
    assert (ledger._retire_after, ledger._timeout) == (7 * 86400, 2.5)
    assert str(tmp_path / "a#b.db") in repr(open_ledger("sqlite:///a%23b.db"))
    absolute: Any = open_ledger("sqlite:////var/lib/names.db")
    assert str(absolute._file.path) == "/var/lib/names.db"
    assert absolute.namespace == "default"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "scheme must be"),
        ("names.db", "scheme must be .*: a file is 'sqlite:///names.db'"),
        ("/var/lib/names.db", "'sqlite:///names.db'"),
        ("C:\\names.db", "'sqlite:///names.db'"),
        ("sqlite:names.db", "three slashes"),
        ("sqlite:/var/lib/names.db", "three slashes"),
        ("sqlite://names.db", "three slashes"),
        ("sqlite:///", "path must be"),
        ("sqlite:///a.db?namspace=x", "ledger's option must be namespace or"),
        ("sqlite:///a.db?namespace=", "namespace must be a string of 1 to 100"),
        ("sqlite:///a.db?retire_after=soon", "retire_after must be a time such as"),
        ("sqlite:///a.db?retire_after=5m", "retire_after must be at least 600 seconds"),
        ("sqlite:///a.db?timeout=0", "timeout must be seconds, above 0"),
        ("sqlite:///a.db?oops", "must be a URL such as"),
        ("sqlite:///a#b.db", "without '#': write %23"),
        ("sqlite:///a.db#", "without '#': write %23"),
        ("redis://host/0?password=a#b", "without '#': write %23"),
        ("sqlite://[::1", "must be a URL such as"),
        ("sqlite:///redis://bob:s3cret@h/0", "path of a file in it, and no other URL$"),
        ("sqlite:///redis:%2F/bob:s3cret@h/0", "path of a file in it, and no other URL$"),
        ("unix://word/run/redis.sock", "three slashes: 'unix:///run/redis.sock'$"),
        ("unix://u:s3cret@word/run/redis.sock", "three slashes: 'unix:///run/redis.sock'$"),
        ("unix:///", "three slashes: 'unix:///run/redis.sock'$"),
        ("unix://", "three slashes: 'unix:///run/redis.sock'$"),
        ("sqlite:///a.db\n?x=1", "ledger's option must be"),
    ],
)
def test_a_url_that_is_wrong_is_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        open_ledger(url)


@pytest.mark.parametrize(
    "option",
    [
        *("encoding=s3cret", "encoding_errors=strict", "decode_responses=false", "protocol=3"),
        *("socket_timeout=-1", "socket_connect_timeout=5", "retry=s3cret", "retry_on_error=s3"),
        *("credential_provider=s3cret", "redis_connect_func=s3cret", "cache=s3cret"),
    ],
)
@pytest.mark.parametrize("scheme", ["redis://h", "rediss://h", "unix:///h"])
def test_an_option_of_redis_py_that_is_no_text_or_is_ours_is_refused(
    option: str, scheme: str
) -> None:
    for make in (open_ledger, RedisLedger):
        with pytest.raises(InvalidOption) as caught:
            make(f"{scheme}?{option}")
        said = str(caught.value)
        assert said.startswith(f"{option.partition('=')[0]} is not an option of a Redis URL: ")
        assert "client_name, socket_keepalive" in said
        assert "s3" not in said


@pytest.mark.parametrize(
    "options",
    [
        "db=1&username=u&password=p&client_name=c&socket_keepalive=yes&health_check_interval=5",
        "max_connections=3&ssl_ca_certs=/x&ssl_cert_reqs=none&ssl_check_hostname=no",
    ],
)
def test_options_of_redis_py_that_are_texts_are_taken(options: str) -> None:
    assert repr(open_ledger(f"rediss://h?{options}")).startswith("RedisLedger('rediss://h'")


def test_what_else_redis_py_raises_is_an_error_of_the_ledger_without_its_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise ValueError("s3cret is not a valid TLSVersion")

    monkeypatch.setattr("redis.connection.Connection.connect", fail)
    ledger = open_ledger("redis://host?timeout=1")
    with pytest.raises(LedgerError, match="redis-py fails with ValueError; are the opt") as caught:
        ledger.stats()

    assert "s3cret is" not in "".join(traceback.format_exception(caught.value))
    ledger.close()


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} \n"])
def test_white_space_around_a_url_is_none_of_it(
    around: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = open_ledger(around.format("sqlite:///names.db?namespace=crew"))
    assert repr(ledger) == f"SQLiteLedger({str(tmp_path / 'names.db')!r}, namespace='crew')"


def test_what_is_no_text_is_no_url() -> None:
    with pytest.raises(InvalidOption, match="must be a URL"):
        open_ledger(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604800), ("1.5w", 907200)],
)
def test_times_have_units(text: str, value: float) -> None:
    assert seconds("x", text) == value


@pytest.mark.parametrize(
    ("url", "scheme"), [("valkey://h:6380/2", "redis"), ("valkeys://h:6380/2", "rediss")]
)
def test_valkey_is_spoken_to_as_redis(url: str, scheme: str) -> None:
    for make in (open_ledger, RedisLedger):
        ledger: Any = make(url)
        assert repr(ledger).startswith(f"RedisLedger({url!r}")
        connection = ledger._server.client.connection_pool.make_connection()
        plain: Any = RedisLedger(url.replace(url.partition(":")[0], scheme))
        known = plain._server.client.connection_pool.make_connection()
        assert type(connection) is type(known)
        assert (connection.host, connection.port, connection.db) == ("h", 6380, 2)


@pytest.mark.parametrize("scheme", ["redis+sentinel", "sentinel", "rediss+sentinel"])
def test_sentinel_is_not_supported_and_the_error_says_so(scheme: str) -> None:
    with pytest.raises(InvalidOption, match="Sentinel, which is not supported") as caught:
        open_ledger(f"{scheme}://u:s3cret@host:26379/primary")
    assert_hidden(caught.value, "s3cret")


REFUSED = [
    *("redis://u:s3cret@h/abc", "redis://:12/s3cret@h:6379/0", "redis://u:12?timeout=s3cret@h/0"),
    *("redis://u:s3cret@h:99999", "redis://u:s3cret@h?db=abc", "redis://u:s3cret@h?nothing=1"),
    *("redis://u:s3cret@h?timeout=soon", "redis://u:s3cret@h?namespace=", "redis:u:s3cret@h"),
    *("redis://u:s3cret@h?replicas=few", "redis://u:s3cret@h?cluster=few", "unix://u:s3cret@x/y"),
    *("redis://u:s3cret@h?socket_timeout=1", "redis://h?password=s3cret&oops", "u:s3cret@h"),
    *("redis://u:s3cret@h?timeout=0", "sqlite:///redis://u:s3cret@h/0", "redis://u:s3cret@[::1"),
    *("valkey://u:s3cret@h/abc", "http://u:s3cret@h/0", "redis://u:s3cret@h/0#x"),
]


@pytest.mark.parametrize("url", REFUSED)
def test_no_frame_of_the_error_of_a_url_shows_its_password(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        open_ledger(url)
    assert_hidden(caught.value, "s3cret")


@pytest.mark.parametrize("url", ["redis://u:s3cret@h/abc", "redis://u:s3cret@h?nothing=1"])
def test_no_frame_of_the_error_of_a_ledger_shows_its_password(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        RedisLedger(url)
    assert_hidden(caught.value, "s3cret")


def test_no_frame_of_the_error_of_a_misspelled_argument_shows_the_password() -> None:
    with pytest.raises(TypeError, match="timeuot") as caught:
        RedisLedger("redis://u:s3cret@h", timeuot=5)
    assert_hidden(caught.value, "s3cret")


@pytest.mark.parametrize(
    "options", [{"namespace": ""}, {"timeout": -1.0}, {"replicas": -1}, {"retire_after": 5.0}]
)
def test_no_frame_of_the_error_of_an_option_shows_the_password(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        RedisLedger("redis://u:s3cret@h", **options)
    assert_hidden(caught.value, "s3cret")


def test_an_object_with_the_url_is_neither_pickled_nor_copied() -> None:
    ledger = RedisLedger("redis://u:s3cret@h")
    for one in (ledger, ledger._server):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(one)
        assert copy.deepcopy(one) is copy.copy(one) is one


@pytest.mark.parametrize("kind", [RedisLedger, SQLiteLedger, MemoryLedger])
def test_a_ledger_that_is_half_made_is_shown(kind: Any) -> None:
    assert repr(kind.__new__(kind))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (RedisLedger, ("redis://u:s3cret@h",)),
        (RedisLedger, ("redis://u:s3cret@h/abc", "crew")),
        (SQLiteLedger, ("x.db",)),
        (SQLiteLedger, (5, "crew")),
        (MemoryLedger, (None,)),
    ],
)
@pytest.mark.parametrize("timeout", [-1.0, 1.0])
def test_a_ledger_whose_options_were_refused_is_shown(
    kind: Any, arguments: tuple[Any, ...], timeout: float
) -> None:
    ledger = kind.__new__(kind)
    with contextlib.suppress(InvalidOption):
        ledger.__init__(*arguments, timeout=timeout)
    assert repr(ledger)
    assert "s3cret" not in repr(ledger)
