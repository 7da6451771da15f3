"""The pauses between tries: each option is refused by name, and the pauses grow up to the last."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from namepool.actors import Backoff


@pytest.mark.parametrize("field", ["first", "longest", "quiet"])
@pytest.mark.parametrize("value", [0, -1, "1", None, float("nan")])
def test_07_a_bad_backoff_is_refused_by_name(field: str, value: Any) -> None:
    expected = "seconds, above 0 and at most 1e+08"
    with pytest.raises(ValueError) as refused:
        Backoff(**{field: value})
    assert str(refused.value) == f"{field} must be {expected}, not {value!r}"


def test_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    backoff = Backoff(first=1.0, longest=10.0)
    full = [backoff.pause(n, lambda: 1.0) for n in (1, 2, 3, 4, 5, 5000)]
    assert full == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert [backoff.pause(n, lambda: 0.0) for n in (1, 2)] == [0.5, 1.0]
    assert len({backoff.pause(1) for _ in range(50)}) > 1


def test_a_backoff_is_a_value() -> None:
    backoff = Backoff(0.5, 60.0)
    assert repr(backoff) == "Backoff(first=0.5, longest=60.0, quiet=30.0)"
    assert backoff == copy.deepcopy(backoff) == pickle.loads(pickle.dumps(backoff))  # noqa: S301
