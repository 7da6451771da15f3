"""Who speaks under which name: bindings, blocks, and names that another party took."""

from __future__ import annotations

import pytest

from namepool.core.known import Admission
from namepool.core.leases import Adopted
from namepool.core.state import PoolState
from tests.core.scene import (
    admit,
    associate,
    available,
    binding_for,
    checkin,
    checkout,
    look_at,
    picture,
    speakers_of,
    state_with,
)


def names_of(state: PoolState, owner: str) -> list[str]:
    """Return the names that an owner speaks under, the latest last."""
    return [token.name for token in state.owners.get(owner, ())]


# The latest name


def test_an_owner_of_several_names_speaks_under_the_latest() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    checkout(state, "o")
    assert state.speaking["o"] == "Bea"


def test_an_owner_that_gives_the_latest_back_speaks_under_the_one_before() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for _ in range(3):
        checkout(state, "o")
    checkin(state, "Bea")
    assert state.speaking["o"] == "Cid"
    checkin(state, "Cid")
    assert state.speaking["o"] == "Ada"


def test_a_name_associated_again_is_the_latest_again() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for _ in range(3):
        checkout(state, "o")
    associate(state, "o", "Ada")
    assert names_of(state, "o") == ["Bea", "Cid", "Ada"]
    assert (state.speaking["o"], state.name_of("o")) == ("Ada", "Ada")
    checkin(state, "Ada")
    assert state.speaking["o"] == "Cid"


def test_who_speaks_under_the_latest_still_does_after_a_recovery() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for _ in range(3):
        checkout(state, "o")
    associate(state, "o", "Bea")
    associate(state, "o", "Ada", in_block=True)
    before = names_of(state, "o")
    state.recover()
    assert names_of(state, "o") == before == ["Ada", "Cid", "Bea", "Ada"]


# Associations


def test_several_speakers_share_a_name() -> None:
    state = state_with("Ada")
    checkout(state, "parent")
    for worker in ("w1", "w2", "w3"):
        assert associate(state, worker, "Ada").says == "Ada"
    assert speakers_of(state, "Ada") == ("parent", "w1", "w2", "w3")


def test_an_exclusive_association_silences_the_others() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "one")
    checkout(state, "one")
    associate(state, "three", "Bea", in_block=True)
    associate(state, "two", "Bea", exclusive=True)
    assert speakers_of(state, "Bea") == ("two",)
    assert dict(state.speaking) == {"one": "Ada", "two": "Bea"}


def test_an_exclusive_association_of_a_speaker_keeps_it() -> None:
    state = state_with("Ada")
    lease = checkout(state, "one")
    associate(state, "two", "Ada")
    associate(state, "one", "Ada", exclusive=True)
    assert speakers_of(state, "Ada") == ("one",)
    assert (state.leases["Ada"], lease.says) == (lease, "Ada")


def test_an_associated_name_that_was_available_is_no_longer_issued() -> None:
    state = state_with("Ada", "Bea")
    associate(state, "o", "Ada")
    assert checkout(state, "p").name == "Bea"
    assert available(state) == []


def test_an_associated_name_that_was_never_seen_is_known_and_never_admitted() -> None:
    state = state_with()
    assert associate(state, "o", "Ada").name == "Ada"
    assert admit(state, ["Ada", "ADA"]) == Admission(0, 0, 2)
    assert list(state.known.used()) == ["Ada"]


@pytest.mark.parametrize("is_held", [False, True])
def test_an_association_finds_the_name_that_reads_alike(is_held: bool) -> None:
    state = state_with("Ada the Yak-Shaver")
    if is_held:
        checkout(state, "p")
    binding = binding_for(state, "o", "ADA THE YAK SHAVER")
    assert state.associate(binding) == "Ada the Yak-Shaver"
    assert binding.says == "Ada the Yak-Shaver"
    assert len(state.known) == 1


def test_what_was_held_before_an_association_stays_held() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    associate(state, "o", "Bea")
    assert state.leases["Ada"] is lease
    assert speakers_of(state, "Ada") == ("o",)


def test_a_lease_that_begins_with_an_association_is_of_its_owner_and_goes_home_as_any() -> None:
    state = state_with("Ada", "Bea")
    lease = associate(state, "o", "Ada").lease
    assert isinstance(lease, Adopted)
    assert (lease.owner, lease.says, lease.token) == ("o", "", 1)
    assert state.end(lease) is True
    assert available(state) == ["Bea", "Ada"]


def test_an_owner_that_speaks_under_a_name_already_goes_on_by_the_token_it_has() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    first = associate(state, "p", "Ada")
    assert first.spoken is first
    assert associate(state, "p", "Ada").spoken is first
    assert associate(state, "o", "ADA").spoken is lease
    assert lease.further == {first: None}


def test_a_binding_that_speaks_by_an_earlier_token_is_answered_again_while_that_lasts() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    binding = associate(state, "o", "Ada")
    assert binding.says == ""
    assert state.associate(binding) == "Ada"

    checkin(state, "Ada")
    with pytest.raises(LookupError):
        state.associate(binding)


def test_what_has_begun_to_speak_is_answered_with_its_name_again() -> None:
    state = state_with("Ada")
    binding = associate(state, "o", "Ada")
    assert state.associate(binding) == "Ada"
    assert names_of(state, "o") == ["Ada"]


def test_a_binding_that_ended_before_it_began_is_granted_nothing() -> None:
    state = state_with("Ada")
    binding = binding_for(state, "o", "Ada")
    assert state.end(binding) is False
    with pytest.raises(LookupError, match="^the request was given up before it was answered$"):
        state.associate(binding)
    assert available(state) == ["Ada"]


# An association that is undone, as its caller did not get the answer


@pytest.mark.parametrize("name", ["Ada", "Bea", "Zoe"])
def test_an_association_that_is_undone_leaves_nothing_behind(name: str) -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    before = picture(state)[1:5]
    binding = associate(state, "p", name)

    assert state.end(binding) is True
    assert state.end(binding) is False

    look_at(state)
    assert picture(state)[1:5] == before


def test_an_association_that_is_undone_leaves_the_name_to_those_who_speak_under_it_since() -> None:
    state = state_with("Ada")
    binding = associate(state, "o", "Ada")
    associate(state, "p", "Ada")
    state.end(binding)
    assert speakers_of(state, "Ada") == ("p",)
    state.dissociate("p")
    assert "Ada" in state.leases


def test_an_association_with_what_one_speaks_under_already_is_not_undone() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    assert state.end(associate(state, "o", "Ada")) is False
    assert state.speaking["o"] == "Ada"


def test_the_end_of_a_binding_of_an_earlier_lease_does_not_touch_a_later_one_of_the_name() -> None:
    state = state_with("Ada")
    old = associate(state, "o", "Ada")
    checkin(state, "Ada")
    associate(state, "o", "Ada", in_block=True)
    assert state.end(old) is False
    assert speakers_of(state, "Ada") == ("o",)


# Dissociations


def test_a_dissociated_owner_is_silent_and_the_lease_stays() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    assert state.dissociate("o")
    assert "o" not in state.speaking
    assert state.leases["Ada"] is lease


def test_the_lease_of_an_association_stays_when_its_owner_is_dissociated() -> None:
    state = state_with("Ada")
    associate(state, "o", "Ada")
    assert state.dissociate("o")
    assert list(state.leases) == ["Ada"]


def test_a_dissociation_can_name_an_older_name_in_another_spelling() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    checkout(state, "o")
    assert state.dissociate("o", "ada")
    assert state.speaking["o"] == "Bea"
    checkin(state, "Bea")
    assert "o" not in state.speaking


def test_a_dissociation_ends_all_by_which_an_owner_speaks_under_a_name() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    block = associate(state, "o", "Ada", in_block=True)
    assert state.dissociate("o")
    assert (block.says, dict(state.speaking)) == ("", {})


@pytest.mark.parametrize("name", [None, "Ada", "Bea", "Cid"])
def test_who_does_not_speak_cannot_be_dissociated(name: str | None) -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    before = picture(state)
    assert state.dissociate("p", name) is False
    assert picture(state) == before


# Blocks


def held() -> PoolState:
    """Return a state in which o holds Ada and Bea, p holds Cid, and Dan is available."""
    state = state_with("Ada", "Bea", "Cid", "Dan")
    for owner in ("o", "o", "p"):
        checkout(state, owner)
    return state


def test_a_block_speaks_under_its_name_until_it_ends() -> None:
    state = held()
    block = associate(state, "o", "Cid", in_block=True)
    assert state.speaking["o"] == "Cid"

    assert state.end(block) is True

    assert names_of(state, "o") == ["Ada", "Bea"]
    assert speakers_of(state, "Cid") == ("p",)


def test_the_end_of_the_only_block_of_an_owner_leaves_it_silent() -> None:
    state = held()
    state.end(associate(state, "q", "Cid", in_block=True))
    assert "q" not in state.speaking
    assert speakers_of(state, "Cid") == ("p",)


def test_a_block_shares_its_name_unless_it_is_exclusive() -> None:
    state = held()
    associate(state, "q", "Cid", in_block=True)
    assert speakers_of(state, "Cid") == ("p", "q")

    associate(state, "o", "Cid", in_block=True, exclusive=True)
    assert speakers_of(state, "Cid") == ("o",)


def test_what_an_owner_spoke_under_before_a_block_it_speaks_under_after_it() -> None:
    state = held()
    block = associate(state, "o", "Ada", in_block=True)
    assert state.speaking["o"] == "Ada"

    state.end(block)

    assert names_of(state, "o") == ["Ada", "Bea"]


def test_of_two_blocks_of_one_name_each_ends_its_own() -> None:
    state = held()
    outer, inner = (associate(state, "q", "Cid", in_block=True) for _ in range(2))
    state.end(outer)
    assert state.speaking["q"] == "Cid"
    state.end(inner)
    assert "q" not in state.speaking


def test_a_name_that_was_taken_within_a_block_outlives_it() -> None:
    state = held()
    block = associate(state, "o", "Cid", in_block=True)
    checkout(state, "o")
    state.end(block)
    assert names_of(state, "o") == ["Ada", "Bea", "Dan"]


def test_an_association_within_a_block_of_the_name_outlives_it() -> None:
    state = held()
    block = associate(state, "q", "Cid", in_block=True)
    associate(state, "q", "Cid")
    state.end(block)
    assert state.speaking["q"] == "Cid"


def test_a_block_ends_once() -> None:
    state = held()
    block = associate(state, "o", "Cid", in_block=True)
    state.end(block)
    associate(state, "o", "Cid")
    assert state.end(block) is False
    assert state.speaking["o"] == "Cid"


def test_the_end_of_a_block_that_was_dissociated_within_changes_nothing_more() -> None:
    state = held()
    block = associate(state, "q", "Cid", in_block=True)
    state.dissociate("q")
    assert state.end(block) is False
    assert "q" not in state.speaking


def test_after_a_reset_the_end_of_a_block_changes_nothing() -> None:
    state = held()
    block = associate(state, "o", "Cid", in_block=True)
    state.reset()
    associate(state, "o", "Cid")
    state.end(block)
    assert state.speaking["o"] == "Cid"


# A name that a block speaks under though it was not checked out


@pytest.mark.parametrize("name", ["Ada", "Zoe"])
def test_a_lent_name_comes_home_with_the_block_that_speaks_under_it(name: str) -> None:
    state = state_with("Ada")
    block = associate(state, "o", name, in_block=True)
    assert name in state.leases
    state.end(block)
    assert not state.leases
    assert sorted(available(state)) == sorted({"Ada", name})


def test_a_lent_name_comes_home_with_the_last_block() -> None:
    state = state_with("Ada")
    first, second = (associate(state, owner, "Ada", in_block=True) for owner in "op")
    state.end(first)
    assert speakers_of(state, "Ada") == ("p",)
    state.end(second)
    assert available(state) == ["Ada"]


def test_a_lent_name_that_was_dissociated_within_its_block_comes_home_with_it() -> None:
    state = state_with("Ada")
    block = associate(state, "o", "Ada", in_block=True)
    state.dissociate("o")
    assert list(state.leases) == ["Ada"]
    state.end(block)
    assert available(state) == ["Ada"]


@pytest.mark.parametrize("until", ["the end", "before"])
def test_a_lent_name_that_somebody_is_associated_with_stays(until: str) -> None:
    state = state_with("Ada")
    block = associate(state, "o", "Ada", in_block=True)
    associate(state, "p", "Ada")
    if until == "before":
        state.dissociate("p")
    state.end(block)
    assert list(state.leases) == ["Ada"]


def test_a_name_that_was_checked_out_stays_so_after_the_blocks_that_speak_under_it() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    block = associate(state, "p", "Ada", in_block=True)
    state.dissociate("o")
    state.end(block)
    assert state.leases == {"Ada": lease}


def test_a_lent_name_that_was_given_back_and_leased_again_is_left_alone() -> None:
    state = state_with("Ada")
    block = associate(state, "o", "Ada", in_block=True)
    checkin(state, "Ada")
    lease = checkout(state, "p")
    state.end(block)
    assert state.leases == {"Ada": lease}


# A name that another party took for an owner


def test_the_latest_name_that_another_party_took_is_found_by_owner() -> None:
    state = state_with("Ada", "Bea", "Cid")
    first = checkout(state, "o", outside=True)
    second = associate(state, "o", "Zoe", outside=True)
    checkout(state, "o")
    assert state.given == {"o": second}

    state.end(second)
    assert state.given == {"o": first}

    checkin(state, "Ada")
    assert state.given == {}


def test_what_an_owner_took_itself_is_not_given() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    associate(state, "o", "Zoe")
    assert state.given == {}


def test_a_token_of_its_own_is_given_from_when_another_party_asks_for_it_again() -> None:
    state = state_with("Ada", "Bea")
    own = checkout(state, "o")
    associate(state, "o", "Ada", outside=True)
    assert state.given == {"o": own}


def test_a_given_token_that_its_owner_asks_for_again_is_the_latest_given() -> None:
    state = state_with("Ada", "Bea")
    first = checkout(state, "o", outside=True)
    checkout(state, "o", outside=True)
    associate(state, "o", "Ada")
    assert state.given == {"o": first}


@pytest.mark.parametrize("how", ["dissociated", "taken over", "ended", "given back", "reset"])
def test_a_given_name_is_not_found_once_it_is_spoken_no_more(how: str) -> None:
    state = state_with("Ada")
    checkout(state, "o", outside=True)
    match how:
        case "dissociated":
            state.dissociate("o")
        case "taken over":
            associate(state, "p", "Ada", exclusive=True)
        case "ended":
            state.owner_ended("o", 0.0)
        case "given back":
            checkin(state, "Ada")
        case "reset":
            state.reset()
    assert state.given == {}
