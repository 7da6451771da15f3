"""Leases and bindings: the tokens by which callers ask for names. Pure.

A token is made by whoever asks, before the pool hears of it, and is three things in one: the
*token* by which every way out ends what was asked for, the *record* of who asked and what came of
it, and the *link* by which a context speaks under the name.
"""

from __future__ import annotations

from typing import Any, ClassVar

from namepool.core.links import Link


class Asked(Link):
    """A token: a lease or a binding, from before its beginning to its end."""

    __slots__ = ("further", "in_block", "name", "seen", "theme", "timeout", "watch")

    name: Any
    """The name, as the pool spells it; ``None`` until there is one."""
    theme: str | None
    timeout: float | None
    in_block: bool
    """It is a block's, which ends it for certain: it is not reclaimed from an owner that ended."""
    further: Any
    """Further speakers of a lease, the latest last."""
    watch: Any
    """What tells that a future of it is dropped: see ``Reply.watched``."""
    seen: Any
    """What an observer has noted of it; before, the line of the program that asked."""


class Lease(Asked):
    """That a name is checked out, from before its beginning to its end.

    ``pool_ref.ask(CheckoutLease())`` is answered with one, ``ask(CheckinLease(lease))`` ends it and
    no later checkout of the same ``name``; ``token`` is the number of this checkout.
    """

    __slots__ = ("stock", "wait")

    is_whole: ClassVar[bool] = False
    """It is the answer itself, rather than its name."""
    is_lent: bool = False
    """It ends with the last block that speaks under it."""
    by: Binding | None = None
    """The binding that it began with, unless another one counts on it since."""

    stock: Any
    """Where the name came from, and goes home to."""
    wait: Any
    """How it waits for a name, or waited: see ``stock``."""

    @property
    def token(self) -> int:
        """The number that tells this checkout from any other of the pool."""
        return int(self.number)

    @property
    def lease(self) -> Lease:
        """Itself, as a binding's is its name's."""
        return self


class WholeLease(Lease):
    """A lease that is the answer itself."""

    __slots__ = ()

    is_whole = True


class Taking(Lease):
    """A lease of the very name that is ``wanted``."""

    __slots__ = ("wanted",)

    wanted: Any


class Adopted(Lease):
    """A lease that began with a binding; it never speaks itself."""

    __slots__ = ("by", "is_lent")


class Binding(Asked):
    """That a further owner speaks under a name."""

    __slots__ = ("exclusive", "lease", "spoken", "wanted")

    is_whole: ClassVar[bool] = False

    wanted: Any
    """The name as it was asked for."""
    exclusive: Any
    lease: Any
    """The lease of that name; ``None`` until there is one."""
    spoken: Any
    """The token by which the owner speaks; an earlier one, if it spoke under the name already."""


Token = Lease | Binding


def speakers(lease: Lease) -> list[Token]:
    """Return those that speak under a lease's name now."""
    return [token for token in (lease, *(lease.further or ())) if token.says]


def bindings(lease: Lease) -> list[Binding]:
    """Return the bindings to a lease that have begun and not ended, whether they speak or not."""
    return [binding for binding in lease.further or () if binding.says is not None]


def speaking_owners(lease: Lease) -> tuple[str, ...]:
    """Return the owners that speak under a lease's name now."""
    return tuple(dict.fromkeys(token.owner for token in speakers(lease)))
