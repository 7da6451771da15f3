"""Leases and bindings: the tokens by which callers ask for names. Pure.

A caller makes a token before the pool hears of the request. The token is three things in one. It is
the *token* of the request: the code that ends the request, for any reason, passes the token to
``PoolState.end``. It is the *record* of the owner and of the result. It is the *link* by which a
context speaks under the name.
"""

from __future__ import annotations

from typing import Any, ClassVar

from namepool.core.links import Link


class Asked(Link):
    """The base class of the tokens: a token is a lease or a binding.

    The caller makes the token before the lease or the binding begins. The token stays the same
    object until the end.
    """

    __slots__ = ("further", "in_block", "name", "seen", "theme", "timeout", "watch")

    name: Any
    """The name, as the pool spells it; ``None`` until there is one."""
    theme: str | None
    timeout: float | None
    in_block: bool
    """The token belongs to a ``with`` block, which ends it for certain. So the pool does not
    reclaim it from an owner that has ended."""
    further: Any
    """The further speakers of a lease, the latest last."""
    watch: Any
    """The object that reports a dropped reply of this token: see ``Reply.watched``."""
    seen: Any
    """The line of the program that made the request, if the pool wants to know the line.

    When the lease begins, the observer of the pool stores its own note here instead.
    """


class Lease(Asked):
    """A lease of a name, for one checkout.

    ``pool_ref.ask(CheckoutLease())`` returns a lease. ``ask(CheckinLease(lease))`` ends this lease,
    and no later checkout of the same ``name``. ``token`` is the number of the checkout in its pool.
    ``id`` is a text that no other lease has, in any pool of any process. Log lines, spans, events
    and ``leases()`` show the same id.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> lease = ref.ask(namepool.CheckoutLease())
        >>> lease.name, lease.token
        ('NPC #1', 1)
        >>> lease.id
        '...-...-1'
        >>> ref.ask(namepool.CheckinLease(lease))
        True
    """

    __slots__ = ("stock", "token", "wait")

    is_whole: ClassVar[bool] = False
    """The lease itself is the answer to the request, rather than its name."""
    draws: ClassVar[int] = 1
    """The number of names that the lease draws from the queue of its stock: 1 or 0."""
    is_lent: bool = False
    """The lease ends with the last block that speaks under its name."""
    by: Binding | None = None
    """The binding with which the lease began. The end of this binding may end the lease, too.

    The value becomes ``None`` if another binding, outside a block, joins the lease. From then on,
    the end of the first binding does not end the lease.
    """

    stock: Any
    """The stock that the name came from and goes back to."""
    wait: Any
    """The record of how the lease waits, or waited, for a name: see ``stock.Wait``."""

    token: int
    """The number of this checkout. No other checkout of the pool has the same number.

    It never changes. (``number`` grows if the owner is associated with the name once more.)
    """

    @property
    def id(self) -> str:
        """The id of this lease. No other lease of any pool has it, in this process or another one.

        It consists of the tag of the process, the serial of the pool's state and ``token``. None of
        them changes while the lease lasts. So each call makes the same id, on each thread.

        Examples:
            >>> other = ref.ask(namepool.CheckoutLease())
            >>> lease.id, other.id
            ('...-...-1', '...-...-2')
        """
        return f"{self.state.id_prefix}{self.token}"

    @property
    def lease(self) -> Lease:
        """This lease itself. (The ``lease`` of a binding is the lease of its name.)

        Examples:
            >>> lease.lease is lease
            True
        """
        return self


class WholeLease(Lease):
    """A lease that is itself the answer to its request."""

    __slots__ = ()

    is_whole = True


class Taking(Lease):
    """A lease of one particular name: the ``wanted`` one."""

    __slots__ = ("leaves", "wanted")

    draws = 0

    wanted: Any
    leaves: bool
    """The name leaves the pool with the end of the lease: see ``stock.Apart``."""


class Adopted(Lease):
    """A lease that began with a binding. It never speaks itself."""

    __slots__ = ("by", "is_lent")


class Binding(Asked):
    """A binding: one more owner speaks under a name."""

    __slots__ = ("exclusive", "lease", "spoken", "wanted")

    is_whole: ClassVar[bool] = False

    wanted: Any
    """The name as the caller spelled it."""
    exclusive: Any
    lease: Any
    """The lease of that name; ``None`` until there is one."""
    spoken: Any
    """The token by which the owner speaks. It is an earlier token if the owner already spoke under
    the name."""


Token = Lease | Binding


def speakers(lease: Lease) -> list[Token]:
    """Return the tokens that speak under a lease's name now."""
    return [token for token in (lease, *(lease.further or ())) if token.says]


def bindings(lease: Lease) -> list[Binding]:
    """Return the bindings to a lease that have begun and not ended, whether they speak or not."""
    return [binding for binding in lease.further or () if binding.says is not None]


def speaking_owners(lease: Lease) -> tuple[str, ...]:
    """Return the owners that speak under a lease's name now."""
    return tuple(dict.fromkeys(token.owner for token in speakers(lease)))
