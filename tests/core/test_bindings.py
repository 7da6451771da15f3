"""Who speaks under which name, as an index of the leases."""

from __future__ import annotations

from namepool.core.bindings import Bindings, Speaking


def _bound(*pairs: tuple[str, str]) -> Bindings:
    bindings = Bindings()
    for owner, name in pairs:
        bindings.bind(owner, name)
    return bindings


def test_an_owner_speaks_under_the_latest_of_its_names() -> None:
    bindings = _bound(("o", "Ada"), ("o", "Bea"), ("p", "Ada"))

    assert dict(bindings.view) == {"o": "Bea", "p": "Ada"}
    assert bindings.names_of("o") == ("Ada", "Bea")
    assert bindings.names_of("nobody") == ()


def test_binding_a_name_again_makes_it_the_latest() -> None:
    bindings = _bound(("o", "Ada"), ("o", "Bea"), ("o", "Ada"))

    assert bindings.names_of("o") == ("Bea", "Ada")


def test_the_name_from_before_speaks_again_when_the_latest_is_unbound() -> None:
    bindings = _bound(("o", "Ada"), ("o", "Bea"), ("o", "Cid"))

    bindings.unbind("o", "Cid")
    bindings.unbind("o", "Ada")

    assert bindings.names_of("o") == ("Bea",)
    assert not bindings.several
    bindings.unbind("o", "Bea")
    assert not bindings.view


def test_a_scope_ends_the_binding_that_it_began_and_no_other() -> None:
    bindings = Bindings()
    began, was_bound = Speaking("o", "Ada", None, 1), Speaking("o", "Bea", None, 2)
    bindings.begin_scope(began, is_bound=False)
    bindings.begin_scope(was_bound, is_bound=True)

    assert bindings.end_scope(began) is True
    assert bindings.end_scope(was_bound) is False
    assert bindings.end_scope(began) is None


def test_of_two_scopes_of_one_name_the_one_that_ends_last_ends_the_binding() -> None:
    bindings = Bindings()
    outer, inner = Speaking("o", "Ada", None, 1), Speaking("o", "Ada", "Ada", 2)
    bindings.begin_scope(outer, is_bound=False)
    bindings.begin_scope(inner, is_bound=True)

    assert bindings.end_scope(outer) is False
    assert bindings.end_scope(inner) is True


def test_a_forgotten_scope_ends_nothing() -> None:
    bindings = Bindings()
    speaking = Speaking("o", "Ada", None, 1)
    bindings.begin_scope(speaking, is_bound=False)

    bindings.clear_scopes()

    assert bindings.end_scope(speaking) is None


def test_a_rebuilt_index_says_what_the_leases_say() -> None:
    bindings = _bound(("ghost", "Ada"), ("o", "Cid"))
    view, several = bindings.view, bindings.several

    bindings.rebuild({"Ada": (1, {"o": 1, "p": 4}), "Bea": (2, {"o": 3}), "Dot": (5, {})})

    assert dict(bindings.view) == {"o": "Bea", "p": "Ada"}
    assert bindings.names_of("o") == ("Ada", "Bea")
    assert bindings.view is view
    assert bindings.several is several
