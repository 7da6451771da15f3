"""Ledgers by URL."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers import RedisLedger, SQLiteLedger, open_ledger
from namepool.ledgers.urls import seconds


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
