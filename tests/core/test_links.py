"""Links: what one says, and what becomes of a chain of them."""

from __future__ import annotations

import copy
import pickle

import pytest

from namepool.core.leases import Lease
from namepool.core.links import NOBODY, OVER, Echo, Link, Standing, in_front, living
from tests.core.scene import associate, binding_for, checkout, state_with
from tests.support import lease_for


def chained(*said: str | None) -> list[Link]:
    """Return links that say this, each before the next one; the last is the first of its chain."""
    links: list[Link] = []
    for name in said:
        links.append(Standing(None, "o", name, links[-1] if links else None))
    return links


def chain_of(link: Link | None) -> list[Link]:
    found = []
    while link is not None:
        found.append(link.origin)
        link = link.before
    return found


# Living


def test_a_chain_is_living_without_what_is_over_in_it() -> None:
    ada, over, bea, pending, gone = chained("Ada", OVER, "Bea", None, OVER)

    assert chain_of(living(gone)) == [pending, bea, ada]
    assert chain_of(bea) == [bea, ada]
    assert over.before is ada


def test_a_chain_of_nothing_living_is_none() -> None:
    assert living(None) is None
    assert living(chained(OVER, OVER)[-1]) is None


def test_a_chain_of_which_all_lives_is_what_it_was() -> None:
    links = chained("Ada", NOBODY, None)

    assert living(links[-1]) is links[-1]
    assert chain_of(links[-1]) == links[::-1]


def test_an_endless_chain_of_tasks_that_each_hold_a_name_for_a_while_stays_short() -> None:
    first: Link | None = None
    links: list[Link] = []
    for n in range(1000):
        first = Standing(None, "o", f"Name {n}", living(first))
        links.append(first)
        if n > 3:
            links[n - 3].says = OVER

    assert len(chain_of(first)) <= 8


# In front


def test_a_link_that_is_put_in_front_of_a_chain_is_its_first() -> None:
    ada, bea = chained("Ada", "Bea")
    mine = Standing(None, "o", "Mine", None)

    front = in_front(mine, bea)

    assert chain_of(front) == [mine, bea, ada]
    assert chain_of(in_front(mine, None)) == [mine]


def test_a_link_that_was_in_the_chain_is_in_it_once() -> None:
    ada, bea, cid, dan = chained("Ada", "Bea", "Cid", "Dan")

    front = in_front(bea, dan)

    assert chain_of(front) == [bea, dan, cid, ada]
    assert chain_of(in_front(dan, front)) == [dan, bea, cid, ada]
    assert chain_of(in_front(front, front)) == [bea, dan, cid, ada]


def test_putting_one_in_front_leaves_the_chain_itself_as_it_was() -> None:
    links = chained("Ada", "Bea", "Cid", "Dan")

    in_front(links[1], links[-1])

    assert chain_of(links[-1]) == links[::-1]
    assert [link.before for link in links] == [None, *links[:-1]]


def test_a_link_that_has_not_begun_may_stand_between() -> None:
    state = state_with("Ada")
    lease, pending = checkout(state, "o"), binding_for(state, "o", "Ada")
    pending.before = lease

    assert chain_of(in_front(lease, pending)) == [lease, pending]


# Echoes


def test_an_echo_says_what_its_link_says_at_each_moment() -> None:
    (ada,) = chained("Ada")
    echo = Echo(ada, None)
    of_echo = Echo(echo, None)
    assert (echo.says, of_echo.says) == ("Ada", "Ada")
    assert of_echo.origin is ada

    ada.says = OVER

    assert (echo.says, of_echo.says) == (OVER, OVER)


def test_an_echo_is_of_the_same_state_and_owner_and_as_late_as_its_link() -> None:
    state = state_with("Ada", "Bea")
    ada = checkout(state, "o")
    echo = Echo(ada, None)
    checkout(state, "o")
    associate(state, "o", "Ada")

    assert (echo.state, echo.owner, echo.outside) == (state, "o", False)
    assert echo.number == ada.number == 3


# A link by itself


@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ("Ada", "<Lease of 'o': 'Ada'>"),
        (None, "<Lease of 'o': pending>"),
        (OVER, "<Lease of 'o': over>"),
    ],
)
def test_a_link_shows_whose_it_is_and_what_it_says(says: str | None, shown: str) -> None:
    lease = lease_for(state_with(), "o")
    lease.says = says

    assert repr(lease) == shown


def test_a_copied_link_is_the_link() -> None:
    lease = lease_for(state_with(), "o")

    assert copy.copy(lease) is lease
    assert copy.deepcopy([lease]) == [lease]


@pytest.mark.parametrize("kind", [Lease, Standing])
def test_a_link_cannot_be_pickled(kind: type[Link]) -> None:
    lease = lease_for(state_with(), "o") if kind is Lease else Standing(None, "o", "Ada", None)

    with pytest.raises(TypeError, match=f"^this {kind.__name__} cannot be pickled"):
        pickle.dumps(lease)


def test_a_standing_link_says_nothing_in_a_forked_child() -> None:
    link = Standing(None, "o", "Ada", None)

    link.forked()

    assert link.says == OVER
