"""The errors that namepool raises, drawn as a tree.

::

    NamePoolError
    ├── InvalidName        (also a ValueError)   a text that is not a valid name
    ├── InvalidOption      (also a ValueError)   an option of the wrong type or range
    │   └── UnknownTheme                         a theme that the source does not know
    ├── InvalidOwner       (also a ValueError)   an object that cannot be an owner
    ├── OwnerRequired      (also a TypeError)    a request that does not name its owner
    ├── NamesUnavailable                         the source gave no name; the cause is chained
    ├── CheckoutTimeout    (also a pykka.Timeout and a TimeoutError)
    ├── NameHeld                                 another owner holds the name that was asked for
    ├── LedgerError                              a ledger that cannot be reached or used
    │   └── LedgerBusy                           another process has the ledger locked for now
    └── SourceError                              the source cannot answer
        └── SourceExhausted                      the source has given all its names

Pykka's own ``ActorDeadError`` (the pool is gone) and ``Timeout`` (no answer in time) pass through
unchanged. ``namepool.actors`` adds ``WouldDeadlock``.
"""

from __future__ import annotations

from typing import Any

import pykka


class NamePoolError(Exception):
    """Base of every error that namepool raises on purpose."""


class InvalidName(NamePoolError, ValueError):
    """A text is not a valid name. The message shows ``ascii(name)`` and the rule that it breaks."""


class InvalidOption(NamePoolError, ValueError):
    """An option has the wrong type or range.

    The message names the option, its value and the values that are allowed.
    """


class UnknownTheme(InvalidOption):
    """The source does not know a theme. The message names the theme and the existing themes."""


class InvalidOwner(NamePoolError, ValueError):
    """An object was given as an owner, but it cannot be one."""


class OwnerRequired(NamePoolError, TypeError):
    """A request reached the pool, but it does not name its owner."""


class NamesUnavailable(NamePoolError):
    """The source gave no usable name. ``__cause__`` is the error that the source raised."""


class CheckoutTimeout(NamePoolError, pykka.Timeout, TimeoutError):
    """No name came free in time. The request is withdrawn, and no name is lost."""


class SourceError(NamePoolError):
    """A source of names cannot answer."""


class SourceExhausted(SourceError):
    """A source has no more names, and never will have. A source raises this error to say so.

    The pool does not ask the source again for this theme, before a ``reset()`` or a restart of the
    pool. A checkout then waits until a name is given back, up to its timeout. If no name is checked
    out that could come back, it raises ``NamesUnavailable`` at once.
    """


class LedgerError(NamePoolError):
    """A ledger of claimed names cannot be reached or used.

    The pool hands out no name that is not claimed.
    """


class LedgerBusy(LedgerError):
    """Other processes have kept the file of a ledger locked for the whole ``timeout`` of the call.

    A pool tries again while a caller waits and has time left.
    """


class NameHeld(NamePoolError):
    """Another owner holds the name that was asked for. The message names the owner.

    ``holder`` is a ``namepool.ledgers.Holder`` if the ledger has the name for another session. It
    is ``None`` if the name is checked out in this pool.
    """

    def __init__(self, message: str, holder: Any = None) -> None:
        super().__init__(message)
        self.holder: Any = holder
