"""The colours of names: different ones for agents that are at work at the same time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import namepool
from namepool import NumberedNames, OfflineNames, PoolHandle, color_of, colors
from namepool.core.display import COLORS
from tests.support import run_together, switching_often


@pytest.fixture(autouse=True)
def _no_colors_yet() -> Iterator[None]:
    colors._given.clear()
    yield
    colors._given.clear()


def crew(pool: PoolHandle, count: int) -> list[str]:
    return [pool.checkout_name(owner=f"agent {n}") for n in range(count)]


def _twin_of(name: str) -> str:
    """Return another name that has the same colour by itself."""
    twins = (f"Twin {number}" for number in range(1_000))
    return next(twin for twin in twins if color_of(twin) == color_of(name))


@pytest.mark.parametrize("count", [2, 6, 16])
def test_agents_at_work_at_the_same_time_have_different_colours(count: int) -> None:
    for seed in range(30):
        with namepool.open_pool(source=OfflineNames(seed=seed)) as pool:
            names = crew(pool, count)
            assert len({color_of(name) for name in names}) == count


def test_agents_of_two_pools_have_different_colours() -> None:
    with (
        namepool.open_pool(source=NumberedNames("Left #")) as left,
        namepool.open_pool(source=NumberedNames("Right #")) as right,
    ):
        names = crew(left, 8) + crew(right, 8)
        assert len({color_of(name) for name in names}) == 16


@pytest.mark.parametrize("gap", [10, 1_000])
def test_in_crews_that_come_and_go_nobody_shares_a_colour_and_each_agent_keeps_its(
    gap: int,
) -> None:
    rng = random.Random(1)
    with namepool.open_pool(source=OfflineNames(seed=1), reuse_gap=gap) as pool:
        names = crew(pool, 6)
        told = [color_of(name) for name in names]
        for _ in range(1_000):
            at = rng.randrange(6)
            pool.checkin_name(names[at], owner=f"agent {at}")
            assert color_of(names[at]) == told[at]
            names[at] = pool.checkout_name(owner=f"agent {at}")
            told[at] = color_of(names[at])
            assert [color_of(name) for name in names] == told
            assert len({*told}) == 6  # by the names alone, 65 % of such crews share one


def test_only_more_than_sixteen_agents_share_colours() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        told = [color_of(name) for name in crew(pool, 40)]
    assert {*told} == {*COLORS}


def test_a_name_that_nobody_has_shows_its_own_colour_in_every_process() -> None:
    own = color_of("Ada the Yak Shaver")
    script = "import namepool; print(namepool.color_of('ada the yak-shaver'))"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == own == "#9b6c27"


def test_the_first_agent_has_the_colour_of_its_name_and_only_a_later_one_gives_way() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        own, name = color_of("Ada"), _twin_of("Ada")
        pool.associate_name("Ada", owner="first")
        pool.associate_name(name, owner="second")
        assert color_of("Ada") == own != color_of(name)
        pool.checkin_name("Ada", owner="first")
        assert color_of(name) != own  # it keeps its colour


def test_an_agent_that_is_silent_for_a_while_keeps_its_colour_for_itself() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        twin = _twin_of("Ada")
        pool.associate_name("Ada", owner="first")
        own = color_of("Ada")
        pool.dissociate_name("Ada", owner="first")
        pool.associate_name(twin, owner="second")
        assert color_of(twin) != own
        pool.associate_name("Ada", owner="first")
        assert color_of("Ada") == own


def test_a_name_that_gave_way_has_its_own_colour_again_when_it_is_free() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        twin = _twin_of("Ada")
        own = color_of(twin)
        pool.associate_name("Ada", owner="first")
        pool.associate_name(twin, owner="second")
        assert color_of("Ada") == own != color_of(twin)
        pool.checkin_name("Ada", owner="first")
        pool.checkin_name(twin, owner="second")
        pool.associate_name(twin, owner="third")
        assert color_of(twin) == own


def test_the_agents_of_a_pool_that_is_closed_take_no_colour() -> None:
    twin = _twin_of("Ada")
    with namepool.open_pool(source=NumberedNames()) as closed:
        closed.associate_name("Ada", owner="first")
        own = color_of("Ada")
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.associate_name(twin, owner="second")
        assert color_of(twin) == own


def test_the_colour_of_a_restored_name_is_found_without_a_look_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.associate_name("Ada", owner="first")
        color = color_of("Ada")
        monkeypatch.setattr(colors, "_at_work", None)
        assert color_of("Ada") == color


def test_colours_of_names_that_are_gone_are_forgotten_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(colors, "KEPT", 20)
    monkeypatch.setattr(colors, "_places", {})
    with namepool.open_pool(source=NumberedNames()) as pool:
        held = pool.checkout_name(owner="held")
        color = color_of(held)
        for _ in range(200):
            with pool.named() as name:
                color_of(name)
        assert len(colors._given) <= 21
        assert len(colors._places) <= 21
        assert color_of(held) == color


def test_a_thread_that_is_overtaken_tells_the_colour_that_the_other_gave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look, places, told = colors._at_work, iter(range(16)), list[str]()
    with namepool.open_pool(source=NumberedNames()) as pool:
        name = pool.checkout_name()

        def look_slowly() -> Any:
            at_work = look()
            if not told:
                told.append("")
                told.append(color_of(name))  # another thread asks, and is answered, meanwhile
            return at_work

        monkeypatch.setattr(colors, "_at_work", look_slowly)
        monkeypatch.setattr(colors, "_free", lambda *_: next(places))
        assert color_of(name) == told[1]


def test_threads_that_ask_at_once_agree() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool, switching_often():
        names = crew(pool, 6)
        told: list[list[str]] = []
        run_together([lambda: told.append([color_of(name) for name in names])] * 8)
    assert len(told) == 8
    assert {*map(tuple, told)} == {tuple(told[0])}
