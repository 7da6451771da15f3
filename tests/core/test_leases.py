"""Tokens: what they tell of a lease and of who speaks under its name."""

from __future__ import annotations

from namepool.core.leases import (
    Adopted,
    Lease,
    Taking,
    WholeLease,
    speakers,
    speaking_owners,
)
from namepool.core.links import Standing
from tests.core.scene import admit, associate, binding_for, checkout, state_with
from tests.support import lease_for


def test_a_lease_has_its_name_and_number_from_its_beginning_on() -> None:
    state = state_with("Ada", "Bea")
    assert lease_for(state, "o").name is None

    lease = checkout(state, "o")

    assert (lease.name, lease.token, lease.lease) == ("Ada", 1, lease)
    assert checkout(state, "p").token == 2


def test_the_number_and_the_id_of_a_lease_stay_when_its_owner_is_associated_again() -> None:
    state = state_with("Ada", "Bea")
    state.id_prefix = "tag-1-"
    lease = checkout(state, "o")
    checkout(state, "o")

    associate(state, "o", "Ada")

    assert lease.number == 3
    assert (lease.token, lease.id) == (1, "tag-1-1")


def test_no_two_leases_of_a_state_have_one_number() -> None:
    state = state_with("Ada", "Bea", "Cid")
    leases = [checkout(state, "o"), associate(state, "o", "Yan").lease]
    taken = lease_for(state, "o", kind=Taking)
    state.take(taken, "Zoe")
    whole = lease_for(state, "o", kind=WholeLease)
    state.begin(whole, spare=0)
    leases += [taken, whole, associate(state, "p", "Cid", in_block=True).lease]
    associate(state, "o", "Zoe")
    state.reset()
    admit(state, ["Ada"])
    leases.append(checkout(state, "o"))

    assert {type(lease) for lease in leases} == {Lease, WholeLease, Taking, Adopted}
    assert len({lease.token for lease in leases}) == len(leases)


def test_no_two_states_have_one_serial() -> None:
    assert state_with().serial != state_with().serial


def test_a_link_has_the_lease_of_its_name() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    binding = associate(state, "p", "Ada")

    links = [lease, binding, lease.again(None), binding.again(None).again(None)]

    assert [link.lease for link in links] == [lease] * 4
    assert Standing(state, "o", "Nemo Nobody", None).lease is None
    assert binding_for(state, "p", "Bea").lease is None


def test_a_binding_has_the_name_of_its_lease() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    assert binding_for(state, "p", "ADA").name is None

    binding = associate(state, "p", "ADA")

    assert (binding.name, binding.lease) == ("Ada", lease)


def test_only_a_whole_lease_is_the_answer_itself() -> None:
    state = state_with()
    assert lease_for(state, "o", kind=WholeLease).is_whole
    assert not lease_for(state, "o").is_whole
    assert not binding_for(state, "o", "Ada").is_whole


def test_of_the_leases_only_one_that_began_in_a_block_by_name_is_lent() -> None:
    state = state_with("Ada", "Bea")
    lease = checkout(state, "o", in_block=True)
    lent, adopted = (
        associate(state, "o", name, in_block=in_block).lease
        for name, in_block in (("Bea", True), ("Zoe", False))
    )

    assert [one.is_lent for one in (lease, lent, adopted)] == [False, True, False]
    assert [type(one) for one in (lease, lent, adopted)] == [Lease, Adopted, Adopted]


def test_the_speakers_are_the_leases_owner_and_further_ones_while_they_speak() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    second, third = associate(state, "p", "Ada"), associate(state, "o", "Ada", in_block=True)

    assert speakers(lease) == [lease, second, third]
    assert speaking_owners(lease) == ("o", "p")

    state.dissociate("p")
    state.end(third)
    assert speakers(lease) == [lease]

    state.end(lease)
    assert speakers(lease) == []
