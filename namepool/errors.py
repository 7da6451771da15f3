"""The errors namepool raises, drawn as a tree.

::

    NamePoolError
    ├── InvalidName        (also a ValueError)   a name that may not be a name
    ├── InvalidOption      (also a ValueError)   an option of the wrong type or range
    │   └── UnknownTheme                         a theme that the source does not know
    ├── InvalidOwner       (also a ValueError)   something that cannot be an owner
    ├── OwnerRequired      (also a TypeError)    a request that does not say who asks
    ├── NamesUnavailable                         the source gave no name; the cause is chained
    ├── CheckoutTimeout    (also a pykka.Timeout and a TimeoutError)
    ├── NameHeld                                 a name asked for by name, and who holds it
    ├── LedgerError                              a ledger that cannot be reached or used
    └── SourceError                              what a source raises when it cannot answer

Pykka's own ``ActorDeadError`` (the pool is gone) and ``Timeout`` (no answer in time) pass through
unchanged; ``namepool.actors`` adds ``WouldDeadlock``.
"""

from __future__ import annotations

from typing import Any

import pykka


class NamePoolError(Exception):
    """Base of every error that namepool raises on purpose."""


class InvalidName(NamePoolError, ValueError):
    """A name that may not be one; the message shows ``ascii(name)`` and the rule it breaks."""


class InvalidOption(NamePoolError, ValueError):
    """An option of the wrong type or range; the message names option, value and expectation."""


class UnknownTheme(InvalidOption):
    """A source knows its themes, and this is none; the message names it and those that exist."""


class InvalidOwner(NamePoolError, ValueError):
    """Something that cannot be an owner was given as one."""


class OwnerRequired(NamePoolError, TypeError):
    """A request reached the pool without saying who asks."""


class NamesUnavailable(NamePoolError):
    """The source gave no usable name; ``__cause__`` is what it raised."""


class CheckoutTimeout(NamePoolError, pykka.Timeout, TimeoutError):
    """No name came free in time. The request is withdrawn: it costs no name."""


class SourceError(NamePoolError):
    """A source of names cannot answer."""


class LedgerError(NamePoolError):
    """A ledger of claimed names cannot be reached or used; nothing unclaimed is handed out."""


class NameHeld(NamePoolError):
    """A name that was asked for by name is another's; the message says whose.

    ``holder`` is a ``namepool.ledgers.Holder`` if the ledger says so, ``None`` if it is checked out
    in this very pool.
    """

    def __init__(self, message: str, holder: Any = None) -> None:
        super().__init__(message)
        self.holder: Any = holder
