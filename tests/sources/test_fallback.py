"""A source that falls back to the next one while the first fails."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from namepool import ListedNames, NamePool, NumberedNames, PoolHandle, SourceExhausted
from namepool.core.refill import BACKOFF
from namepool.errors import InvalidOption, NamesUnavailable, SourceError, UnknownTheme
from namepool.sources.base import SURPLUS, FallbackSource, NameSource, knows_themes
from tests.support import PATIENCE, MovableClock, ScriptedSource, on_thread


class _Failing:
    """Fails until it is mended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error: BaseException | None = error or SourceError("no network")
        self.calls = 0

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return [f"Mended {n}" for n in range(count)]


class _Closable(NumberedNames):
    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.closed = 0
        self.error = error

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


# Who answers


def test_it_is_a_name_source() -> None:
    assert isinstance(FallbackSource(NumberedNames()), NameSource)


def test_the_first_source_answers_and_the_next_is_not_asked() -> None:
    spare = ScriptedSource(["Spare"])
    assert FallbackSource(NumberedNames(), spare).fetch(2, []) == ["NPC #1", "NPC #2"]
    assert spare.calls == 0


def test_count_and_used_are_handed_on_as_they_are() -> None:
    asked: list[tuple[int, Sequence[str]]] = []

    class Curious:
        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            asked.append((count, used))
            raise SourceError("only looking")

    used = ["Ada"]
    FallbackSource(Curious(), Curious(), NumberedNames()).fetch(7, used)
    assert asked == [(7, used), (7, used)]
    assert all(seen is used for _, seen in asked)


def test_if_the_first_source_fails_the_next_answers() -> None:
    source = FallbackSource(_Failing(), _Failing(), NumberedNames())
    assert source.fetch(2, []) == ["NPC #1", "NPC #2"]


def test_the_source_that_answered_is_told() -> None:
    failing = _Failing()
    clock = MovableClock()
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    assert source.last_source is None
    source.fetch(1, [])
    assert source.last_source == "NumberedNames"
    failing.error = None
    clock.advance(BACKOFF.longest)
    source.fetch(1, [])
    assert source.last_source == "_Failing"


def test_of_a_nested_fallback_the_inner_source_is_told() -> None:
    source = FallbackSource(FallbackSource(_Failing(), NumberedNames()), _Failing())
    source.fetch(1, [])
    assert source.last_source == "NumberedNames"


def test_an_iterator_will_do_as_an_answer() -> None:
    assert FallbackSource(ScriptedSource(iter(["Ada", "Bea"]))).fetch(2, []) == ["Ada", "Bea"]


def test_an_endless_answer_ends_beyond_what_was_asked_for() -> None:
    endless = (f"Name {n}" for n in itertools.count())
    assert len(FallbackSource(ScriptedSource(endless)).fetch(5, [])) == 5 + SURPLUS


def _breaking_off(*names: object) -> Iterator[object]:
    yield from names
    raise SourceError("line\ncut")


def test_an_answer_that_breaks_off_counts_for_the_names_it_gave(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spare = ScriptedSource(["Spare"])
    source = FallbackSource(ScriptedSource(_breaking_off("Ada", "Bea")), spare)
    assert source.fetch(3, []) == ["Ada", "Bea"]
    assert (spare.calls, source.last_source) == (0, "ScriptedSource")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["a source failed after 2 names: line\\ncut"]


def test_an_answer_that_breaks_off_before_any_name_counts_as_a_failure() -> None:
    source = FallbackSource(ScriptedSource(_breaking_off()), NumberedNames())
    assert source.fetch(1, []) == ["NPC #1"]
    with pytest.raises(SourceError, match="^line\ncut$"):
        FallbackSource(ScriptedSource(_breaking_off())).fetch(1, [])


def test_an_answer_that_breaks_off_before_any_valid_name_counts_as_a_failure() -> None:
    source = FallbackSource(ScriptedSource(_breaking_off("", None)), NumberedNames())
    assert source.fetch(1, []) == ["NPC #1"]


def test_a_source_whose_answer_broke_off_is_not_left_alone() -> None:
    first = ScriptedSource(_breaking_off("Ada"), ["Bea"])
    source = FallbackSource(first, NumberedNames(), clock=MovableClock())
    assert [source.fetch(1, []), source.fetch(1, [])] == [["Ada"], ["Bea"]]


@pytest.mark.parametrize("answer", [["", " "], [None, 7], ["a\nb"]], ids=str)
def test_an_answer_without_any_valid_name_counts_as_a_failure(
    answer: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    assert FallbackSource(ScriptedSource(answer), NumberedNames()).fetch(1, []) == ["NPC #1"]
    assert "ScriptedSource gave no valid name" in caplog.text


def test_one_valid_name_makes_an_answer_and_the_rest_is_handed_on() -> None:
    source = FallbackSource(ScriptedSource(["", "Ada", None]), NumberedNames())
    names: Any = source.fetch(1, [])
    assert names == ["Ada"]
    assert names.refused == (
        ("", "must not be empty"),
        (None, "must be a string, not NoneType"),
    )


@pytest.mark.parametrize("answer", [[], (), iter(())], ids=["list", "tuple", "iterator"])
def test_an_empty_answer_counts_as_a_failure(answer: Any) -> None:
    assert FallbackSource(ScriptedSource(answer), NumberedNames()).fetch(1, []) == ["NPC #1"]


@pytest.mark.parametrize("answer", [None, 7, object()], ids=["None", "number", "object"])
def test_an_answer_that_cannot_be_iterated_counts_as_a_failure(answer: Any) -> None:
    assert FallbackSource(ScriptedSource(answer), NumberedNames()).fetch(1, []) == ["NPC #1"]


@pytest.mark.parametrize("answer", ["Ada", b"Ada"], ids=["str", "bytes"])
def test_an_answer_of_text_counts_as_a_failure(answer: Any) -> None:
    assert FallbackSource(ScriptedSource(answer), NumberedNames()).fetch(1, []) == ["NPC #1"]


# While a source fails


def test_a_source_that_failed_is_left_alone_for_half_its_pause_at_least() -> None:
    clock = MovableClock()
    failing = _Failing()
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    source.fetch(1, [])
    clock.advance(BACKOFF.first / 2 - 0.001)
    assert source.fetch(1, []) == ["NPC #2"]
    assert failing.calls == 1


def test_a_source_that_failed_is_asked_again_after_its_pause() -> None:
    clock = MovableClock()
    failing = _Failing()
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    source.fetch(1, [])
    failing.error = None
    clock.advance(BACKOFF.first)
    assert source.fetch(1, []) == ["Mended 0"]


def test_each_failure_in_a_row_doubles_the_pause() -> None:
    clock = MovableClock()
    failing = _Failing()
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    for failures in range(5):
        source.fetch(1, [])
        assert failing.calls == failures + 1
        clock.advance(BACKOFF.first * 2**failures / 2 - 0.001)  # the shortest that jitter allows
        source.fetch(1, [])
        assert failing.calls == failures + 1
        clock.advance(BACKOFF.first * 2**failures)


def test_a_success_makes_the_next_pause_short_again() -> None:
    clock = MovableClock()
    failing = _Failing()
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    for _ in range(6):
        source.fetch(1, [])
        clock.advance(BACKOFF.longest)
    error, failing.error = failing.error, None
    source.fetch(1, [])
    failing.error = error
    source.fetch(1, [])
    clock.advance(BACKOFF.first)
    source.fetch(1, [])
    assert failing.calls == 9


def test_a_source_says_how_long_it_wants_to_be_left_alone() -> None:
    clock = MovableClock()
    error = SourceError("busy")
    error.retry_after = 30.0  # type: ignore[attr-defined]
    failing = _Failing(error)
    source = FallbackSource(failing, NumberedNames(), clock=clock)
    source.fetch(1, [])
    clock.advance(29.9)
    source.fetch(1, [])
    assert failing.calls == 1
    clock.advance(0.1)
    source.fetch(1, [])
    assert failing.calls == 2


RETRY_AFTER = pytest.mark.parametrize(
    "retry_after", ["30", datetime.timedelta(seconds=30), "Wed, 21 Oct 2026 07:28:00 GMT"], ids=str
)


@RETRY_AFTER
def test_a_pause_that_is_no_number_does_not_keep_the_next_from_answering(retry_after: Any) -> None:
    error = SourceError("busy")
    error.retry_after = retry_after  # type: ignore[attr-defined]
    assert FallbackSource(_Failing(error), NumberedNames()).fetch(1, []) == ["NPC #1"]


@RETRY_AFTER
def test_a_pause_that_is_no_number_does_not_kill_the_pool(retry_after: Any) -> None:
    error = SourceError("busy")
    error.retry_after = retry_after  # type: ignore[attr-defined]
    ref = NamePool.start(source=ScriptedSource(error))
    with pytest.raises(NamesUnavailable):
        on_thread(lambda: PoolHandle(ref).checkout_name(PATIENCE))
    assert ref.is_alive()


def test_the_pause_of_one_source_is_not_that_of_another() -> None:
    clock = MovableClock()
    first, second = _Failing(), _Failing()
    source = FallbackSource(first, second, NumberedNames(), clock=clock)
    source.fetch(1, [])
    clock.advance(BACKOFF.longest)
    first.error = None
    source.fetch(1, [])
    assert (first.calls, second.calls) == (2, 1)


def test_the_last_source_is_asked_even_while_it_is_paused() -> None:
    last = _Failing()
    source = FallbackSource(_Failing(), last, clock=MovableClock())
    for _ in range(3):
        with pytest.raises(SourceError):
            source.fetch(1, [])
    assert last.calls == 3


def test_a_failure_is_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    FallbackSource(_Failing(ValueError("a\nb\x1b[31m")), NumberedNames()).fetch(1, [])
    assert [record.getMessage() for record in caplog.records] == [
        caplog.records[0].getMessage().splitlines()[0]
    ]
    assert "_Failing failed, left alone for 0." in caplog.text
    assert "a\\nb\\x1b[31m" in caplog.text


# When all fail


def test_if_all_fail_the_last_error_is_raised() -> None:
    first, last = SourceError("first"), ValueError("last")
    with pytest.raises(ValueError) as failure:
        FallbackSource(_Failing(first), _Failing(last)).fetch(1, [])
    assert failure.value is last


def test_if_the_only_source_gives_nothing_that_is_said() -> None:
    with pytest.raises(SourceError, match="^ScriptedSource gave no valid name$"):
        FallbackSource(ScriptedSource()).fetch(1, [])


def test_after_all_failed_a_mended_last_source_answers_at_once() -> None:
    last = _Failing()
    source = FallbackSource(_Failing(), last, clock=MovableClock())
    with pytest.raises(SourceError):
        source.fetch(1, [])
    last.error = None
    assert source.fetch(1, []) == ["Mended 0"]


def test_what_ends_a_program_is_not_taken_for_a_failure() -> None:
    with pytest.raises(KeyboardInterrupt):
        FallbackSource(_Failing(KeyboardInterrupt()), NumberedNames()).fetch(1, [])


# Closing


def test_closing_closes_every_source_that_can_be_closed() -> None:
    first, last = _Closable(), _Closable()
    FallbackSource(first, NumberedNames(), last).close()
    assert (first.closed, last.closed) == (1, 1)


def test_a_source_that_fails_to_close_does_not_keep_the_others_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, last = _Closable(OSError("gone")), _Closable()
    FallbackSource(first, last).close()
    assert (first.closed, last.closed) == (1, 1)
    assert "closing _Closable failed: gone" in caplog.text


def test_a_closed_source_answers_when_it_is_asked_again() -> None:
    source = FallbackSource(_Closable())
    source.close()
    assert source.fetch(1, []) == ["NPC #1"]


# Arguments


def test_at_least_one_source_is_needed() -> None:
    with pytest.raises(InvalidOption, match="^sources must be at least one source"):
        FallbackSource()


@pytest.mark.parametrize(
    "bad", [None, 7, "names", object(), [NumberedNames()]], ids=lambda bad: type(bad).__name__
)
def test_what_is_no_source_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^source must be an object with fetch\(count, used\)"):
        FallbackSource(NumberedNames(), bad)


# In a pool


def test_a_pool_goes_on_with_the_next_source() -> None:
    ref = NamePool.start(source=FallbackSource(_Failing(), NumberedNames()))
    pool = PoolHandle(ref)
    assert on_thread(lambda: pool.checkout_name(PATIENCE)) == "NPC #1"
    assert pool.pool_stats(PATIENCE).last_source == "NumberedNames"


# Themes


class _Themed(_Failing):
    """Knows the sea; without a theme it gives "Any 0"."""

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        super().fetch(count, used)
        if theme not in (None, "sea"):
            raise UnknownTheme(f"theme must be 'sea', not {theme!r}")
        return [f"{theme or 'any'} {n}".title() for n in range(count)]


def _mended() -> _Themed:
    source = _Themed()
    source.error = None
    return source


def test_a_source_knows_themes_if_its_fetch_takes_one() -> None:
    assert [knows_themes(s) for s in (_Themed(), FallbackSource(_Failing()))] == [True, True]
    assert [knows_themes(s) for s in (NumberedNames(), _Failing())] == [False, False]
    assert not knows_themes(type("Builtin", (), {"fetch": dict.fromkeys})())


def test_a_theme_is_handed_on_to_those_that_know_themes() -> None:
    assert FallbackSource(_mended(), NumberedNames()).fetch(1, (), "sea") == ["Sea 0"]
    assert FallbackSource(NumberedNames(), _mended()).fetch(1, (), theme="sea") == ["NPC #1"]


def test_who_does_not_know_the_theme_is_passed_over_and_not_left_alone(
    clock: MovableClock,
) -> None:
    first, last = _mended(), _Recorder()
    source = FallbackSource(first, last, clock=clock)
    assert source.fetch(1, (), "moon") == ["Moon 0"]
    assert source.fetch(1, ()) == ["Any 0"]
    assert first.calls == 2


class _Recorder(_Themed):
    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        return [f"{theme or 'any'} {n}".title() for n in range(count)]


def test_a_theme_that_no_source_knows_is_an_error_that_says_so() -> None:
    with pytest.raises(UnknownTheme, match="'sea', not 'moon'"):
        FallbackSource(_mended(), _mended()).fetch(1, (), "moon")


def test_who_stands_in_for_a_source_that_failed_gives_names_of_any_theme(
    clock: MovableClock,
) -> None:
    broken = _Themed()
    source = FallbackSource(broken, _mended(), clock=clock)
    assert source.fetch(1, (), "moon") == ["Any 0"]
    assert source.fetch(1, (), "moon") == ["Any 0"]  # the first is paused
    assert source.fetch(1, (), "sea") == ["Sea 0"]
    assert broken.calls == 1


def test_what_no_source_may_issue_is_told_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    source = FallbackSource(ScriptedSource(["rm -rf /", "null"]), NumberedNames())
    assert source.fetch(1, ()) == ["NPC #1"]
    assert "gave no valid name: 'rm -rf /' must not contain '/' (U+002F)" in caplog.text


# A source has no more names


def test_if_the_first_source_has_no_more_the_next_answers_at_once_and_without_a_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = FallbackSource(ListedNames(["Ada", "Bo"]), NumberedNames())
    assert source.fetch(5, ()) == ["Ada", "Bo"]
    assert source.fetch(2, ["Ada", "Bo"]) == ["NPC #1", "NPC #2"]
    assert source.fetch(2, ()) == ["Ada", "Bo"]  # after a reset the list is asked again
    assert caplog.records == []


def test_if_all_sources_have_no_more_it_has_no_more() -> None:
    source = FallbackSource(ListedNames(["Ada"]), ListedNames(["Bo"]))
    with pytest.raises(SourceExhausted, match="no more than its 1 names"):
        source.fetch(1, ["Ada", "Bo"])


@pytest.mark.parametrize("order", [0, 1])
def test_a_source_that_fails_may_have_names_later_so_the_whole_has(order: int) -> None:
    clock = MovableClock()
    failing = _Failing(ConnectionError("down"))
    sources: list[NameSource] = [failing, ListedNames(["Ada"])]
    source = FallbackSource(*sources[:: 1 - 2 * order], clock=clock)
    for _ in range(2):  # it is asked, and then left alone
        with pytest.raises(ConnectionError, match="down"):
            source.fetch(1, ["Ada"])
    failing.error = None
    clock.advance(BACKOFF.longest)
    assert source.fetch(1, ["Ada"]) == ["Mended 0"]


def test_a_failure_of_long_ago_does_not_hide_that_there_are_no_more() -> None:
    clock = MovableClock()
    failing = _Failing(ConnectionError("down"))
    source = FallbackSource(failing, ListedNames(["Ada"]), clock=clock)
    with pytest.raises(ConnectionError):
        source.fetch(1, ["Ada"])
    failing.error = SourceExhausted("that is all")
    clock.advance(BACKOFF.longest)
    with pytest.raises(SourceExhausted):
        source.fetch(1, ["Ada"])


def test_behind_a_source_without_more_names_one_of_another_theme_stands_in() -> None:
    class Kitchen:
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            if theme not in (None, "kitchen"):
                raise UnknownTheme("there is only the kitchen")
            return ["Basil"]

    class Sea:
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            raise SourceExhausted("the sea is empty")

    assert FallbackSource(Sea(), Kitchen()).fetch(1, (), theme="sea") == ["Basil"]


def test_the_end_of_an_answer_that_has_names_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Few:
        def fetch(self, count: int, used: Sequence[str]) -> Iterator[str]:
            yield "Ada"
            raise SourceExhausted("that is all")

    pool = PoolHandle(NamePool.start(source=Few()))
    assert pool.checkout_name() == "Ada"
    assert [r.getMessage() for r in caplog.records if "failed" in r.getMessage()] == []


def test_an_error_that_is_raised_again_does_not_grow() -> None:
    clock = MovableClock()
    failing = _Failing(ConnectionError("down"))
    source = FallbackSource(failing, ListedNames(["Ada"]), clock=clock)

    def depth() -> int:
        with pytest.raises(ConnectionError) as caught:
            source.fetch(1, ["Ada"])
        return len(caught.traceback)

    depth()  # the source fails, and is left alone from then on
    assert depth() == depth() == depth()
