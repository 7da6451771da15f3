"""What any thread may look at, outside the turn, is whole from the moment it can be found."""

from __future__ import annotations

from typing import Any

from namepool.core.refill import RefillPolicy
from namepool.core.stock import Stock
from namepool.pool.fetches import Fetches, Shared


class Glancing(dict[str | None, Fetches[str]]):
    """Looks at what is put in, as a caller does that times out at that very moment."""

    def __setitem__(self, theme: str | None, fetches: Fetches[str]) -> None:
        super().__setitem__(theme, fetches)
        assert fetches.cause is None
        assert fetches.total == 0


def test_the_fetches_of_a_theme_are_whole_when_a_caller_that_times_out_finds_them() -> None:
    shared: Any = Shared[str]()
    shared.by_theme = Glancing()

    fetches = Fetches[str](RefillPolicy(12, 12, 6, 1), Stock(None), shared=shared)
    fetches.of(Stock("sea"))

    assert {*shared.by_theme} == {None, "sea"}
