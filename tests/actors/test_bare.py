"""An error leaves a function without the frames that hold secrets."""

from __future__ import annotations

import gc
import inspect
import traceback
import weakref

import pytest

from namepool.actors.bare import bare, raises_bare
from tests.frames import assert_hidden, shown_in

SECRET = "sk-oh-so-secret-0123456789"  # noqa: S105


class Refused(Exception):
    """An error of ours."""


def _inner(key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    raise OSError(f"refused, with {len(headers)} header")


# As code of a library, so that its frames count.
_LIBRARY = """
def connect(key, *, kind=None, chained=True):
    given = {"Authorization": ["Bearer " + key]}
    try:
        inner(key)
    except OSError as error:
        if kind is not None:
            raise kind("refused") from (error if chained else None)
    return len(given)
"""
_space: dict[str, object] = {}
exec(compile(_LIBRARY, "/library/connect.py", "exec"), {"inner": _inner}, _space)  # noqa: S102
_connect = _space["connect"]


@raises_bare(Refused)
def connect(key: str, *, kind: type[Exception] | None = None, chained: bool = True) -> int:
    """Connect."""
    assert callable(_connect)
    number: int = _connect(key, kind=kind, chained=chained)
    return number


def test_an_error_of_the_kind_shows_no_frame_of_the_inside() -> None:
    with pytest.raises(Refused) as caught:
        connect(SECRET, kind=Refused)
    assert_hidden(caught.value, SECRET)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names == ["test_an_error_of_the_kind_shows_no_frame_of_the_inside", "call"]


def test_its_cause_keeps_only_its_type_and_its_text() -> None:
    with pytest.raises(Refused) as caught:
        connect(SECRET, kind=Refused)
    cause = caught.value.__cause__
    assert repr(cause) == "OSError('refused, with 1 header')"
    assert cause is not None
    assert cause.__traceback__ is None
    assert cause.__context__ is None


def test_a_suppressed_context_goes_too() -> None:
    with pytest.raises(Refused) as caught:
        connect(SECRET, kind=Refused, chained=False)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert caught.value.__suppress_context__


def test_the_error_that_its_caller_handles_stays_its_context() -> None:
    outer = ValueError("of the caller")

    def call() -> None:
        try:
            raise outer
        except ValueError:
            connect(SECRET, kind=Refused)

    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.__context__ is outer


def test_an_error_of_another_kind_keeps_its_frames_but_not_the_arguments_of_the_call() -> None:
    with pytest.raises(LookupError) as caught:
        connect(SECRET, kind=LookupError)
    places = shown_in(caught.value, SECRET)
    assert any("connect in /library" in place for place in places)
    assert not [place for place in places if "bare.py" in place]


def test_arguments_that_do_not_fit_are_in_no_frame() -> None:
    with pytest.raises(TypeError) as caught:
        connect(SECRET, key_id=SECRET)  # type: ignore[call-arg]
    assert_hidden(caught.value, SECRET)


def test_an_error_leaves_no_garbage_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        try:
            connect(SECRET, kind=Refused)
        except Refused as error:
            gone = weakref.ref(error)
        assert gone() is None
    finally:
        gc.enable()


def test_the_function_is_told_as_itself() -> None:
    assert connect(SECRET) == 1
    assert (connect.__name__, connect.__doc__) == ("connect", "Connect.")
    assert [*inspect.signature(connect).parameters] == ["key", "kind", "chained"]


def test_errors_that_cause_each_other_are_bared_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert bare(first) is first
