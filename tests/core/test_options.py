"""The options of a pool: each refused by name, with the value and what is expected."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool import NamePool, NumberedNames, open_pool
from namepool.actors.checks import MAX_SECONDS
from namepool.core.options import CHECKS, PoolOptions, check_theme
from namepool.errors import InvalidOption
from namepool.pool.messages import CheckoutLease, CheckoutName
from namepool.pool.options import NamePoolOptions

COUNTS = ["chunk_size", "max_chunk_size", "low_water_mark", "max_fetches"]
SECONDS = ["fetch_timeout", "reclaim_after", "leak_after"]
LEAST = {"chunk_size": 1, "max_chunk_size": 12, "low_water_mark": 0, "max_fetches": 1}

STARTERS: list[Callable[..., Any]] = [NamePool.start, NamePool.child_spec, open_pool]
starters = pytest.mark.parametrize(
    "start", STARTERS, ids=["NamePool.start", "NamePool.child_spec", "open_pool"]
)


def _refused(**options: Any) -> str:
    with pytest.raises(InvalidOption) as refusal:
        PoolOptions(**options)
    return str(refusal.value)


def test_the_defaults_are_those_of_the_design() -> None:
    assert dataclasses.asdict(PoolOptions()) == {
        "chunk_size": 12,
        "max_chunk_size": 50,
        "low_water_mark": None,
        "max_fetches": 4,
        "fetch_timeout": 30.0,
        "prefetch": False,
        "reuse_gap": 1000,
        "reclaim_after": 300.0,
        "leak_after": None,
        "reserved": (),
        "ledger": None,
    }


@pytest.mark.parametrize("value", [True, False, "12", 12.0, math.nan, math.inf, [12], b"12"])
@pytest.mark.parametrize("option", COUNTS)
def test_a_count_of_another_type_is_refused(option: str, value: object) -> None:
    message = _refused(**{option: value})
    assert message == f"{option} must be an integer of at least {LEAST[option]}, not {value!a}"


@pytest.mark.parametrize("option", ["chunk_size", "max_fetches"])
def test_none_is_no_count(option: str) -> None:
    assert _refused(**{option: None}).endswith("not None")


@pytest.mark.parametrize("option", COUNTS)
def test_a_count_below_the_least_is_refused(option: str) -> None:
    below = LEAST[option] - 1
    message = _refused(**{option: below})
    assert message == f"{option} must be an integer of at least {LEAST[option]}, not {below}"


@pytest.mark.parametrize("option", COUNTS)
def test_the_least_count_is_accepted(option: str) -> None:
    options: dict[str, Any] = {option: LEAST[option]}
    assert getattr(PoolOptions(**options), option) == LEAST[option]


def test_the_largest_chunk_may_not_be_smaller_than_the_usual_one() -> None:
    message = _refused(chunk_size=20, max_chunk_size=19)
    assert message == "max_chunk_size must be an integer of at least 20, not 19"


def test_the_largest_chunk_is_never_smaller_than_the_usual_one() -> None:
    assert PoolOptions(chunk_size=51).max_chunk_size == 51
    assert PoolOptions(chunk_size=49).max_chunk_size == 50
    text = _refused(chunk_size=51, max_chunk_size=50)
    assert text.startswith("max_chunk_size must be an integer of at least 51")


def test_no_low_water_mark_is_accepted() -> None:
    assert PoolOptions(low_water_mark=None).low_water_mark is None


@pytest.mark.parametrize(
    "value", [True, False, "30", math.nan, math.inf, -math.inf, -1, -0.001, [30], b"30", 3j]
)
@pytest.mark.parametrize("option", SECONDS)
def test_what_is_no_number_of_seconds_is_refused(option: str, value: object) -> None:
    message = _refused(**{option: value})
    assert message.startswith(f"{option} must be seconds, ")
    assert message.endswith(f", not {value!a}")


@pytest.mark.parametrize("value", [0, 0.0, -0.0, None])
def test_a_fetch_may_not_have_no_time_at_all_nor_for_ever(value: object) -> None:
    expected = "seconds, above 0 and at most 1e+08"
    assert _refused(fetch_timeout=value) == f"fetch_timeout must be {expected}, not {value!a}"


def test_what_may_be_none_says_so_when_it_refuses() -> None:
    expected = "seconds, at least 0 and at most 1e+08, or None"
    assert _refused(reclaim_after=-1) == f"reclaim_after must be {expected}, not -1"


@pytest.mark.parametrize("value", [1, 0.001, 5e-324, MAX_SECONDS, int(MAX_SECONDS)])
@pytest.mark.parametrize("option", SECONDS)
def test_any_positive_number_of_seconds_up_to_the_maximum_is_accepted(
    option: str, value: float
) -> None:
    options: dict[str, Any] = {option: value}
    assert getattr(PoolOptions(**options), option) == value


@pytest.mark.parametrize("value", [math.nextafter(MAX_SECONDS, math.inf), 10**8 + 1, 1e300])
@pytest.mark.parametrize("option", SECONDS)
def test_more_seconds_than_the_maximum_are_refused_with_it(option: str, value: float) -> None:
    message = _refused(**{option: value})
    assert message.startswith(f"{option} must be seconds, ")
    assert f"at most {MAX_SECONDS:g}" in message
    assert message.endswith(f", not {value!a}")


@pytest.mark.parametrize("value", [None, 0, 0.0])
def test_a_name_may_come_home_never_or_at_once(value: float | None) -> None:
    assert PoolOptions(reclaim_after=value).reclaim_after == value


def test_a_lease_may_be_called_a_leak_never_but_not_at_once() -> None:
    assert PoolOptions(leak_after=None).leak_after is None
    expected = "seconds, above 0 and at most 1e+08, or None"
    assert _refused(leak_after=0) == f"leak_after must be {expected}, not 0"


@pytest.mark.parametrize("value", [0, 1, "yes", "", None, 1.0, []])
def test_prefetch_is_true_or_false_and_nothing_like_it(value: object) -> None:
    assert _refused(prefetch=value) == f"prefetch must be True or False, not {value!a}"


@pytest.mark.parametrize(
    "value", [["Acme", "Ada Lovelace"], ("Acme", "Ada Lovelace"), {"Acme": 1, "Ada Lovelace": 2}]
)
def test_reserved_names_are_kept_as_they_are(value: Iterable[str]) -> None:
    assert PoolOptions(reserved=value).reserved == ("Acme", "Ada Lovelace")
    assert PoolOptions(reserved=iter(value)).reserved == ("Acme", "Ada Lovelace")


@pytest.mark.parametrize("value", ["Acme", b"Acme", None, 5])
def test_reserved_names_come_in_a_list(value: object) -> None:
    assert _refused(reserved=value) == f"reserved must be a list of names, not {value!a}"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "7 must be a string, not int"),
        ("", "'' must not be empty"),
        ("Acme\n", "'Acme\\n' must not contain '\\n' (U+000A)"),
        ("--", "'--' must contain a letter or a digit"),
    ],
)
def test_an_entry_that_is_no_name_is_named(entry: object, reason: str) -> None:
    assert _refused(reserved=["Ada", entry]) == f"reserved: entry 2: {reason}"


@pytest.mark.parametrize("option", [*COUNTS, *SECONDS, "prefetch"])
def test_a_refusal_is_one_short_ascii_line(option: str) -> None:
    message = _refused(**{option: "a\nb\u2028é\x1b[0m" * 1000})
    assert message.isascii() or message.removesuffix("…").isascii()
    assert len(message.splitlines()) == 1
    assert len(message) < 250


@pytest.mark.parametrize(
    ("option", "value"),
    [("fetch_timeout", 10**400), ("reclaim_after", 10**400), ("chunk_size", -(10**5000))],
    ids=["a fetch", "a lease", "a chunk"],
)
def test_a_number_beyond_all_measure_is_refused_as_an_option(option: str, value: int) -> None:
    assert _refused(**{option: value}).endswith(", not <int that cannot be shown>") or (
        value == 10**400 and _refused(**{option: value}).endswith("…")
    )


class _Untellable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_a_value_that_cannot_be_shown_is_refused_as_an_option() -> None:
    message = _refused(chunk_size=_Untellable())
    assert message.endswith(", not <_Untellable that cannot be shown>")


def test_options_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PoolOptions().chunk_size = 3  # type: ignore[misc]


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([*COUNTS, *SECONDS, "prefetch"]),
    st.none() | st.booleans() | st.integers(-3, 100) | st.floats() | st.text(max_size=5),
)
def test_a_value_is_kept_as_it_is_or_refused_by_name(option: str, value: object) -> None:
    try:
        options = PoolOptions(**{option: value})  # type: ignore[arg-type]
    except InvalidOption as refusal:
        assert option in str(refusal) or "max_chunk_size" in str(refusal)  # noqa: PT017  either way
    else:
        kept = getattr(options, option)
        assert kept is value or (option == "max_chunk_size" and value is None and kept == 50)


# Text


@pytest.mark.parametrize("value", ["", "a\nb", "\x1b", "\ud800", "x" * 6, None, 3, b"ab"])
def test_a_text_that_is_empty_too_long_or_unprintable_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption) as refusal:
        CHECKS.text("tag", value, 5)
    expected = "a string of 1 to 5 printable characters"
    assert str(refusal.value) == f"tag must be {expected}, not {value!a}"


@pytest.mark.parametrize("value", ["a", "five!", " ", "Zoë"])
def test_a_printable_text_is_returned(value: str) -> None:
    assert CHECKS.text("tag", value, 5) is value


@pytest.mark.parametrize("theme", [None, "s", "deep sea, at night", "x" * 200])
def test_a_theme_is_none_or_a_text_of_up_to_200_characters(theme: str | None) -> None:
    assert check_theme(theme) is theme


@pytest.mark.parametrize("theme", ["", "x" * 201, "a\nb", 7, b"sea"])
def test_what_is_no_theme_is_refused_as_one(theme: object) -> None:
    with pytest.raises(InvalidOption) as refusal:
        check_theme(theme)
    expected = "theme must be a string of 1 to 200 printable characters, not "
    assert str(refusal.value).startswith(expected)


# Where options are given


@starters
@pytest.mark.parametrize("option", ["chunksize", "timeout", "ledgers", "Source", "x"])
def test_an_unknown_option_is_refused_with_the_list_of_known_ones(
    start: Callable[..., Any], option: str
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        start(**{option: 1})
    message = str(refusal.value)
    assert message.startswith(f"{option} is not an option: there are source, ")
    assert all(option in message for option in NamePoolOptions.__annotations__)


@starters
@pytest.mark.parametrize("secret", ["sk-12345", 987654321, ["sk-12345"]], ids=str)
def test_the_value_of_an_unknown_option_is_not_shown(
    start: Callable[..., Any], secret: object
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        start(api_key=secret)
    message = str(refusal.value)
    assert message.startswith("api_key is not an option")
    assert "12345" not in message
    assert "98765" not in message
    assert refusal.value.__cause__ is refusal.value.__context__ is None


@starters
@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 0},
        {"fetch_timeout": math.nan},
        {"prefetch": 1},
        {"source": 42},
        {"source": "names"},
        {"state": 42},
    ],
    ids=str,
)
def test_a_bad_option_is_refused_and_nothing_is_started(
    start: Callable[..., Any], options: dict[str, Any]
) -> None:
    threads = threading.enumerate()
    with pytest.raises(InvalidOption, match=f"^{next(iter(options))} must be "):
        start(**options)
    assert pykka.ActorRegistry.get_all() == []
    assert threading.enumerate() == threads


@starters
def test_an_unknown_option_is_refused_and_nothing_is_started(start: Callable[..., Any]) -> None:
    threads = threading.enumerate()
    with pytest.raises(InvalidOption, match="^bogus is not an option"):
        start(bogus=1)
    assert pykka.ActorRegistry.get_all() == []
    assert threading.enumerate() == threads


@starters
def test_an_object_without_fetch_is_no_source(start: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match=r"^source must be an object with fetch\(count, used\)"):
        start(source=object())


@starters
def test_a_class_is_no_source(start: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match="^source must be "):
        start(source=NumberedNames)


@pytest.mark.parametrize("options", [{}, {"source": None}, {"state": None}, {"prefetch": True}])
def test_a_pool_opens_with_what_means_the_default(options: dict[str, Any]) -> None:
    with open_pool(**options) as pool:
        assert pool.pool_stats().checked_out_count == 0


def test_a_pool_starts_with_every_option_given() -> None:
    ref = NamePool.start(
        source=NumberedNames(),
        chunk_size=3,
        max_chunk_size=4,
        low_water_mark=0,
        max_fetches=2,
        fetch_timeout=5,
        prefetch=False,
        reclaim_after=None,
    )
    assert ref.proxy().pool_stats().get(timeout=20).chunk_size == 3


def test_a_spec_keeps_its_options_for_every_incarnation() -> None:
    spec = NamePool.child_spec("names", chunk_size=3)
    assert spec.id == "names"
    assert spec.kwargs["chunk_size"] == 3


# The timeout of a request, refused when the request is made

CHECKOUTS = pytest.mark.parametrize("message", [CheckoutName, CheckoutLease])


@pytest.mark.parametrize(
    "timeout", [True, "30", math.nan, math.inf, -math.inf, -1, -0.001, 1e300, 10**9, [30], 3j]
)
@CHECKOUTS
def test_a_checkout_without_a_sensible_timeout_is_refused_when_it_is_made(
    message: Any, timeout: object
) -> None:
    with pytest.raises(InvalidOption, match=r"^timeout must be seconds, at least 0 and at most 1e"):
        message(timeout)


@pytest.mark.parametrize("timeout", [None, 0, 0.0, 0.5, 30, MAX_SECONDS])
@CHECKOUTS
def test_a_checkout_keeps_its_timeout(message: Any, timeout: float | None) -> None:
    assert message(timeout).timeout is timeout
